"""The vision towers of Qwen2-VL and Qwen2.5-VL as one graph that any number of images, of any sizes, may go through.

transformers' exporter turns their attention into segments of equal length, which is right for one image alone and
silently wrong for windows that an image's edge cuts short. Here every patch knows its image, row and column from
the grids, and sees the patches of its own segment through a mask; so the graph takes what published folders take:
`pixel_values [patches, 3 * 2 * side * side]` and the grids `[images, 3]` (frames, rows, columns of patches).

Every patch is scored against every other before the mask is laid over: right for any images, and for tiny ones cheap. A
tower of a real size should score windows by themselves.
"""

import torch
from torch import nn
from transformers import vision_utils

import graphs
from sessions import open_session

# Of the CPU's fused operators one, which transposes within a product, would leave a GPU device for the CPU.
FUSIONS = "webgpu"


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
    return tower.merger(layers(tower, hidden, rotation, whole, near))


def layers(tower, hidden, rotation, whole, near):
    """The tower's layers: those that see whole images, and those that see what is near."""
    wide = getattr(tower, "fullatt_block_indexes", range(len(tower.blocks)))
    for place, block in enumerate(tower.blocks):
        mask = whole if place in wide else near
        hidden = hidden + attend(block.attn, block.norm1(hidden), mask, rotation)
        hidden = hidden + block.mlp(block.norm2(hidden))
    return hidden


def segments(bounds, patches):
    """Of every patch the segment that it lies in; `bounds` are where segments begin, and the end."""
    return (torch.arange(patches)[:, None] >= bounds[None, 1:]).sum(-1)


def indexed_features(tower, pixel_values, position_ids, cu_seqlens, window_index, cu_window_seqlens):
    """The same from what transformers computes of the grids, and some exports take in their place: rows and columns
    of patches `[patches, 2]`, where images begin, the features' order by windows, and where windows begin."""
    patches = pixel_values.shape[0]
    kernel = tower.patch_embed.proj.weight
    hidden = pixel_values @ kernel.reshape(kernel.shape[0], -1).T
    ordered = [hidden, *tower.rotary_pos_emb(hidden, position_ids)]
    hidden, *rotation = [tower.permute_input_for_window_attn(part, window_index, patches) for part in ordered]
    whole, near = [segment_mask(segments(bounds, patches)) for bounds in (cu_seqlens, cu_window_seqlens)]
    merged = tower.merger(layers(tower, hidden, rotation, whole, near))
    places = torch.arange(merged.shape[0])
    return merged[torch.zeros_like(places).scatter(0, window_index, places)]


class Tower(nn.Module):
    """The tower as a module to trace."""

    def __init__(self, tower, window=None):
        super().__init__()
        self.tower = tower
        self.window = window

    def forward(self, pixel_values, grids):
        return {"image_features": features(self.tower, pixel_values, grids, self.window)}


class IndexedTower(nn.Module):
    """The same with `indexed_features`."""

    def __init__(self, tower):
        super().__init__()
        self.tower = tower

    def forward(self, pixel_values, position_ids, cu_seqlens, window_index, cu_window_seqlens):
        indices = (position_ids, cu_seqlens, window_index, cu_window_seqlens)
        return {"image_features": indexed_features(self.tower, pixel_values, *indices)}


def indices(tower, grids):
    """What transformers computes of the grids for a tower with windows, by name."""
    window_index, cu_window_seqlens = vision_utils.get_vision_window_index(
        grids, tower.spatial_merge_size, tower.window_size, tower.patch_size
    )
    return {
        "position_ids": vision_utils.get_vision_position_ids(grids, tower.spatial_merge_size),
        "cu_seqlens": vision_utils.get_vision_cu_seqlens(grids),
        "window_index": window_index,
        "cu_window_seqlens": cu_window_seqlens,
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
        "window_index": ["num_features"],
        "cu_window_seqlens": ["num_windows_and_one"],
    }
    return graphs.export(module, example, names, FUSIONS)


def export(module, patch_numbers, grid_input):
    """The graph of a tower whose patches have so many numbers; `grid_input` is the name that its grids have."""
    example = {
        "pixel_values": torch.randn(6 * 8 + 4 * 4, patch_numbers),
        # Under the name that it will have, the exporter would take it out and put its own segments in.
        "grids": torch.tensor([[1, 6, 8], [1, 4, 4]]),
    }
    names = {"pixel_values": ["num_patches", None], "grids": ["num_images", None]}
    graph = graphs.export(module, example, names, FUSIONS)
    for value in graph.graph.input:
        if value.name == "grids":
            value.name = grid_input
            value.type.tensor_type.shape.dim[1].dim_value = 3
    for node in graph.graph.node:
        for place, name in enumerate(node.input):
            if name == "grids":
                node.input[place] = grid_input
    return graph


# Grids that windows don't divide, alone and together, a film of three frames among them.
GRIDS = [[[1, 6, 8]], [[1, 2, 2]], [[1, 14, 10], [1, 4, 22]], [[3, 6, 10]], [[1, 2, 26], [2, 4, 4], [1, 8, 8]]]


def check(tower, compute, expected=lambda output: output.pooler_output):
    """`compute(pixels, grids)` must give what transformers gives, for every set of grids; `expected` picks that."""
    generator = torch.Generator().manual_seed(7)
    numbers = tower.patch_embed.proj.weight[0].numel()
    for grids in GRIDS:
        grids = torch.tensor(grids)
        pixels = torch.randn(int(grids.prod(-1).sum()), numbers, generator=generator)
        wanted = expected(tower(pixels, grid_thw=grids))
        found = compute(pixels, grids)
        furthest = float((found - wanted).abs().max())
        assert furthest < 1e-4, f"{grids.tolist()}: features {furthest} off"


def check_graph(tower, path, feed):
    """A written graph must give what transformers gives; `feed(grids)` are its inputs beside the pixels."""
    session = open_session(path)
    known = {value.name for value in session.get_inputs()}

    def compute(pixels, grids):
        inputs = {"pixel_values": pixels, **feed(grids)}
        assert set(inputs) == known, f"{path.name} takes {known}"
        values = {name: value.numpy() for name, value in inputs.items()}
        return torch.from_numpy(session.run(["image_features"], values)[0])

    check(tower, compute)
