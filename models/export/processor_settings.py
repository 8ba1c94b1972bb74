"""Settings of image processors and sizes of pictures of which `processors.py` makes goldens. Each family's, as its published
folders have them, come with at least twenty sizes; `tests/processors.rs` counts them."""

# Not at all, by one pixel, down, up, one side only, odd remainders on either side, extreme, large.
SIZES = [
    (224, 224), (225, 224), (224, 223), (225, 225), (223, 225), (447, 223), (224, 500), (336, 224),
    (640, 480), (480, 640), (300, 301), (97, 61), (45, 83), (7, 5), (1, 1), (3, 40), (200, 9),
    (1280, 720), (1000, 130), (113, 900), (512, 512), (64, 64),
]
# Settings that differ from the class's own, each for a few sizes.
OTHERS = [
    # As LLaVA 1.5 has it.
    ({"size": {"shortest_edge": 336}, "crop_size": {"height": 336, "width": 336}}, SIZES),
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
# Areas that enlarge and shrink most pictures, sides that round half to even (as Qwen2-VL's), other patches (as Qwen3-VL's),
# no resize at all.
PATCHED = [
    ({"min_pixels": 300 * 300, "max_pixels": 400 * 400}, [(97, 61), (45, 83), (640, 480), (1000, 130), (3, 40)]),
    ({"size": {"shortest_edge": 3136, "longest_edge": 12845056}}, [*SIZES, (70, 98), (42, 70)]),
    ({
        "size": {"shortest_edge": 65536, "longest_edge": 16777216}, "patch_size": 16, "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
    }, SIZES),
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
# As SmolVLM's smaller ones have it; Idefics3 has the class's own.
SMOLVLM = [({"size": {"longest_edge": 2048}, "max_image_size": {"longest_edge": 512}}, SIZES)]
# Squares, and what isn't one; the older name of the size, alone and beside the newer.
SQUARED = [
    ({"size": {"height": 30, "width": 44}}, [(97, 61), (45, 83), (3, 40)]),
    ({"size": 56, "resample": 2}, [(97, 61), (300, 301)]),
]
# As BLIP-2 has it.
BLIP_2 = [({"size": {"height": 224, "width": 224}}, SIZES)]
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
# Tiles by the picture's aspect: small ones for every size, InternVL's, the class's own, oblong ones, few and many, none.
CUT = {"crop_to_patches": True}
ASPECT = [
    ({**CUT, "size": {"height": 64, "width": 64}}, FEW),
    ({
        **CUT, "size": {"height": 448, "width": 448}, "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
    }, SIZES),
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
    ({"size": {"shortest_edge": 336}, "crop_size": {"height": 336, "width": 336}}, SIZES),
]
ONEVISION = [
    ({
        "size": {"height": 32, "width": 32},
        "image_grid_pinpoints": [[32 * rows, 32 * columns] for rows in range(1, 7) for columns in range(1, 7)],
    }, FEW),
    ({}, [*SIZES, (384, 384)]),
    ({"image_mean": [0.5] * 3, "image_std": [0.5] * 3}, [(45, 83)]),
]
# A short side that stays long enough, and one that isn't; a side that rounds half to even; as published; no steps.
ON_SQUARES = [
    ({"size": {"height": 30, "width": 30}, "min_size": 5}, [(97, 61), (45, 83), (200, 9), (3, 40), (1, 1), (60, 17)]),
    ({"image_mean": [0.5] * 3, "image_std": [0.5] * 3}, SIZES),
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
    ({}, SIZES),
    *BY_NUMBER,
]
# As published, few and many tiles; other means.
ON_TILES = [
    ({"num_crops": 4}, SIZES),
    ({"num_crops": 16}, SIZES),
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
    ({}, [size for size in SIZES if size[1] > 1]),
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
    }, SIZES),
]
# Onto a square first, as the class can and CLIP's can't.
PADDED = [
    ({"do_pad": True}, [(97, 61), (45, 83), (300, 301), (64, 64)]),
    ({"do_pad": True, "size": {"shortest_edge": 28}, "crop_size": {"height": 28, "width": 28}}, FEW),
]
