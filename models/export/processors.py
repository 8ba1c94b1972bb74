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
from processor_settings import (
    ASPECT,
    BLIP_2,
    BY_NUMBER,
    NATIVE_TILES,
    NEXT,
    OF_ANY_SHAPE,
    OLDER,
    ONEVISION,
    ON_SQUARES,
    ON_TILES,
    OTHERS,
    PADDED,
    PANNED,
    PATCHED,
    SHORTEST,
    SIZES,
    SMOLVLM,
    SQUARED,
    TILED,
    UNCROPPED,
)


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
        ("BlipImageProcessor", (BlipImageProcessorPil, BlipImageProcessor), everything + SQUARED + BLIP_2),
        ("IdeficsImageProcessor", (IdeficsImageProcessorPil, IdeficsImageProcessor), everything + OLDER + BY_NUMBER),
        ("LlavaImageProcessor", (LlavaImageProcessorPil, LlavaImageProcessor), PADDED + everything),
        ("Idefics3ImageProcessor", (Idefics3ImageProcessorPil, Idefics3ImageProcessor), TILED + everything),
        ("SmolVLMImageProcessor", (SmolVLMImageProcessorPil, SmolVLMImageProcessor), TILED + SMOLVLM),
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
