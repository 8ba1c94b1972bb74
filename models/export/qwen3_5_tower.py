"""The vision tower of Qwen3.5 as one graph that any number of images, of any sizes, may go through.

As `qwen_tower.py`'s, and like Qwen3-VL's without features taken on the way: every patch also has a place on a learnt
square that is stretched over its image's grid. How much each of the square's rows weighs for a patch, times how much each
of its columns does, is multiplied with the square's table.
"""

import torch
from torch import nn

import qwen_tower


def stretched(at, size, side):
    """What each of the square's `side` rows weighs `[patches, side]` for row `at` of `size`; the edges lie on its edges."""
    place = at.float() * (side - 1) / (size - 1).clamp(min=1)
    return (1 - (place[:, None] - torch.arange(side)).abs()).clamp(min=0)


class Tower(nn.Module):
    """The tower as a module to trace."""

    def __init__(self, tower):
        super().__init__()
        self.tower = tower

    def forward(self, pixel_values, grids):
        tower = self.tower
        image, frame, row, column = qwen_tower.patch_places(pixel_values.shape[0], grids, tower.spatial_merge_size)
        # The convolution's kernel is as large as a patch: it is a product of matrices, which any provider has.
        kernel = tower.patch_embed.proj
        hidden = pixel_values @ kernel.weight.reshape(kernel.weight.shape[0], -1).T + kernel.bias
        down = stretched(row, grids[image, 1], tower.num_grid_per_side)
        across = stretched(column, grids[image, 2], tower.num_grid_per_side)
        hidden = hidden + (down[:, :, None] * across[:, None, :]).flatten(1) @ tower.pos_embed.weight
        rotation = tower.rotary_pos_emb(hidden, torch.stack([row, column], dim=-1))
        whole = qwen_tower.segment_mask(image, frame)
        hidden = qwen_tower.layers(tower, hidden, rotation, whole, whole)
        return {"image_features": tower.merger(hidden)}
