"""LFM2's language decoder laid down operator by operator from a torch model's weights.

As `decoder.py`'s: attention layers are `GroupQueryAttention` with lengths from the mask, so that one file serves a
growing cache and a shared buffer. The other layers are short convolutions, whose state is what the last tokens gave:
`past_conv.N [batch, hidden, kernel]` to `present_conv.N`, zeros at first. Layers are numbered through, so that neither
kind's numbers are without gaps: the names of the community's folders.
"""

import numpy as np
from onnx import TensorProto, helper

import decoder
from decoder import Builder, MICROSOFT
from graphs import IR_VERSION


def build(text_model, head):
    """The ONNX decoder of a transformers `Lfm2Model` and its output head."""
    config = text_model.config
    state = {name: tensor.detach().numpy() for name, tensor in text_model.state_dict().items()}
    builder = Builder()
    lengths = decoder.sequence_lengths(builder)
    rotation = decoder.rotary_tables(builder, config, text_model.rotary_emb.inv_freq.numpy())
    x = "inputs_embeds"
    for layer, kind in enumerate(config.layer_types):
        prefix = f"layers.{layer}."
        normed = norm(builder, config, x, f"{prefix}normed", state[f"{prefix}operator_norm.weight"])
        if kind == "conv":
            update = convolution(builder, config, state, layer, normed)
        else:
            update = attention(builder, config, state, layer, normed, lengths, rotation)
        x = builder.node("Add", [x, update], [f"{prefix}middle"])
        normed = norm(builder, config, x, f"{prefix}middle.normed", state[f"{prefix}ffn_norm.weight"])
        x = builder.node("Add", [x, feed_forward(builder, state, layer, normed)], [f"{prefix}end"])
    normed = norm(builder, config, x, "normed", state["embedding_norm.weight"])
    builder.linear(normed, "logits", head.weight.detach().numpy())
    return model(builder, config)


def norm(builder, config, x, name, weight):
    """The root mean square norm along the last axis."""
    return builder.node(
        "SimplifiedLayerNormalization", [x, builder.weight(f"{name}.weight", weight)], [name],
        axis=-1, epsilon=config.norm_eps, stash_type=1,
    )


def head_norm(builder, config, x, name, weight, heads):
    """The norm of each head's vectors, between two reshapes."""
    size = weight.shape[0]
    split = builder.weight(f"{name}.split", np.array([0, 0, heads, size], np.int64))
    whole = builder.weight(f"{name}.whole", np.array([0, 0, heads * size], np.int64))
    apart = builder.node("Reshape", [x, split], [f"{name}.apart"])
    return builder.node("Reshape", [norm(builder, config, apart, f"{name}.heads", weight), whole], [name])


def attention(builder, config, state, layer, x, lengths, rotation):
    """Self-attention of one layer over its cache; queries and keys are normed head by head."""
    prefix = f"layers.{layer}.self_attn."
    query, key, value = [
        builder.linear(x, f"{prefix}{name}", state[f"{prefix}{name}.weight"]) for name in ("q_proj", "k_proj", "v_proj")
    ]
    heads, kv_heads = config.num_attention_heads, config.num_key_value_heads
    query = head_norm(builder, config, query, f"{prefix}q_layernorm", state[f"{prefix}q_layernorm.weight"], heads)
    key = head_norm(builder, config, key, f"{prefix}k_layernorm", state[f"{prefix}k_layernorm.weight"], kv_heads)
    past = [f"past_key_values.{layer}.key", f"past_key_values.{layer}.value"]
    present = [f"present.{layer}.key", f"present.{layer}.value"]
    attended = builder.node(
        "GroupQueryAttention", [query, key, value, *past, *lengths, *rotation], [f"{prefix}attended", *present],
        domain=MICROSOFT, num_heads=heads, kv_num_heads=kv_heads, do_rotary=1, rotary_interleaved=0,
    )
    return builder.linear(attended, f"{prefix}out_proj", state[f"{prefix}out_proj.weight"])


def convolution(builder, config, state, layer, x):
    """A gated convolution of every channel with itself in the tokens before."""
    prefix = f"layers.{layer}.conv."
    kernel = config.conv_L_cache
    mixed = builder.linear(x, f"{prefix}in_proj", state[f"{prefix}in_proj.weight"])
    turned = builder.node("Transpose", [mixed], [f"{prefix}turned"], perm=[0, 2, 1])
    parts = [f"{prefix}b", f"{prefix}c", f"{prefix}x"]
    builder.node("Split", [turned], parts, axis=1, num_outputs=3)
    gated = builder.node("Mul", [parts[0], parts[2]], [f"{prefix}gated"])
    seen = builder.node("Concat", [f"past_conv.{layer}", gated], [f"{prefix}seen"], axis=2)
    cut(builder, seen, -kernel, f"present_conv.{layer}")
    # The state is as long as the kernel, one more than what the first new token sees of it.
    near = cut(builder, seen, 1, f"{prefix}near")
    weight = builder.weight(f"{prefix}weight", state[f"{prefix}conv.weight"])
    summed = builder.node("Conv", [near, weight], [f"{prefix}summed"], group=config.hidden_size)
    output = builder.node("Mul", [parts[1], summed], [f"{prefix}y"])
    back = builder.node("Transpose", [output], [f"{prefix}back"], perm=[0, 2, 1])
    return builder.linear(back, f"{prefix}out_proj", state[f"{prefix}out_proj.weight"])


def cut(builder, x, start, name):
    """`x` from a position on, along its last axis."""
    ends = [
        builder.weight(f"{name}.{part}", np.array([number], np.int64))
        for part, number in (("start", start), ("end", np.iinfo(np.int64).max), ("axis", 2))
    ]
    return builder.node("Slice", [x, *ends], [name])


def feed_forward(builder, state, layer, x):
    """The gated feed-forward block of one layer: w2(silu(w1(x)) · w3(x))."""
    prefix = f"layers.{layer}.feed_forward."
    gate, up = [builder.linear(x, f"{prefix}{name}", state[f"{prefix}{name}.weight"]) for name in ("w1", "w3")]
    silu = builder.node("Mul", [gate, builder.node("Sigmoid", [gate], [f"{prefix}sigmoid"])], [f"{prefix}silu"])
    gated = builder.node("Mul", [silu, up], [f"{prefix}product"])
    return builder.linear(gated, f"{prefix}w2", state[f"{prefix}w2.weight"])


def model(builder, config):
    """The finished model, its inputs and outputs declared."""
    def value(name, shape, kind=TensorProto.FLOAT):
        return helper.make_tensor_value_info(name, kind, shape)

    batch, new, past, total = "batch_size", "sequence_length", "past_sequence_length", "total_sequence_length"
    heads, size = config.num_key_value_heads, config.hidden_size // config.num_attention_heads
    inputs = [
        value("inputs_embeds", [batch, new, config.hidden_size]),
        value("attention_mask", [batch, total], TensorProto.INT64),
    ]
    outputs = [value("logits", [batch, new, config.vocab_size])]
    for layer, kind in enumerate(config.layer_types):
        if kind == "conv":
            shape = [batch, config.hidden_size, config.conv_L_cache]
            inputs.append(value(f"past_conv.{layer}", shape))
            outputs.append(value(f"present_conv.{layer}", shape))
            continue
        for half in ("key", "value"):
            inputs.append(value(f"past_key_values.{layer}.{half}", [batch, heads, past, size]))
            outputs.append(value(f"present.{layer}.{half}", [batch, heads, total, size]))
    graph = helper.make_graph(builder.nodes, "decoder", inputs, outputs, builder.weights)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid(MICROSOFT, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
