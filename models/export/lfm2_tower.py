"""LFM2-VL's vision tower (SigLIP 2 in its flexible form) as one graph for any tiles of any shapes.

transformers loops over the pictures, resizes the table of positions for each, and cuts the padding off; a trace would
keep the example's shapes. Here every patch knows its row and column from `spatial_shapes`. Resizing the table with
antialiased triangles is, for one patch, a weight for each of the table's rows times a weight for each of its columns:
so the table is multiplied with these products. What the features of the pictures leave over is taken out at the end by
a node of its own, because how much is left is in the numbers.
"""

import torch
from onnx import TensorProto, helper
from torch import nn

import graphs
from sessions import open_session


def triangle_weights(at, size, table):
    """What each of `table` rows weighs `[…, table]` in row `at` of `size` rows that the table is resized to.

    PyTorch's antialiased bilinear interpolation: a triangle about the middle of the new row, as wide as two old rows, or
    as two new ones where those are wider."""
    scale = table / size.float()
    reach = scale.clamp(min=1.0)
    middle = scale * (at.float() + 0.5)
    places = torch.arange(table, dtype=torch.float32) + 0.5
    weights = (1.0 - (places - middle[..., None]).abs() / reach[..., None]).clamp(min=0.0)
    return weights / weights.sum(-1, keepdim=True)


def positions(embeddings, shapes, patches):
    """The resized position embeddings `[pictures, patches, hidden]`; those of padding are some row's."""
    side = embeddings.position_embedding_size
    rows, columns = shapes[:, 0, None], shapes[:, 1, None]
    at = torch.arange(patches)[None, :]
    row, column = at // columns, at % columns
    down = triangle_weights(torch.minimum(row, rows - 1), rows, side)
    across = triangle_weights(column, columns, side)
    weights = (down[..., :, None] * across[..., None, :]).flatten(-2)
    return weights @ embeddings.position_embedding.weight


def attend(attention, hidden, mask):
    """One attention layer over `[pictures, patches, hidden]`."""
    pictures, patches, _ = hidden.shape

    def heads(linear):
        split = linear(hidden).reshape(pictures, patches, attention.num_heads, attention.head_dim)
        return split.transpose(1, 2)

    query, key, value = heads(attention.q_proj), heads(attention.k_proj), heads(attention.v_proj)
    scores = query @ key.transpose(-1, -2) * attention.scale + mask
    seen = torch.softmax(scores, dim=-1) @ value
    return attention.out_proj(seen.transpose(1, 2).reshape(pictures, patches, attention.embed_dim))


class Tower(nn.Module):
    """Features of all pictures, padded `[pictures · patches / factor², hidden]`, and which of them are real."""

    def __init__(self, model):
        super().__init__()
        self.tower, self.projector = model.model.vision_tower, model.model.multi_modal_projector

    def forward(self, pixel_values, pixel_attention_mask, shapes):
        tower, projector, factor = self.tower, self.projector, self.projector.factor
        pictures, patches, _ = pixel_values.shape
        hidden = tower.embeddings.patch_embedding(pixel_values)
        hidden = hidden + positions(tower.embeddings, shapes, patches)
        real = pixel_attention_mask[:, None, None, :] > 0
        mask = torch.where(real, 0.0, torch.finfo(torch.float32).min)
        for layer in tower.encoder.layers:
            hidden = hidden + attend(layer.self_attn, layer.layer_norm1(hidden), mask)
            hidden = hidden + layer.mlp(layer.layer_norm2(hidden))
        hidden = tower.post_layernorm(hidden)

        # A feature is a block of patches: row by row of the picture's blocks, and within one row by row.
        high, wide = shapes[:, 0, None, None] // factor, shapes[:, 1, None, None] // factor
        at = torch.arange(patches // factor**2)[None, :, None]
        inside = torch.arange(factor**2)[None, None, :]
        row = (at // wide) * factor + inside // factor
        column = (at % wide) * factor + inside % factor
        patch = torch.clamp(row * shapes[:, 1, None, None] + column, max=patches - 1)
        picture = torch.arange(pictures)[:, None, None] * patches
        blocks = hidden.flatten(0, 1)[(picture + patch).flatten()]
        blocks = blocks.reshape(pictures * (patches // factor**2), -1)
        if projector.use_layer_norm:
            blocks = projector.layer_norm(blocks)
        features = projector.linear_2(projector.act(projector.linear_1(blocks)))
        return {"padded_features": features, "kept": (at < high * wide).flatten()}


def export(model):
    """The graph."""
    config = model.config.vision_config
    numbers = 3 * config.patch_size**2
    example = {
        "pixel_values": torch.randn(3, 24, numbers),
        "pixel_attention_mask": torch.ones(3, 24, dtype=torch.long),
        # Under the name that it will have, the exporter would take it for what it knows.
        "shapes": torch.tensor([[4, 4], [4, 6], [2, 4]]),
    }
    names = {
        "pixel_values": ["num_tiles", "num_patches", None],
        "pixel_attention_mask": ["num_tiles", "num_patches"],
        "shapes": ["num_tiles", None],
    }
    # Not fused: `MultiHeadAttention` is wrong on a software device from 32 patches on (README.md).
    proto = graphs.export(Tower(model), example, names, fusions=None)
    graph = proto.graph
    for value in graph.input:
        if value.name == "shapes":
            value.name = "spatial_shapes"
    for node in graph.node:
        node.input[:] = ["spatial_shapes" if name == "shapes" else name for name in node.input]
    kept = ["padded_features", "kept"]
    graph.node.append(helper.make_node("Compress", kept, ["image_features"], "kept/Compress", axis=0))
    hidden = model.config.text_config.hidden_size
    del graph.output[:]
    shape = ["num_features", hidden]
    graph.output.append(helper.make_tensor_value_info("image_features", TensorProto.FLOAT, shape))
    return proto


# Shapes that enlarge and shrink the table of positions, alone and together, padded and not.
SHAPES = [[[4, 4]], [[8, 4]], [[2, 2]], [[4, 4], [4, 4], [2, 6]], [[2, 16], [16, 2]], [[6, 4], [2, 10], [4, 4]]]


def check(model, path):
    """The written graph must give what transformers gives."""
    generator = torch.Generator().manual_seed(7)
    session = open_session(path)
    numbers = 3 * model.config.vision_config.patch_size**2
    for shapes in SHAPES:
        counts = [rows * columns for rows, columns in shapes]
        for length in (max(counts), max(counts) + 12):
            length = -(-length // 4) * 4
            mask = torch.tensor([[int(place < count) for place in range(length)] for count in counts])
            pixels = torch.randn(len(shapes), length, numbers, generator=generator) * mask[..., None]
            inputs = {"pixel_values": pixels, "spatial_shapes": torch.tensor(shapes), "pixel_attention_mask": mask}
            expected = torch.cat(model.model.get_image_features(**inputs).pooler_output)
            feed = {name: value.numpy() for name, value in inputs.items()}
            found = torch.from_numpy(session.run(["image_features"], feed)[0])
            assert found.shape == expected.shape, f"{shapes}: {found.shape}, not {expected.shape}"
            furthest = float((found - expected).abs().max())
            assert furthest < 1e-4, f"{shapes}: features {furthest} off"
