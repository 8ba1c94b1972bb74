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
from transformers import (
    BlipImageProcessor,
    ChameleonImageProcessor,
    CLIPImageProcessor,
    Emu3ImageProcessor,
    Gemma3ImageProcessor,
    GotOcr2ImageProcessor,
    Idefics3ImageProcessor,
    IdeficsImageProcessor,
    JanusImageProcessor,
    Lfm2VlImageProcessor,
    LlavaImageProcessor,
    LlavaNextImageProcessor,
    LlavaOnevisionImageProcessor,
    Qwen2VLImageProcessor,
    SiglipImageProcessor,
    SmolVLMImageProcessor,
    ViTImageProcessor,
)
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
from transformers.models.chameleon.image_processing_pil_chameleon import ChameleonImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
from transformers.models.idefics.image_processing_pil_idefics import IdeficsImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.janus.image_processing_pil_janus import JanusImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
from transformers.models.llava_onevision.image_processing_pil_llava_onevision import LlavaOnevisionImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from phi3_v_images import Phi3VImageProcessor

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
    # Bytes as they are, normalised or not; what is null is off.
    ({"do_rescale": False}, [(97, 61)]),
    ({"do_rescale": False, "do_normalize": False}, [(97, 61)]),
    ({"do_center_crop": None, "do_normalize": None}, [(97, 61)]),
    ({"do_resize": None, "size": None, "resample": None, "do_rescale": None, "rescale_factor": None}, [(300, 301)]),
]
# Areas that enlarge and shrink most pictures, sides that round half to even, other patches, no resize at all.
PATCHED = [
    ({"min_pixels": 300 * 300, "max_pixels": 400 * 400}, [(97, 61), (45, 83), (640, 480), (1000, 130), (3, 40)]),
    ({"size": {"shortest_edge": 3136, "longest_edge": 12845056}}, [(1280, 720), (70, 98), (42, 70), (1, 1)]),
    ({"patch_size": 16, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}, [(97, 61), (300, 301)]),
    ({"patch_size": 8, "merge_size": 3, "temporal_patch_size": 1}, [(97, 61), (45, 83)]),
    ({"do_resize": False}, [(84, 56)]),
]
# Tiles of 32 in one or both directions, fewer pixels than a tile, no tiles, another filter, no first resize.
SMALL_TILES = {"size": {"longest_edge": 128}, "max_image_size": {"longest_edge": 32}}
TILED = [
    (SMALL_TILES, SIZES),
    ({**SMALL_TILES, "size": {"longest_edge": 32}}, [(97, 61), (45, 83), (64, 64)]),
    ({**SMALL_TILES, "do_image_splitting": False}, [(97, 61), (45, 83), (640, 480)]),
    ({**SMALL_TILES, "resample": 3, "size": {"height": 70, "width": 90}}, [(97, 61), (45, 83)]),
    ({**SMALL_TILES, "do_resize": False}, [(97, 61), (45, 83), (20, 9)]),
    ({}, [(300, 200)]),
]
# Cut or not, tiles that are the image's only view, other patches, features, grids and tolerances.
NATIVE_TILES = [
    ({"do_image_splitting": False}, [(1280, 720), (113, 900), (97, 61)]),
    ({"use_thumbnail": False}, [(1280, 720), (640, 1000)]),
    ({"tile_size": 64, "max_image_tokens": 16, "min_image_tokens": 4, "max_tiles": 6}, [
        (97, 61), (300, 301), (45, 83), (640, 480), (3, 40), (7, 5), (1000, 130), (200, 9), (113, 900), (224, 500),
    ]),
    ({"encoder_patch_size": 14, "tile_size": 448, "downsample_factor": 1, "max_pixels_tolerance": 1.2}, [
        (1280, 720), (447, 223), (336, 224),
    ]),
    ({"resample": 3, "min_tiles": 3, "max_tiles": 4, "image_mean": [0.4, 0.5, 0.6], "image_std": 0.25}, [(1280, 720)]),
]
# Squares, and what isn't one; the older name of the size, alone and beside the newer.
SQUARED = [
    ({"size": {"height": 30, "width": 44}}, [(97, 61), (45, 83), (3, 40)]),
    ({"size": 56, "resample": 2}, [(97, 61), (300, 301)]),
]
# A size that is one number: a square to most, a shortest edge to SigLIP.
BY_NUMBER = SQUARED[1:]
OLDER = [
    ({"image_size": 56}, [(97, 61), (45, 83), (3, 40)]),
    ({"image_size": 42, "size": {"height": 30, "width": 44}}, [(97, 61)]),
]
# For processors that cut tiles, with tiles as small: on every side of them, exact, one side only, extreme.
FEW = [
    (64, 64), (65, 64), (63, 64), (128, 64), (64, 129), (97, 61), (45, 83), (7, 5), (1, 1), (3, 40), (200, 9),
    (112, 56), (168, 56), (56, 168), (113, 210), (300, 31), (150, 150), (96, 144), (31, 32), (220, 140), (129, 257),
    (192, 192),
]
# Tiles by the picture's aspect: small ones for every size, the class's own, oblong ones, few and many, none.
CUT = {"crop_to_patches": True}
ASPECT = [
    ({**CUT, "size": {"height": 64, "width": 64}}, FEW),
    (CUT, [(97, 61), (45, 83)]),
    ({**CUT, "size": {"height": 40, "width": 56}, "image_mean": [0.485, 0.456, 0.406]}, [(300, 301), (45, 83)]),
    ({**CUT, "size": {"height": 64, "width": 64}, "min_patches": 4, "max_patches": 6}, [(64, 64), (1, 1), (3, 40)]),
    ({**CUT, "size": {"height": 64, "width": 64}, "min_patches": 7, "max_patches": 3}, [(220, 140)]),
    ({**CUT, "size": {"height": 64, "width": 64}, "max_patches": 40}, [(220, 140), (300, 31)]),
    ({**CUT, "size": {"height": 64, "width": 64}, "max_patches": 1}, [(300, 301)]),
    ({"size": {"height": 64, "width": 64}}, [(97, 61), (300, 31)]),
    ({"do_resize": False}, [(97, 61)]),
]
# Tiles of a canvas: small ones for every size, and as the published checkpoints and the classes have them.
NEXT = [
    ({
        "size": {"shortest_edge": 56}, "crop_size": {"height": 56, "width": 56},
        "image_grid_pinpoints": [[56, 112], [112, 56], [112, 112], [168, 56], [56, 168]],
    }, FEW),
    ({"size": {"shortest_edge": 336}, "crop_size": {"height": 336, "width": 336}}, [(97, 61), (113, 900)]),
]
ONEVISION = [
    ({
        "size": {"height": 32, "width": 32},
        "image_grid_pinpoints": [[32 * rows, 32 * columns] for rows in range(1, 7) for columns in range(1, 7)],
    }, FEW),
    ({}, [(384, 384), (97, 61)]),
    ({"image_mean": [0.5] * 3, "image_std": [0.5] * 3}, [(45, 83)]),
]
# A short side that stays long enough, and one that isn't; a side that rounds half to even; as published; no steps.
ON_SQUARES = [
    ({"size": {"height": 30, "width": 30}, "min_size": 5}, [(97, 61), (45, 83), (200, 9), (3, 40), (1, 1), (60, 17)]),
    ({"image_mean": [0.5] * 3, "image_std": [0.5] * 3}, [(97, 61), (1280, 720), (300, 301), (113, 900)]),
    ({"do_pad": False}, [(97, 61)]),
    ({"do_resize": False}, [(45, 83), (64, 64)]),
]
# Crops along the longer side: few and many, narrow ones, of oblong pictures, none at all.
PAN = {
    "do_pan_and_scan": True, "pan_and_scan_min_crop_size": 16, "pan_and_scan_max_num_crops": 4,
    "pan_and_scan_min_ratio_to_activate": 1.2, "size": {"height": 56, "width": 56},
}
PANNED = [
    ({"size": {"height": 56, "width": 56}}, SIZES),
    (PAN, FEW),
    ({**PAN, "pan_and_scan_max_num_crops": 7}, [(200, 9), (300, 31), (113, 900), (1000, 130)]),
    ({**PAN, "pan_and_scan_min_crop_size": 64}, [(300, 301), (129, 257), (300, 31), (640, 120)]),
    ({**PAN, "pan_and_scan_min_ratio_to_activate": 2.0}, [(97, 61), (112, 56), (45, 91)]),
    ({**PAN, "size": {"height": 30, "width": 44}, "resample": 3, "image_mean": [0.4, 0.5, 0.6]}, [(97, 61), (45, 83)]),
    ({"do_resize": False}, [(45, 83)]),
    ({}, [(97, 61)]),
    *BY_NUMBER,
]
# As published, few and many tiles; other means.
ON_TILES = [
    ({"num_crops": 4}, SIZES),
    ({"num_crops": 16}, [(97, 61), (45, 83), (1000, 130), (640, 480)]),
    ({}, [(97, 61), (300, 301), (113, 900)]),
    ({"num_crops": 7, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.25, 0.3]}, [(200, 9), (1280, 720)]),
]
# Smaller crops than pictures, and larger ones; another scale.
SHORTEST = [
    ({"size": {"shortest_edge": 12}, "crop_size": {"height": 12, "width": 12}}, FEW),
    ({"size": {"shortest_edge": 21}, "crop_size": {"height": 28, "width": 33}}, [(97, 61), (45, 83)]),
    ({"rescale_factor": 1 / 255, "resample": 3}, [(97, 61)]),
]
# Areas that enlarge and shrink, other multiples, as the class has it; all with numpy and Pillow, whatever is installed.
# A picture of one row is taken for a channel there, and refused.
OF_ANY_SHAPE = [
    ({"min_pixels": 40 * 40, "max_pixels": 64 * 64}, [size for size in FEW if size[1] > 1]),
    ({"min_pixels": 100, "max_pixels": 10000, "spatial_factor": 14, "resample": 1}, [(97, 61), (45, 83), (70, 98)]),
    ({}, [(97, 61), (1280, 720), (3, 40)]),
]
# As Florence-2 has CLIP's: whole pictures brought to a square, whatever size of a crop is named; and as published.
WHOLE = {
    "do_center_crop": False, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "resample": 3,
}
UNCROPPED = [
    ({**WHOLE, "size": {"height": 64, "width": 64}, "crop_size": {"height": 56, "width": 40}}, SIZES),
    ({
        **WHOLE, "size": {"height": 768, "width": 768}, "crop_size": {"height": 768, "width": 768},
        "image_seq_length": 577,
    }, [(97, 61), (1280, 720)]),
]
# Onto a square first, as the class can and CLIP's can't.
PADDED = [
    ({"do_pad": True}, [(97, 61), (45, 83), (300, 301), (64, 64)]),
    ({"do_pad": True, "size": {"shortest_edge": 28}, "crop_size": {"height": 28, "width": 28}}, FEW),
]


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
        ("CLIPImageProcessor", (CLIPImageProcessorPil, CLIPImageProcessor), everything + OTHERS + UNCROPPED),
        ("SiglipImageProcessor", (SiglipImageProcessorPil, SiglipImageProcessor), everything + BY_NUMBER),
        ("ViTImageProcessor", (ViTImageProcessorPil, ViTImageProcessor), everything + SQUARED),
        ("BlipImageProcessor", (BlipImageProcessorPil, BlipImageProcessor), everything + SQUARED),
        ("IdeficsImageProcessor", (IdeficsImageProcessorPil, IdeficsImageProcessor), everything + OLDER + BY_NUMBER),
        ("LlavaImageProcessor", (LlavaImageProcessorPil, LlavaImageProcessor), PADDED + everything),
        ("Idefics3ImageProcessor", (Idefics3ImageProcessorPil, Idefics3ImageProcessor), TILED),
        ("SmolVLMImageProcessor", (SmolVLMImageProcessorPil, SmolVLMImageProcessor), TILED),
        ("Qwen2VLImageProcessor", (Qwen2VLImageProcessorPil, Qwen2VLImageProcessor), everything + PATCHED),
        ("GotOcr2ImageProcessor", (GotOcr2ImageProcessorPil, GotOcr2ImageProcessor), ASPECT),
        ("LlavaNextImageProcessor", (LlavaNextImageProcessorPil, LlavaNextImageProcessor), NEXT),
        ("LlavaOnevisionImageProcessor", (LlavaOnevisionImageProcessorPil, LlavaOnevisionImageProcessor), ONEVISION),
        ("JanusImageProcessor", (JanusImageProcessorPil, JanusImageProcessor), everything + ON_SQUARES),
        ("ChameleonImageProcessor", (ChameleonImageProcessorPil, ChameleonImageProcessor), everything + SHORTEST),
    ]:
        furthest = 0.0
        for settings, sizes in cases:
            for size in sizes:
                pillow, tensors = [values(made.from_dict(settings), size) for made in classes]
                furthest = max(furthest, float(np.abs(pillow - tensors).max()))
                rows.append(golden(name, settings, size, pillow))
                rows.append(golden(f"{name}Fast", settings, size, tensors))
        print(f"{name}: the two backends differ by up to {furthest:.3f}")
    for settings, sizes in OF_ANY_SHAPE:
        for size in sizes:
            pixels = values(Emu3ImageProcessor(**settings), size)
            rows.append(golden("Emu3ImageProcessor", settings, size, pixels))
    write(folder / "golden.json", rows)
    write(folder / "lfm2_vl.json", in_padded_patches())
    write(folder / "gemma3.json", in_crops())
    write(folder / "phi3_v.json", on_tiles())


