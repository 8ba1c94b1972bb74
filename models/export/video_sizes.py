"""What transformers' video processors for patches, and for pictures of one size, make of frames of many sizes and numbers.

A row holds the processor's settings, the frames' number and size, rows and columns of patches of each layer (null for
pictures), and the checksum of the pixel values, which is null where transformers refuses. The frames are computed: the picture of
`processors.formula`, each brighter than the one before.
"""

import hashlib

import numpy as np
import torch
from transformers.models.internvl.video_processing_internvl import InternVLVideoProcessor
from transformers.models.llava_onevision.video_processing_llava_onevision import LlavaOnevisionVideoProcessor
from transformers.models.qwen2_vl.video_processing_qwen2_vl import Qwen2VLVideoProcessor
from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor

from processors import formula

# Frames, width and height: even, odd and single ones, less than a feature, long, and more than a budget.
SEEN = [
    (2, 64, 64), (2, 65, 63), (3, 97, 61), (4, 45, 83), (5, 40, 28), (7, 37, 26), (2, 7, 5), (4, 3, 40), (6, 200, 9),
    (2, 130, 100), (9, 113, 90), (12, 64, 48), (2, 224, 224), (4, 320, 180), (16, 32, 32), (3, 300, 31), (8, 20, 20),
    (2, 1, 1), (2, 1, 150), (2, 2, 450), (1, 40, 40), (5, 16, 24),
]
SMALL = {"patch_size": 4, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
SETTINGS = {
    Qwen2VLVideoProcessor: [
        {**SMALL, "size": {"shortest_edge": 256, "longest_edge": 4096}},
        {"patch_size": 7, "size": {"shortest_edge": 784, "longest_edge": 9000}, "cap_pixels_per_frame": True,
         "max_video_tokens": 40},
    ],
    Qwen3VLVideoProcessor: [
        {**SMALL, "size": {"shortest_edge": 256, "longest_edge": 4096}},
        {**SMALL, "size": {"shortest_edge": 6000, "longest_edge": 40000}},
        {"patch_size": 6, "temporal_patch_size": 3, "size": {"shortest_edge": 1000, "longest_edge": 50000},
         "cap_pixels_per_frame": True, "max_video_tokens": 30},
        {"size": {"shortest_edge": 4096, "longest_edge": 65536}},
        # Areas under their older names, which this class passes over.
        {**SMALL, "size": {"shortest_edge": 256, "longest_edge": 4096}, "min_pixels": 2048, "max_pixels": 3000},
    ],
    InternVLVideoProcessor: [
        {"size": {"height": 16, "width": 16}},
        {"size": 20, "resample": 2, "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "do_pad": True},
    ],
    LlavaOnevisionVideoProcessor: [
        {"size": {"height": 12, "width": 12}, "do_pad": True},
        {"size": 10, "do_center_crop": True, "crop_size": {"height": 9, "width": 8}, "do_normalize": False},
    ],
}
# What the classes have where nothing is said, for few frames: each becomes a large picture.
USUAL = {InternVLVideoProcessor: SEEN[:1], LlavaOnevisionVideoProcessor: [(1, 97, 61)]}


def rows():
    """A row for each setting and video."""
    wanted = [(kind, settings, SEEN) for kind, all_settings in SETTINGS.items() for settings in all_settings]
    wanted += [(kind, {}, seen) for kind, seen in USUAL.items()]
    made = []
    for kind, settings, seen in wanted:
        processor = kind(**settings)
        for frames, width, height in seen:
            row = {
                "settings": {"video_processor_type": kind.__name__, **settings},
                "frames": frames,
                "size": [width, height],
            }
            made.append({**row, **processed(processor, frames, width, height)})
    return made


def processed(processor, frames, width, height):
    """The grid and the checksum of the pixel values; both null if it refuses."""
    still = np.array(formula(width, height))
    video = np.stack([still + np.uint8(40 * frame % 256) for frame in range(frames)])
    try:
        result = processor(
            videos=[torch.from_numpy(video).permute(0, 3, 1, 2)], do_sample_frames=False, return_tensors="pt"
        )
    except ValueError:
        return {"grid": None, "sha256": None}
    values = result["pixel_values_videos"].numpy().astype("<f4")
    grid = result["video_grid_thw"][0].tolist() if "video_grid_thw" in result else None
    return {"grid": grid, "sha256": hashlib.sha256(values.tobytes()).hexdigest()}
