"""The features of an image in tiles put together as LLaVA-NeXT and LLaVA-OneVision read them, in numpy: the whole, then
row by row what the tiles show of the image without its padding, a newline after each row.

None of transformers' code takes part: what the graphs give is put together here as a host does it, and `verify.py` holds
the result to what the model replies."""

import math

import numpy as np


def best_canvas(size, canvases):
    """Height and width of the canvas that leaves most of an image of `size` (height, width)."""

    def worth(canvas):
        scale = min(canvas[1] / size[1], canvas[0] / size[0])
        left = min(int(size[1] * scale) * int(size[0] * scale), size[0] * size[1])
        return left, left - canvas[0] * canvas[1]

    return max(canvases, key=worth)


def tiles(size, canvases, tile):
    """Rows and columns of the tiles of an image of `size`."""
    height, width = best_canvas(size, canvases)
    return height // tile, width // tile


def packed(features, newline, size, grid, most=None):
    """Rows of features as they stand in the prompt.

    `features` are `[1 + tiles, side², hidden]`, the whole first; `grid` is rows and columns of tiles. Of more than
    `most` tiles' worth of features, if it's given, fewer are interpolated."""
    rows, columns = grid
    side = math.isqrt(features.shape[1])
    whole, cut = features[0], features[1:1 + rows * columns]
    canvas = cut.reshape(rows, columns, side, side, -1).transpose(0, 2, 1, 3, 4)
    canvas = canvas.reshape(rows * side, columns * side, -1)
    canvas = shrunk(without_padding(canvas, size), side, most)
    ends = np.broadcast_to(newline, (canvas.shape[0], 1, canvas.shape[2]))
    lines = np.concatenate([canvas, ends], axis=1)
    return np.concatenate([whole, lines.reshape(-1, lines.shape[2])])


def without_padding(canvas, size):
    """What the image of `size` takes of a canvas of features."""
    height, width = canvas.shape[:2]
    if size[1] / size[0] > width / height:
        margin = (height - int(round(size[0] * (width / size[1]), 7))) // 2
        return canvas[margin:height - margin]
    margin = (width - int(round(size[1] * (height / size[0]), 7))) // 2
    return canvas[:, margin:width - margin]


def shrunk(canvas, side, most):
    """The canvas, bilinearly interpolated if it has clearly more features than `most` tiles."""
    height, width = canvas.shape[:2]
    ratio = math.sqrt(height * width / (most * side**2)) if most else 0
    if ratio <= 1.1:
        return canvas
    return along(along(canvas, int(height // ratio), 0), int(width // ratio), 1)


def along(canvas, length, axis):
    """Linear interpolation along one axis, the ends of pixels matching."""
    old = canvas.shape[axis]
    at = np.maximum((np.arange(length) + 0.5) * (old / length) - 0.5, 0)
    first = at.astype(int)
    share = (at - first).reshape([-1 if axis == place else 1 for place in range(3)])
    second = np.minimum(first + 1, old - 1)
    mixed = canvas.take(first, axis) * (1 - share) + canvas.take(second, axis) * share
    return mixed.astype(np.float32)


def pooled(features, newline):
    """Rows of features of a video's frames `[frames, side², hidden]`: each frame's halved both ways, and one newline."""
    side = math.isqrt(features.shape[1])
    half = math.ceil(side / 2)
    squares = features.reshape(len(features), side, side, -1)
    rows = [along(along(square, half, 0), half, 1).reshape(half * half, -1) for square in squares]
    return np.concatenate([*rows, newline[None]])