def in_crops():
    """The rows of Gemma 3's processor, the whole and its crops."""
    rows = []
    for settings, sizes in PANNED:
        for size in sizes:
            for name, made in [("", Gemma3ImageProcessorPil), ("Fast", Gemma3ImageProcessor)]:
                # As its prompt processor calls it: without a word crops aren't asked for.
                pixels = made(**settings)(formula(*size), return_tensors="np")["pixel_values"]
                pixels = pixels if settings.get("do_pan_and_scan") else pixels[0]
                pixels = np.ascontiguousarray(pixels, "<f4")
                rows.append(golden(f"Gemma3ImageProcessor{name}", settings, size, pixels))
    return rows


def in_padded_patches():
    """The rows of LFM2-VL's processor, which transformers knows with torchvision alone, by either name."""
    rows = []
    for settings, sizes in [({}, SIZES), *NATIVE_TILES]:
        for place, size in enumerate(sizes):
            name = f"Lfm2VlImageProcessor{'Fast' if place % 2 else ''}"
            processor = Lfm2VlImageProcessor(**settings)
            shapes = processor(formula(*size), return_tensors="np")["spatial_shapes"]
            row = golden(name, settings, size, values(processor, size))
            rows.append({**row, "spatial_shapes": shapes.tolist()})
    return rows


