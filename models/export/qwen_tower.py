"""The vision towers of Qwen2-VL and Qwen2.5-VL as one graph that any number of images, of any sizes, may go through.

transformers' exporter turns their attention into segments of equal length, which is right for one image alone and
silently wrong for windows that an image's edge cuts short. Here every patch knows its image, row and column from
the grids, and sees the patches of its own segment through a mask; so the graph takes what published folders take:
`pixel_values [patches, 3 * 2 * side * side]` and the grids `[images, 3]` (frames, rows, columns of patches).
"""

import torch
from torch import nn

import graphs


def patch_places(patches, grids, merge):
    """Of every patch its image, frame, row and column, each `[patches]`.

    Patches come frame by frame, and within a frame block by block of `merge` rows and columns."""
    ends = grids.prod(-1).cumsum(0)
    at = torch.arange(patches)
    image = (at[:, None] >= ends[None, :]).sum(-1)
    within = at - (ends - grids.prod(-1))[image]
    rows, columns = grids[image, 1], grids[image, 2]
    frame, within = within // (rows * columns), within % (rows * columns)
    block, inside = within // merge**2, within % merge**2
    row = block // (columns // merge) * merge + inside // merge
    column = block % (columns // merge) * merge + inside % merge
    return image, frame, row, column


def segment_mask(*keys):
    """What to add to scores `[1, patches, patches]`: patches see each other where all their keys agree."""
    together = torch.ones(1, dtype=torch.bool)
    for key in keys:
        together = together & (key[:, None] == key[None, :])
    return torch.where(together, 0.0, torch.finfo(torch.float32).min)[None]


def rotate_half(values):
    """The second half, negated, before the first."""
    first, second = values.chunk(2, dim=-1)
    return torch.cat((-second, first), dim=-1)


def attend(attention, hidden, mask, rotation):
    """One attention layer over patches `[patches, hidden]`."""
    cosine, sine = rotation
    size = hidden.shape[0]
    mixed = attention.qkv(hidden).reshape(size, 3, attention.num_heads, attention.head_dim)
    query, key, value = mixed.permute(1, 2, 0, 3).unbind(0)
    query = query * cosine + rotate_half(query) * sine
    key = key * cosine + rotate_half(key) * sine
    scores = query @ key.transpose(-1, -2) * attention.scaling + mask
    seen = torch.softmax(scores, dim=-1) @ value
    return attention.proj(seen.permute(1, 0, 2).reshape(size, attention.dim))


def features(tower, pixel_values, grids, window=None):
    """Features `[patches / merge², hidden]`.

    `window` is a window's side in merged patches, where the tower has windows; the layers that the configuration
    names see the whole image then, the others their window."""
    merge = tower.spatial_merge_size
    image, frame, row, column = patch_places(pixel_values.shape[0], grids, merge)
    # The convolution's kernel is as large as a patch: it is a product of matrices, which any provider has.
    kernel = tower.patch_embed.proj.weight
    hidden = pixel_values @ kernel.reshape(kernel.shape[0], -1).T
    rotation = tower.rotary_pos_emb(hidden, torch.stack([row, column], dim=-1))
    whole = segment_mask(image, frame)
    near = whole
    if window:
        side = merge * window
        near = segment_mask(image, frame, row // side, column // side)
    wide_layers = range(len(tower.blocks)) if window is None else tower.fullatt_block_indexes
    for place, block in enumerate(tower.blocks):
        mask = whole if place in wide_layers else near
        hidden = hidden + attend(block.attn, block.norm1(hidden), mask, rotation)
        hidden = hidden + block.mlp(block.norm2(hidden))
    return tower.merger(hidden)


class Tower(nn.Module):
    """The tower as a module to trace."""

    def __init__(self, tower, window=None):
        super().__init__()
        self.tower = tower
        self.window = window

    def forward(self, pixel_values, grids):
        return {"image_features": features(self.tower, pixel_values, grids, self.window)}


def export(module, patch_numbers, grid_input):
    """The graph of a tower whose patches have so many numbers; `grid_input` is the name that its grids have."""
    example = {
        "pixel_values": torch.randn(6 * 8 + 4 * 4, patch_numbers),
        # Under the name that it will have, the exporter would take it out and put its own segments in.
        "grids": torch.tensor([[1, 6, 8], [1, 4, 4]]),
    }
    graph = graphs.export(module, example, {"pixel_values": ["num_patches", None], "grids": ["num_images", None]})
    for value in graph.graph.input:
        if value.name == "grids":
            value.name = grid_input
    for node in graph.graph.node:
        for place, name in enumerate(node.input):
            if name == "grids":
                node.input[place] = grid_input
    return graph


# Grids that windows don't divide, alone and together, a film of three frames among them.
GRIDS = [[[1, 6, 8]], [[1, 2, 2]], [[1, 14, 10], [1, 4, 22]], [[3, 6, 10]], [[1, 2, 26], [2, 4, 4], [1, 8, 8]]]


def check(traced, tower):
    """The module must give what transformers gives, for every set of grids."""
    generator = torch.Generator().manual_seed(7)
    numbers = tower.patch_embed.proj.weight[0].numel()
    for grids in GRIDS:
        grids = torch.tensor(grids)
        pixels = torch.randn(int(grids.prod(-1).sum()), numbers, generator=generator)
        expected = tower(pixels, grid_thw=grids).pooler_output
        found = traced(pixels, grids)["image_features"]
        furthest = float((found - expected).abs().max())
        assert furthest < 1e-4, f"{grids.tolist()}: features {furthest} off"
