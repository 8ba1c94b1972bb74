"""What transformers' image processors make of pictures of many sizes, with Pillow and with torchvision.

A row holds the processor's settings, the picture's size and the checksum of the pixel values. The picture
is computed (`formula`), so that large ones needn't be kept.
"""

import hashlib
import json
import shutil

import numpy as np
import PIL
import torch
import torchvision
from PIL import Image
from transformers import CLIPImageProcessor, LlavaImageProcessor, Qwen2VLImageProcessor, SiglipImageProcessor
from transformers import JanusImageProcessor
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.janus.image_processing_pil_janus import JanusImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

# Not at all, by one pixel, down, up, one side only, odd remainders on either side, extreme, large.
SIZES = [
    (224, 224), (225, 224), (224, 223), (225, 225), (223, 225), (447, 223), (224, 500), (336, 224),
    (640, 480), (480, 640), (300, 301), (97, 61), (45, 83), (7, 5), (1, 1), (3, 40), (200, 9),
    (1280, 720), (1000, 130), (113, 900), (512, 512), (64, 64),
]
# Settings that differ from the class's own, each for a few sizes.
OTHERS = [
    # Smaller than the crop on one side or both: padded, with odd remainders.
    ({"size": {"shortest_edge": 21}, "crop_size": {"height": 28, "width": 33}}, [(97, 61), (45, 83), (50, 51)]),
    ({"size": {"height": 19, "width": 40}, "crop_size": {"height": 24, "width": 31}}, [(97, 61), (45, 83)]),
    # Enlarged a little, bilinear; nothing but the crop; no arithmetic but the division.
    ({"size": {"shortest_edge": 70}, "crop_size": 64, "resample": 2}, [(97, 61), (45, 83), (300, 301)]),
    ({"do_resize": False, "crop_size": {"height": 60, "width": 60}}, [(97, 61), (45, 83), (20, 90)]),
    ({"do_normalize": False}, [(97, 61), (300, 301)]),
    ({"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.25, 0.3], "rescale_factor": 1 / 127.5}, [(97, 61)]),
]
# Areas that enlarge and shrink most pictures, sides that round half to even, other patches, no resize at all.
PATCHED = [
    ({"min_pixels": 300 * 300, "max_pixels": 400 * 400}, [(97, 61), (45, 83), (640, 480), (1000, 130), (3, 40)]),
    ({"size": {"shortest_edge": 3136, "longest_edge": 12845056}}, [(1280, 720), (70, 98), (42, 70), (1, 1)]),
    ({"patch_size": 16, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}, [(97, 61), (300, 301)]),
    ({"patch_size": 8, "merge_size": 3, "temporal_patch_size": 1}, [(97, 61), (45, 83)]),
    ({"do_resize": False}, [(84, 56)]),
]
# A short side that stays long enough, and one that isn't; a side that rounds half to even; as published; no steps.
SQUARED = [
    ({"size": {"height": 30, "width": 30}, "min_size": 5}, [(97, 61), (45, 83), (200, 9), (3, 40), (1, 1), (60, 17)]),
    ({"image_mean": [0.5] * 3, "image_std": [0.5] * 3}, [(97, 61), (1280, 720), (300, 301), (113, 900)]),
    ({"do_pad": False}, [(97, 61)]),
    ({"do_resize": False}, [(45, 83), (64, 64)]),
]
PADDED = [({"do_pad": True}, [(97, 61), (45, 83), (300, 301), (64, 64)])]


def formula(width, height):
    """A picture of slopes and hard edges, from integers alone, so that any language can make it."""
    x = np.arange(width, dtype=np.int64)[None, :]
    y = np.arange(height, dtype=np.int64)[:, None]
    channels = [
        (x * (3 + 2 * c) + y * (7 - c) + (x // 8 ^ y // 8) * 29 * (c + 1) + x * y // 64) & 255 for c in range(3)
    ]
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8), "RGB")


def make(folder):
    """Writes `golden.json`."""
    assert PIL.__version__ == "11.3.0", f"Pillow {PIL.__version__} may resize in another order"
    assert torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512"), "bilinear would go through floats"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    everything = [({}, SIZES)]
    rows = []
    for name, classes, cases in [
        ("CLIPImageProcessor", (CLIPImageProcessorPil, CLIPImageProcessor), everything + OTHERS),
        ("SiglipImageProcessor", (SiglipImageProcessorPil, SiglipImageProcessor), everything),
        ("LlavaImageProcessor", (LlavaImageProcessorPil, LlavaImageProcessor), PADDED),
        ("Qwen2VLImageProcessor", (Qwen2VLImageProcessorPil, Qwen2VLImageProcessor), everything + PATCHED),
        ("JanusImageProcessor", (JanusImageProcessorPil, JanusImageProcessor), everything + SQUARED),
    ]:
        furthest = 0.0
        for settings, sizes in cases:
            for size in sizes:
                pillow, tensors = [values(made(**settings), size) for made in classes]
                furthest = max(furthest, float(np.abs(pillow - tensors).max()))
                rows.append(golden(name, settings, size, pillow))
                rows.append(golden(f"{name}Fast", settings, size, tensors))
        print(f"{name}: the two backends differ by up to {furthest:.3f}")
    text = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    (folder / "golden.json").write_text(f"[\n{text}\n]\n")
    print(f"{folder.name}: {len(rows)} results, torchvision {torchvision.__version__}")


def values(processor, size):
    """The pixel values `[3, height, width]` of the picture of this size, or `[rows, columns, 3, frames, side, side]`
    where it comes in patches; these not in the order of rows, which only the checksum sees."""
    made = processor(formula(*size), return_tensors="np")
    if "image_grid_thw" in made:
        _, rows, columns = made["image_grid_thw"][0]
        side, frames = processor.patch_size, processor.temporal_patch_size
        values = made["pixel_values"].reshape(rows, columns, 3, frames, side, side)
    else:
        values = made["pixel_values"][0]
    return np.ascontiguousarray(values, "<f4")


def golden(name, settings, size, pixels):
    """One row. `name` is what `image_processor_type` says where the backend is meant."""
    first = pixels[:, 0, 0] if pixels.ndim == 3 else pixels[0, 0, :, 0, 0, 0]
    return {
        "settings": {"image_processor_type": name, **settings},
        "size": list(size),
        "shape": list(pixels.shape),
        "first": [float(f"{value:.9g}") for value in first.tolist()],
        "sha256": hashlib.sha256(pixels.tobytes()).hexdigest(),
    }