def on_tiles():
    """The rows of Phi-3-vision's processor, which comes with the model and knows one way."""
    return [
        golden("Phi3VImageProcessor", settings, size, Phi3VImageProcessor(**settings).pixels(formula(*size))[0].numpy())
        for settings, sizes in ON_TILES
        for size in sizes
    ]


def write(path, rows):
    """Writes a row a line."""
    text = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    path.write_text(f"[\n{text}\n]\n")
    print(f"{path.parent.name}/{path.name}: {len(rows)} results, torchvision {torchvision.__version__}")


def values(processor, size):
    """The pixel values `[3, height, width]` of the picture of this size, `[tiles, 3, height, width]` where it is cut, or
    `[rows, columns, 3, frames, side, side]` where it comes in patches; these not in the order of rows, which only the
    checksum sees. Of padded patches `[pictures, patches, side, side, 3]`."""
    made = processor(formula(*size), return_tensors="np")
    # Idefics' gives the pixels alone.
    made = made if hasattr(made, "keys") else {"pixel_values": made}
    if "spatial_shapes" in made:
        side = processor.encoder_patch_size
        pixels = made["pixel_values"]
        return np.ascontiguousarray(pixels.reshape(*pixels.shape[:2], side, side, 3), "<f4")
    if "image_grid_thw" in made:
        _, rows, columns = made["image_grid_thw"][0]
        side, frames = processor.patch_size, processor.temporal_patch_size
        values = made["pixel_values"].reshape(rows, columns, 3, frames, side, side)
    elif "num_patches" in made:
        values = np.asarray(made["pixel_values"])
    else:
        values = made["pixel_values"][0]
    return np.ascontiguousarray(values, "<f4")


def golden(name, settings, size, pixels):
    """One row. `name` is what `image_processor_type` says where the backend is meant."""
    first = {
        3: lambda: pixels[:, 0, 0],
        4: lambda: pixels[0, :, 0, 0],
        5: lambda: pixels[0, 0, 0, 0],
        6: lambda: pixels[0, 0, :, 0, 0, 0],
    }[pixels.ndim]()
    return {
        "settings": {"image_processor_type": name, **settings},
        "size": list(size),
        "shape": list(pixels.shape),
        "first": [float(f"{value:.9g}") for value in first.tolist()],
        "sha256": hashlib.sha256(pixels.tobytes()).hexdigest(),
    }
