"""A Llama-type or Qwen2 language decoder laid down operator by operator from a torch model's weights.

Tracing gives `GroupQueryAttention` with a dense mask, and reads the past's length off the cache's
shape: such a graph can't append to a buffer that is larger than the past. Here the operator gets
each sequence's length from `attention_mask` and rotates positions itself, as in the decoders that
the community builds for serving. So one file serves a growing cache and a shared buffer, needs no
`position_ids`, and has no floating-point operator that ONNX Runtime's WebGPU provider lacks.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

from graphs import IR_VERSION, head_size

MICROSOFT = "com.microsoft"


class Builder:
    """Nodes and weights of a graph under construction."""

    def __init__(self):
        self.nodes, self.weights = [], []

    def weight(self, name, array):
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, operator, inputs, outputs, domain="", **attributes):
        """Adds a node and returns the name of its first output."""
        name = f"{outputs[0]}/{operator}"
        self.nodes.append(
            helper.make_node(operator, inputs, outputs, name, domain=domain, **attributes)
        )
        return outputs[0]

    def linear(self, x, name, weight, bias=None):
        """`x` times a torch `Linear` weight, which is stored `[out, in]`, plus its bias if it has one."""
        if bias is None:
            return self.node("MatMul", [x, self.weight(f"{name}.weight", weight.T)], [name])
        product = self.node("MatMul", [x, self.weight(f"{name}.weight", weight.T)], [f"{name}.product"])
        return self.node("Add", [product, self.weight(f"{name}.bias", bias)], [name])


def build(text_model, head, keep_logits=False, reads_tokens=False):
    """The ONNX decoder of a transformers `LlamaModel` or `Qwen2Model` and its output head; without a head it gives
    `hidden_states`.

    With `keep_logits` the graph takes the scalar `num_logits_to_keep`, and gives logits for that
    many last positions only; 0 means all. With `reads_tokens` it takes `input_ids` and looks
    embeddings up itself."""
    config = text_model.config
    state = {name: tensor.detach().numpy() for name, tensor in text_model.state_dict().items()}
    builder = Builder()
    lengths = sequence_lengths(builder)
    rotation = rotary_tables(builder, config, text_model.rotary_emb.inv_freq.numpy())

    x = "inputs_embeds"
    if reads_tokens:
        table = builder.weight("embed_tokens.weight", state["embed_tokens.weight"])
        builder.node("Gather", [table, "input_ids"], [x], axis=0)
    normed = builder.node(
        "SimplifiedLayerNormalization",
        [x, builder.weight("layers.0.input_norm", state["layers.0.input_layernorm.weight"])],
        ["layers.0.normed"],
        axis=-1,
        epsilon=config.rms_norm_eps,
        stash_type=1,
    )
    for layer in range(config.num_hidden_layers):
        attended = attention(builder, config, state, layer, normed, lengths, rotation)
        x, normed = add_and_norm(
            builder, config, f"layers.{layer}.attended", x, attended,
            state[f"layers.{layer}.post_attention_layernorm.weight"],
        )
        output = feed_forward(builder, state, layer, normed)
        last = layer == config.num_hidden_layers - 1
        norm = "norm.weight" if last else f"layers.{layer + 1}.input_layernorm.weight"
        x, normed = add_and_norm(
            builder, config, f"layers.{layer}.output", x, output, state[norm], final=last
        )
    if keep_logits:
        normed = last_positions(builder, normed)
    if head is None:
        builder.node("Identity", [normed], ["hidden_states"])
    else:
        builder.linear(normed, "logits", head.weight.detach().numpy())
    return model(builder, config, keep_logits, reads_tokens, has_head=head is not None)


def sequence_lengths(builder):
    """`seqlens_k` (length − 1 of each sequence) and the longest length, both int32, of the mask."""
    axis = builder.weight("axis_1", np.array([1], np.int64))
    one = builder.weight("one", np.array([1], np.int64))
    index = builder.weight("index_1", np.array(1, np.int64))
    builder.node("ReduceSum", ["attention_mask", axis], ["mask.sum"], keepdims=0)
    builder.node("Sub", ["mask.sum", one], ["mask.last"])
    builder.node("Cast", ["mask.last"], ["seqlens_k"], to=TensorProto.INT32)
    builder.node("Shape", ["attention_mask"], ["mask.shape"])
    builder.node("Gather", ["mask.shape", index], ["mask.length"], axis=0)
    builder.node("Cast", ["mask.length"], ["total_sequence_length"], to=TensorProto.INT32)
    return ["seqlens_k", "total_sequence_length"]


def rotary_tables(builder, config, frequencies):
    """Cosines and sines `[positions, head size / 2]` of the rotary embedding.

    The frequencies are the model's own: recomputed, they differ in the last bit, which the
    positions multiply."""
    positions = np.arange(config.max_position_embeddings, dtype=np.float32)
    angles = positions[:, None] * frequencies
    return [
        builder.weight("cos_cache", np.cos(angles).astype(np.float32)),
        builder.weight("sin_cache", np.sin(angles).astype(np.float32)),
    ]


def attention(builder, config, state, layer, x, lengths, rotation):
    """Self-attention of one layer over its cache."""
    prefix = f"layers.{layer}."
    projected = [
        builder.linear(
            x, f"{prefix}{name}", state[f"{prefix}self_attn.{name}.weight"],
            # Qwen2's projections have biases, Llama's don't.
            state.get(f"{prefix}self_attn.{name}.bias"),
        )
        for name in ("q_proj", "k_proj", "v_proj")
    ]
    past = [f"past_key_values.{layer}.key", f"past_key_values.{layer}.value"]
    present = [f"present.{layer}.key", f"present.{layer}.value"]
    # How far back a token sees, itself among them, where that isn't all (Mistral).
    window = getattr(config, "sliding_window", None)
    windowed = {"local_window_size": window} if window else {}
    builder.node(
        "GroupQueryAttention",
        [*projected, *past, *lengths, *rotation],
        [f"{prefix}heads", *present],
        domain=MICROSOFT,
        num_heads=config.num_attention_heads,
        kv_num_heads=config.num_key_value_heads,
        do_rotary=1,
        rotary_interleaved=0,
        **windowed,
    )
    return builder.linear(f"{prefix}heads", f"{prefix}o_proj", state[f"{prefix}self_attn.o_proj.weight"])


def feed_forward(builder, state, layer, x):
    """The gated feed-forward block of one layer: down(silu(gate(x)) · up(x))."""
    prefix = f"layers.{layer}."
    gate = builder.linear(x, f"{prefix}gate", state[f"{prefix}mlp.gate_proj.weight"])
    up = builder.linear(x, f"{prefix}up", state[f"{prefix}mlp.up_proj.weight"])
    sigmoid = builder.node("Sigmoid", [gate], [f"{prefix}sigmoid"])
    silu = builder.node("Mul", [gate, sigmoid], [f"{prefix}silu"])
    gated = builder.node("Mul", [silu, up], [f"{prefix}gated"])
    return builder.linear(gated, f"{prefix}down", state[f"{prefix}mlp.down_proj.weight"])


def add_and_norm(builder, config, name, x, update, weight, final=False):
    """Residual sum and its norm, in one operator. The sum itself is unused after the last layer."""
    outputs = [f"{name}.normed"] if final else [f"{name}.normed", "", "", f"{name}.sum"]
    builder.node(
        "SkipSimplifiedLayerNormalization",
        [x, update, builder.weight(f"{name}.norm", weight)],
        outputs,
        domain=MICROSOFT,
        epsilon=config.rms_norm_eps,
    )
    return f"{name}.sum", f"{name}.normed"


def last_positions(builder, x):
    """The last `num_logits_to_keep` positions of `x`. Minus 0 is 0, a slice from the start: all."""
    shape = builder.weight("shape_1", np.array([1], np.int64))
    end = builder.weight("end", np.array([np.iinfo(np.int64).max], np.int64))
    builder.node("Neg", ["num_logits_to_keep"], ["keep.negative"])
    builder.node("Reshape", ["keep.negative", shape], ["keep.start"])
    return builder.node("Slice", [x, "keep.start", end, "axis_1"], ["kept"])


def model(builder, config, keep_logits, reads_tokens=False, has_head=True):
    """The finished model, its inputs and outputs declared."""
    value = helper.make_tensor_value_info
    batch, new = "batch_size", "sequence_length"
    past, total = "past_sequence_length", "total_sequence_length"
    heads, size = config.num_key_value_heads, head_size(config)
    embeddings = value("inputs_embeds", TensorProto.FLOAT, [batch, new, config.hidden_size])
    inputs = [
        value("input_ids", TensorProto.INT64, [batch, new]) if reads_tokens else embeddings,
        value("attention_mask", TensorProto.INT64, [batch, total]),
    ]
    logits = "num_logits" if keep_logits else new
    scores = ("logits", config.vocab_size) if has_head else ("hidden_states", config.hidden_size)
    outputs = [value(scores[0], TensorProto.FLOAT, [batch, logits, scores[1]])]
    if keep_logits:
        inputs.append(value("num_logits_to_keep", TensorProto.INT64, []))
    for layer in range(config.num_hidden_layers):
        for half in ("key", "value"):
            inputs.append(
                value(f"past_key_values.{layer}.{half}", TensorProto.FLOAT, [batch, heads, past, size])
            )
            outputs.append(
                value(f"present.{layer}.{half}", TensorProto.FLOAT, [batch, heads, total, size])
            )
    graph = helper.make_graph(builder.nodes, "decoder", inputs, outputs, builder.weights)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid(MICROSOFT, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


def quantized(proto, block_size=32):
    """The same decoder with 4-bit weights (`MatMulNBits`, symmetric blocks along the input)."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    quantizer = MatMulNBitsQuantizer(copy, block_size=block_size, is_symmetric=True)
    quantizer.process()
    result = quantizer.model.model
    result.ir_version = IR_VERSION
    return result
