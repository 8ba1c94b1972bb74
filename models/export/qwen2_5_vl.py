"""Qwen2.5-VL (Bai et al. 2025): Qwen2-VL with a tower most of whose layers see a window of the image."""

from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

import graphs
import qwen2_vl
import qwen_tower
from qwen2_vl import FRAMES, MERGE, PATCH

# A window's side in features: small, so that images have whole windows and cut ones.
WINDOW = 2

cases, settings = qwen2_vl.cases, qwen2_vl.settings


def processor():
    """Qwen2.5-VL's processor is Qwen2-VL's, for images."""
    return qwen2_vl.processor()


def model(seed, processor):
    """A tiny Qwen2.5-VL with random weights."""
    tokenizer = processor.tokenizer
    config = Qwen2_5_VLConfig(
        vision_config={
            "depth": 3,
            "hidden_size": 32,
            "intermediate_size": 48,
            "out_hidden_size": 48,
            "num_heads": 2,
            "patch_size": PATCH,
            "spatial_merge_size": MERGE,
            "temporal_patch_size": FRAMES,
            "window_size": WINDOW * MERGE * PATCH,
            "fullatt_block_indexes": [1],
        },
        text_config=qwen2_vl.text_config(tokenizer),
        **qwen2_vl.special_ids(tokenizer),
    )
    return qwen2_vl.filled(Qwen2_5_VLForConditionalGeneration(config), seed, tokenizer)


def export(model, folder):
    """Writes the graphs: the three sessions, and the tower once more with the windows as inputs."""
    qwen2_vl.write(model, folder, qwen_tower.Tower(model.model.visual, window=WINDOW), "image_grid_thw")
    tower, path = model.model.visual, folder.graph("vision_encoder", "_indexed")
    graphs.save(qwen_tower.export_indexed(qwen_tower.IndexedTower(tower), 3 * FRAMES * PATCH**2), path)
    qwen_tower.check_graph(tower, path, lambda grids: qwen_tower.indices(tower, grids))
