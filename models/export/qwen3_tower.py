"""The vision tower of Qwen3-VL as one graph that any number of images, of any sizes, may go through.

Beside `qwen_tower.py` it has positions that are learnt on a square and stretched over each image's grid, and features
that are taken after some of its layers (deepstack), each merged by a merger of its own: the outputs `deepstack.0` and on.
"""

import torch
from torch import nn
from transformers import vision_utils

import graphs
import qwen_tower
from sessions import open_session


def taps(place, size, side):
    """Of every place `[patches]` on an edge of `size` patches: the two rows of the learnt square, of so many rows,
    that it lies between, and the weight of each; both `[patches, 2]`. The edges lie on the square's edges."""
    at = place.float() * (side - 1) / (size - 1).clamp(min=1)
    lower = at.floor()[:, None] + torch.arange(2)
    weights = (1 - (at[:, None] - lower).abs()).clamp(min=0)
    return lower.long().clamp(max=side - 1), weights


def square_places(row, column, heights, widths, side):
    """Of every patch the four places of the learnt square that it lies between, and their weights, `[patches, 4]`."""
    rows, row_weights = taps(row, heights, side)
    columns, column_weights = taps(column, widths, side)
    indices = (rows[:, :, None] * side + columns[:, None, :]).reshape(-1, 4)
    return indices, (row_weights[:, :, None] * column_weights[:, None, :]).reshape(-1, 4)


def outputs(tower, pixel_values, places, indices, weights, mask):
    """The tower's outputs by name, `[patches / merge², hidden]` each."""
    kernel = tower.patch_embed.proj
    hidden = pixel_values @ kernel.weight.reshape(kernel.weight.shape[0], -1).T + kernel.bias
    hidden = hidden + (tower.pos_embed(indices) * weights[..., None]).sum(1)
    rotation = tower.rotary_pos_emb(hidden, places)
    deepstack = []
    for layer, block in enumerate(tower.blocks):
        hidden = hidden + qwen_tower.attend(block.attn, block.norm1(hidden), mask, rotation)
        hidden = hidden + block.mlp(block.norm2(hidden))
        if layer in tower.deepstack_visual_indexes:
            deepstack.append(tower.deepstack_merger_list[len(deepstack)](hidden))
    return {"image_features": tower.merger(hidden), "deepstack": deepstack}


class Tower(nn.Module):
    """The tower that makes everything of the grids."""

    def __init__(self, tower):
        super().__init__()
        self.tower = tower

    def forward(self, pixel_values, grids):
        tower = self.tower
        image, frame, row, column = qwen_tower.patch_places(pixel_values.shape[0], grids, tower.spatial_merge_size)
        square = square_places(row, column, grids[image, 1], grids[image, 2], tower.num_grid_per_side)
        places = torch.stack([row, column], dim=-1)
        return outputs(tower, pixel_values, places, *square, qwen_tower.segment_mask(image, frame))


class IndexedTower(nn.Module):
    """The same, told what transformers computes of the grids."""

    def __init__(self, tower):
        super().__init__()
        self.tower = tower

    def forward(self, pixel_values, position_ids, cu_seqlens, interp_indices, interp_weights):
        mask = qwen_tower.segment_mask(qwen_tower.segments(cu_seqlens, pixel_values.shape[0]))
        return outputs(self.tower, pixel_values, position_ids, interp_indices, interp_weights, mask)


def indices(tower, grids):
    """What transformers computes of the grids, by name."""
    side, merge = tower.num_grid_per_side, tower.spatial_merge_size
    places, weights = vision_utils.get_vision_interpolation_indices_and_weights(
        grids, side, mode=tower.interpolation_mode, align_corners=tower.interpolation_align_corners,
        spatial_merge_size=merge,
    )
    return {
        "position_ids": vision_utils.get_vision_position_ids(grids, merge),
        "cu_seqlens": vision_utils.get_vision_cu_seqlens(grids),
        "interp_indices": places,
        "interp_weights": weights,
    }


def export_indexed(module, patch_numbers):
    """The graph of an indexed tower."""
    example = {
        "pixel_values": torch.randn(6 * 8 + 4 * 4, patch_numbers),
        **indices(module.tower, torch.tensor([[1, 6, 8], [1, 4, 4]])),
    }
    names = {
        "pixel_values": ["num_patches", None],
        "position_ids": ["num_patches", None],
        "cu_seqlens": ["num_images_and_one"],
        "interp_indices": ["num_patches", None],
        "interp_weights": ["num_patches", None],
    }
    return graphs.export(module, example, names, qwen_tower.FUSIONS)


def write(tower, folder, patch_numbers, indexed):
    """Writes both towers, each compared with transformers' on many grids; `indexed` says whether the second is wanted."""
    qwen_tower.check(tower, lambda pixels, grids: joined(Tower(tower)(pixels, grids)), expected)
    path = folder.graph("vision_encoder")
    graphs.save(qwen_tower.export(Tower(tower), patch_numbers, "grid_thw"), path)
    check_graph(tower, path, lambda grids: {"grid_thw": grids})
    if indexed:
        path = folder.graph("vision_encoder", "_indexed")
        graphs.save(export_indexed(IndexedTower(tower), patch_numbers), path)
        check_graph(tower, path, lambda grids: indices(tower, grids))


def joined(outputs):
    """All outputs side by side."""
    return torch.cat([outputs["image_features"], *outputs["deepstack"]], dim=-1)


def expected(output):
    """The same of what transformers gives."""
    return torch.cat([output.pooler_output, *output.deepstack_features], dim=-1)


def check_graph(tower, path, feed):
    """A written graph must give what transformers gives; `feed(grids)` are its inputs beside the pixels."""
    session = open_session(path)
    names = ["image_features", *(f"deepstack.{place}" for place in range(len(tower.deepstack_visual_indexes)))]
    found = [value.name for value in session.get_outputs()]
    assert sorted(found) == sorted(names), f"{path.name} gives {found}"

    def compute(pixels, grids):
        inputs = {"pixel_values": pixels, **feed(grids)}
        known = {value.name for value in session.get_inputs()}
        assert set(inputs) == known, f"{path.name} takes {known}"
        values = session.run(names, {name: value.numpy() for name, value in inputs.items()})
        return torch.cat([torch.from_numpy(value) for value in values], dim=-1)

    qwen_tower.check(tower, compute, expected)
