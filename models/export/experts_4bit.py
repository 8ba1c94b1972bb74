"""Four bits a weight, as `MatMulNBits` and `QMoE` (com.microsoft) keep them: blocks along what goes in, a scale each.

A model whose weights lie on such a grid is the same model in 32 bits and in four, so one golden holds for both.
"""

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper

# Numbers that share a scale. `QMoE` takes no fewer.
BLOCK = 16


def packed(weights, block=BLOCK):
    """Of `[…, out, in]` the two numbers a byte, the earlier one in its lower half, and the scales `[…, out, blocks]`.

    The number farthest from zero becomes −8 of its block's scale."""
    blocks = np.asarray(weights, np.float32).reshape(*weights.shape[:-1], -1, block)
    farthest = np.take_along_axis(blocks, np.abs(blocks).argmax(-1, keepdims=True), -1)
    scales = farthest / np.float32(-8)
    steps = np.divide(blocks, scales, out=np.zeros_like(blocks), where=scales != 0)
    numbers = np.clip(np.rint(steps) + 8, 0, 15).astype(np.uint8).reshape(weights.shape)
    return numbers[..., 0::2] | numbers[..., 1::2] << 4, scales[..., 0]


def unpacked(bytes, scales):
    """The weights `[…, out, in]` that these mean."""
    numbers = np.stack([bytes & 15, bytes >> 4], -1).reshape(*scales.shape, -1).astype(np.float32)
    return ((numbers - 8) * scales[..., None]).reshape(*bytes.shape[:-1], -1)


def put_on_grid(parameter, block=BLOCK):
    """Moves each weight of a torch parameter to the nearest that four bits can say."""
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(unpacked(*packed(parameter.numpy(), block))))


def quantized_experts(proto):
    """The same decoder with each `MoE` as a `QMoE` of 4-bit experts."""
    result = onnx.ModelProto()
    result.CopyFrom(proto)
    weights = {tensor.name: tensor for tensor in result.graph.initializer}
    for node in result.graph.node:
        if node.op_type != "MoE":
            continue
        tokens, scores, first, _, second = node.input
        node.op_type = "QMoE"
        node.attribute.extend([helper.make_attribute("expert_weight_bits", 4), helper.make_attribute("block_size", BLOCK)])
        inputs = [tokens, scores]
        for name in (first, second):
            parts = packed(numpy_helper.to_array(weights[name]))
            result.graph.initializer.remove(weights[name])
            names = [f"{name}.packed", f"{name}.scales"]
            result.graph.initializer.extend(map(numpy_helper.from_array, parts, names))
            # The third of each is a bias.
            inputs += [*names, ""]
        node.input[:] = inputs
    return result
