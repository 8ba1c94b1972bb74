"""Phi-3-vision's tower: CLIP on each tile, four patches of a square as one, the tiles put together line by line with one
more embedding at each line's end, another before the small view of the whole, and all of it projected.

After `modeling_phi3_v.py`, which comes with the model, and the "HD transform" of InternLM-XComposer2-4KHD."""

import onnx
import onnx.compose
import onnx.parser
import torch
from torch import nn
from transformers import CLIPVisionModel

import graphs
from phi3_v_images import SIDE, TILE


class Tower(nn.Module):
    """From tiles to what stands in the prompt."""

    def __init__(self, vision_config, hidden):
        super().__init__()
        width = vision_config.hidden_size
        self.img_processor = CLIPVisionModel(vision_config)
        self.glb_GN = nn.Parameter(torch.zeros(1, 1, 4 * width))
        self.sub_GN = nn.Parameter(torch.zeros(1, 1, 1, 4 * width))
        self.img_projection = nn.Sequential(nn.Linear(4 * width, hidden), nn.GELU(), nn.Linear(hidden, hidden))

    def patches(self, tiles):
        """`[tiles, 144, 4 · width]` of the last layer but one: of a square's patches one after another, line by line."""
        layers = self.img_processor(tiles, output_hidden_states=True).hidden_states
        patches = layers[-2][:, 1:]
        squares = patches.reshape(tiles.shape[0], SIDE, 2, SIDE, 2, -1).permute(0, 1, 3, 2, 4, 5)
        return squares.reshape(tiles.shape[0], SIDE**2, 4 * patches.shape[-1])

    def lines(self, squares, rows, columns):
        """Tiles `[rows · columns, 144, wide]` as lines, each with its end."""
        canvas = squares.reshape(rows, columns, SIDE, SIDE, -1).permute(0, 2, 1, 3, 4)
        canvas = canvas.reshape(rows * SIDE, columns * SIDE, -1)
        ends = self.sub_GN[0].expand(rows * SIDE, 1, -1)
        return torch.cat([canvas, ends], dim=1).flatten(0, 1)

    def forward(self, pixel_values, image_sizes):
        """Features `[of all images, hidden]` of `[images, 1 + tiles, 3, 336, 336]`; `[images, 2]` are the canvases'
        heights and widths."""
        found = []
        for tiles, size in zip(pixel_values, image_sizes.tolist()):
            rows, columns = size[0] // TILE, size[1] // TILE
            squares = self.patches(tiles[:1 + rows * columns])
            cut = self.lines(squares[1:], rows, columns)
            found.append(torch.cat([cut, self.glb_GN[0], self.lines(squares[:1], 1, 1)]))
        return self.img_projection(torch.cat(found))



def export(tower, hidden):
    """The graph from `pixel_values [1, 1 + tiles, 3, 336, 336]`, with tiles of zeros behind or without, and
    `image_sizes [1, 2]` to `image_features`. CLIP is traced; how its features lie depends on a number in the second
    input, which doesn't trace, so that part is written down."""
    traced = graphs.export(
        graphs.Graph(tower, lambda tower, tiles: {"squares": tower.patches(tiles)}),
        {"tiles": torch.randn(2, 3, TILE, TILE)},
        {"tiles": ["num_tiles", None, None, None]},
    )
    opset = next(each.version for each in traced.opset_import if each.domain == "")
    wide = tower.sub_GN.shape[-1]
    before = written(BEFORE, opset, {}, side=TILE)
    after = written(AFTER, opset, {
        "line_end": tower.sub_GN,
        "separator": tower.glb_GN[0],
        "weight_0": tower.img_projection[0].weight,
        "bias_0": tower.img_projection[0].bias,
        "weight_1": tower.img_projection[2].weight,
        "bias_1": tower.img_projection[2].bias,
    }, side=TILE, features=SIDE, squares=SIDE**2, wide=wide, hidden=hidden)
    seen = onnx.compose.merge_models(before, traced, io_map=[("all_tiles", "tiles")])
    return onnx.compose.merge_models(seen, after, io_map=[("squares", "squares"), ("sizes", "sizes")])


def written(text, opset, weights, **numbers):
    """A graph of the given text, the sizes in it filled in."""
    model = onnx.parser.parse_model(f'<ir_version: {graphs.IR_VERSION}, opset_import: ["": {opset}]>' + text % numbers)
    for name, value in weights.items():
        array = value.detach().numpy().reshape(1, 1, -1) if name == "line_end" else value.detach().numpy()
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    return model


BEFORE = """
before (float[1, all, 3, %(side)d, %(side)d] pixel_values, int64[1, 2] image_sizes)
    => (float[num_tiles, 3, %(side)d, %(side)d] all_tiles, int64[2] sizes)
{
    batch_axis = Constant <value_ints = [0]> ()
    all_tiles = Squeeze (pixel_values, batch_axis)
    sizes = Squeeze (image_sizes, batch_axis)
}
"""

AFTER = """
after (float[num_tiles, %(squares)d, %(wide)d] squares, int64[2] sizes) => (float[num_features, %(hidden)d] image_features)
{
    side = Constant <value_ints = [%(side)d]> ()
    zeroth = Constant <value_ints = [0]> ()
    first = Constant <value_ints = [1]> ()
    second = Constant <value_ints = [2]> ()
    features = Constant <value_ints = [%(features)d]> ()
    wide = Constant <value_ints = [%(wide)d]> ()
    rest = Constant <value_ints = [-1]> ()
    tiles = Div (sizes, side)
    rows = Slice (tiles, zeroth, first, zeroth)
    columns = Slice (tiles, first, second, zeroth)
    count = Mul (rows, columns)
    end = Add (count, first)
    cut = Slice (squares, first, end, zeroth)
    in_grid = Concat <axis = 0> (rows, columns, features, features, wide)
    grid = Reshape (cut, in_grid)
    canvas = Transpose <perm = [0, 2, 1, 3, 4]> (grid)
    lines = Mul (rows, features)
    length = Mul (columns, features)
    in_lines = Concat <axis = 0> (lines, length, wide)
    lying = Reshape (canvas, in_lines)
    as_ends = Concat <axis = 0> (lines, first, wide)
    ends = Expand (line_end, as_ends)
    ended = Concat <axis = 1> (lying, ends)
    flat = Concat <axis = 0> (rest, wide)
    tiled = Reshape (ended, flat)
    whole = Slice (squares, zeroth, first, zeroth)
    small_lines = Concat <axis = 0> (features, features, wide)
    small = Reshape (whole, small_lines)
    as_small_ends = Concat <axis = 0> (features, first, wide)
    small_ends = Expand (line_end, as_small_ends)
    small_ended = Concat <axis = 1> (small, small_ends)
    small_view = Reshape (small_ended, flat)
    together = Concat <axis = 0> (tiled, separator, small_view)
    projected = Gemm <transB = 1> (together, weight_0, bias_0)
    bent = Gelu (projected)
    image_features = Gemm <transB = 1> (bent, weight_1, bias_1)
}
"""
