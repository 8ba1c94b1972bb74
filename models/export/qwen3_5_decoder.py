"""Qwen3.5's language decoder laid down operator by operator from a torch model's weights.

Most layers are gated delta nets (Yang et al. 2024, "Gated Delta Networks"): a state of one matrix a head, which every
token decays, corrects and reads. A trace would unroll that over the example's tokens, or cut it into chunks of a size
that it bakes in; here it is a `Scan` over the tokens, as transformers' `torch_recurrent_gated_delta_rule` defines it. Such
a layer has two states, zeros at first: `past_conv.N [batch, channels, kernel]` and
`past_recurrent.N [batch, heads, key size, value size]`.

Every fourth layer attends, with `GroupQueryAttention` and lengths from the mask, so that one file serves a growing cache
and a shared buffer. Its queries and keys are rotated before, by positions in three rows, a part of each head only.
"""

import numpy as np
from onnx import TensorProto, helper

import decoder
from decoder import MICROSOFT, Builder
from graphs import IR_VERSION

FLOAT = TensorProto.FLOAT


def build(text_model, head):
    """The ONNX decoder of a transformers `Qwen3_5TextModel` and its output head."""
    config = text_model.config
    state = {name: tensor.detach().numpy() for name, tensor in text_model.state_dict().items()}
    builder = Builder()
    lengths = decoder.sequence_lengths(builder)
    rotation = rotary(builder, text_model.rotary_emb)
    x = "inputs_embeds"
    for layer, kind in enumerate(config.layer_types):
        prefix = f"layers.{layer}."
        normed = norm(builder, config, x, f"{prefix}normed", 1 + state[f"{prefix}input_layernorm.weight"])
        if kind == "linear_attention":
            update = delta_net(builder, config, state, layer, normed)
        else:
            update = attention(builder, config, state, layer, normed, lengths, rotation)
        x = builder.node("Add", [x, update], [f"{prefix}middle"])
        weight = 1 + state[f"{prefix}post_attention_layernorm.weight"]
        normed = norm(builder, config, x, f"{prefix}middle.normed", weight)
        x = builder.node("Add", [x, decoder.feed_forward(builder, state, layer, normed)], [f"{prefix}end"])
    normed = norm(builder, config, x, "normed", 1 + state["norm.weight"])
    builder.linear(normed, "logits", head.weight.detach().numpy())
    return model(builder, config)


def norm(builder, config, x, name, weight):
    """The root mean square norm along the last axis."""
    return builder.node(
        "SimplifiedLayerNormalization", [x, builder.weight(f"{name}.weight", weight)], [name],
        axis=-1, epsilon=config.rms_norm_eps, stash_type=1,
    )


def numbers(builder, name, values):
    """A constant of integers."""
    return builder.weight(name, np.array(values, np.int64))


def reshaped(builder, x, name, shape):
    """`x` in another shape; 0 keeps a dimension, -1 takes what is left."""
    return builder.node("Reshape", [x, numbers(builder, f"{name}.shape", shape)], [name])


def rotary(builder, embedding):
    """Cosines and sines `[batch, 1, tokens, rotated]` of the positions `[3, batch, tokens]`.

    Which of the three rows turns a frequency is a matrix with one number a column: adding zeros changes nothing."""
    frequencies = embedding.inv_freq.numpy()
    rows = np.zeros((3, len(frequencies)), np.float32)
    sections = embedding.mrope_section
    row_of = np.zeros(len(frequencies), np.int64)
    for row in (1, 2):
        row_of[row : sections[row] * 3 : 3] = row
    rows[row_of, np.arange(len(frequencies))] = frequencies
    builder.node("Cast", ["position_ids"], ["positions"], to=FLOAT)
    builder.node("Transpose", ["positions"], ["positions.last"], perm=[1, 2, 0])
    builder.node("MatMul", ["positions.last", builder.weight("frequencies", rows)], ["angles.half"])
    builder.node("Concat", ["angles.half", "angles.half"], ["angles.flat"], axis=-1)
    builder.node("Unsqueeze", ["angles.flat", numbers(builder, "angles.axis", [1])], ["angles"])
    return [builder.node("Cos", ["angles"], ["cosine"]), builder.node("Sin", ["angles"], ["sine"])]


def rotated(builder, x, name, heads, size, rotation, turned):
    """The heads of `x [batch, tokens, heads, size]` with their first `turned` numbers rotated, joined again."""
    up = builder.node("Transpose", [x], [f"{name}.heads"], perm=[0, 2, 1, 3])
    sizes = numbers(builder, f"{name}.parts", [turned // 2, turned // 2, size - turned])
    first, second, rest = [f"{name}.{part}" for part in ("first", "second", "rest")]
    builder.node("Split", [up, sizes], [first, second, rest], axis=-1)
    negative = builder.node("Neg", [second], [f"{name}.negative"])
    straight = builder.node("Concat", [first, second], [f"{name}.straight"], axis=-1)
    crossed = builder.node("Concat", [negative, first], [f"{name}.crossed"], axis=-1)
    cosine = builder.node("Mul", [straight, rotation[0]], [f"{name}.cosine"])
    sine = builder.node("Mul", [crossed, rotation[1]], [f"{name}.sine"])
    turned = builder.node("Add", [cosine, sine], [f"{name}.turned"])
    whole = builder.node("Concat", [turned, rest], [f"{name}.whole"], axis=-1)
    down = builder.node("Transpose", [whole], [f"{name}.down"], perm=[0, 2, 1, 3])
    return reshaped(builder, down, f"{name}.joined", [0, 0, heads * size])


def attention(builder, config, state, layer, x, lengths, rotation):
    """Gated self-attention of one layer over its cache."""
    prefix = f"layers.{layer}.self_attn."
    heads, kv_heads, size = config.num_attention_heads, config.num_key_value_heads, config.head_dim
    turned = int(size * config.rope_parameters.get("partial_rotary_factor", 1.0))
    both = builder.linear(x, f"{prefix}q_proj", state[f"{prefix}q_proj.weight"])
    both = reshaped(builder, both, f"{prefix}both", [0, 0, heads, 2 * size])
    builder.node("Split", [both], [f"{prefix}query", f"{prefix}gate"], axis=-1, num_outputs=2)
    gate = reshaped(builder, f"{prefix}gate", f"{prefix}gate.flat", [0, 0, heads * size])
    key = builder.linear(x, f"{prefix}k_proj", state[f"{prefix}k_proj.weight"])
    key = reshaped(builder, key, f"{prefix}key", [0, 0, kv_heads, size])
    value = builder.linear(x, f"{prefix}v_proj", state[f"{prefix}v_proj.weight"])
    query = norm(builder, config, f"{prefix}query", f"{prefix}q_norm", 1 + state[f"{prefix}q_norm.weight"])
    key = norm(builder, config, key, f"{prefix}k_norm", 1 + state[f"{prefix}k_norm.weight"])
    query = rotated(builder, query, f"{prefix}query.rotary", heads, size, rotation, turned)
    key = rotated(builder, key, f"{prefix}key.rotary", kv_heads, size, rotation, turned)
    past = [f"past_key_values.{layer}.key", f"past_key_values.{layer}.value"]
    present = [f"present.{layer}.key", f"present.{layer}.value"]
    attended = builder.node(
        "GroupQueryAttention", [query, key, value, *past, *lengths], [f"{prefix}attended", *present],
        domain=MICROSOFT, num_heads=heads, kv_num_heads=kv_heads,
    )
    opened = builder.node("Sigmoid", [gate], [f"{prefix}opened"])
    gated = builder.node("Mul", [attended, opened], [f"{prefix}gated"])
    return builder.linear(gated, f"{prefix}o_proj", state[f"{prefix}o_proj.weight"])


def silu(builder, x, name):
    """x · sigmoid(x)."""
    return builder.node("Mul", [x, builder.node("Sigmoid", [x], [f"{name}.sigmoid"])], [name])


def delta_net(builder, config, state, layer, x):
    """One gated delta net."""
    prefix = f"layers.{layer}.linear_attn."
    key_heads, heads = config.linear_num_key_heads, config.linear_num_value_heads
    key_size, value_size = config.linear_key_head_dim, config.linear_value_head_dim
    mixed = convolution(builder, config, state, layer, x)
    sizes = numbers(builder, f"{prefix}parts", [key_heads * key_size, key_heads * key_size, heads * value_size])
    query, key, value = [f"{prefix}{part}" for part in ("query", "key", "value")]
    builder.node("Split", [mixed, sizes], [query, key, value], axis=-1)
    query, key = [
        unit(builder, config, reshaped(builder, part, f"{part}.heads", [0, 0, key_heads, key_size]), f"{part}.unit")
        for part in (query, key)
    ]
    query = builder.node(
        "Mul", [query, builder.weight(f"{prefix}scale", np.array(key_size**-0.5, np.float32))], [f"{prefix}scaled"]
    )
    value = reshaped(builder, value, f"{prefix}value.heads", [0, 0, heads, value_size])

    beta = builder.linear(x, f"{prefix}in_proj_b", state[f"{prefix}in_proj_b.weight"])
    beta = builder.node("Sigmoid", [beta], [f"{prefix}beta"])
    step = builder.linear(x, f"{prefix}in_proj_a", state[f"{prefix}in_proj_a.weight"])
    step = builder.node("Add", [step, builder.weight(f"{prefix}dt_bias", state[f"{prefix}dt_bias"])], [f"{prefix}step"])
    step = builder.node("Softplus", [step], [f"{prefix}step.positive"])
    rate = builder.weight(f"{prefix}rate", -np.exp(state[f"{prefix}A_log"]))
    decay = builder.node("Exp", [builder.node("Mul", [step, rate], [f"{prefix}decay.log"])], [f"{prefix}decay"])

    builder.node(
        "Scan",
        [f"past_recurrent.{layer}", query, key, value, decay, beta],
        [f"present_recurrent.{layer}", f"{prefix}read"],
        body=token_step(),
        num_scan_inputs=5,
        scan_input_axes=[1] * 5,
        scan_output_axes=[1],
    )
    gate = builder.linear(x, f"{prefix}in_proj_z", state[f"{prefix}in_proj_z.weight"])
    gate = reshaped(builder, gate, f"{prefix}gate", [0, 0, heads, value_size])
    normed = norm(builder, config, f"{prefix}read", f"{prefix}normed", state[f"{prefix}norm.weight"])
    gated = builder.node("Mul", [normed, silu(builder, gate, f"{prefix}gate.silu")], [f"{prefix}gated"])
    flat = reshaped(builder, gated, f"{prefix}flat", [0, 0, heads * value_size])
    return builder.linear(flat, f"{prefix}out_proj", state[f"{prefix}out_proj.weight"])


def unit(builder, config, x, name):
    """Each head's vector brought to length 1, and repeated for every value head that it serves.

    The epsilon stands beside the sum of squares, as in transformers' `l2norm`."""
    squares = builder.node("Mul", [x, x], [f"{name}.squares"])
    total = builder.node("ReduceSum", [squares, numbers(builder, f"{name}.axis", [-1])], [f"{name}.sum"])
    epsilon = builder.weight(f"{name}.epsilon", np.array(1e-6, np.float32))
    root = builder.node("Sqrt", [builder.node("Add", [total, epsilon], [f"{name}.more"])], [f"{name}.length"])
    units = builder.node("Div", [x, root], [name])
    key_heads, heads = config.linear_num_key_heads, config.linear_num_value_heads
    if key_heads == heads:
        return units
    served = numbers(builder, f"{name}.served", np.repeat(np.arange(key_heads), heads // key_heads))
    return builder.node("Gather", [units, served], [f"{name}.repeated"], axis=2)


def convolution(builder, config, state, layer, x):
    """Queries, keys and values `[batch, tokens, channels]`, each channel mixed with itself in the tokens before."""
    prefix = f"layers.{layer}.linear_attn."
    kernel = config.linear_conv_kernel_dim
    mixed = builder.linear(x, f"{prefix}in_proj_qkv", state[f"{prefix}in_proj_qkv.weight"])
    turned = builder.node("Transpose", [mixed], [f"{prefix}turned"], perm=[0, 2, 1])
    seen = builder.node("Concat", [f"past_conv.{layer}", turned], [f"{prefix}seen"], axis=2)
    cut(builder, seen, -kernel, f"present_conv.{layer}")
    # The state is as long as the kernel, one more than what the first new token sees of it.
    near = cut(builder, seen, 1, f"{prefix}near")
    weight = state[f"{prefix}conv1d.weight"]
    summed = builder.node(
        "Conv", [near, builder.weight(f"{prefix}conv1d", weight)], [f"{prefix}summed"], group=weight.shape[0]
    )
    return builder.node("Transpose", [silu(builder, summed, f"{prefix}active")], [f"{prefix}mixed"], perm=[0, 2, 1])


def cut(builder, x, start, name):
    """`x` from a position on, along its last axis."""
    last = np.iinfo(np.int64).max
    ends = [numbers(builder, f"{name}.{part}", [at]) for part, at in (("start", start), ("end", last), ("axis", 2))]
    return builder.node("Slice", [x, *ends], [name])


def token_step():
    """What one token does to the state `[batch, heads, key size, value size]`, and what it reads there."""
    body = Builder()
    last = numbers(body, "last", [-1])
    tall = numbers(body, "tall", [-2])

    def column(x):
        return body.node("Unsqueeze", [x, last], [f"{x}.column"])

    decayed = body.node("Mul", ["state", body.node("Unsqueeze", [column("decay"), last], ["decay.all"])], ["decayed"])
    known = body.node("Mul", [decayed, column("key")], ["known.all"])
    known = body.node("ReduceSum", [known, tall], ["known"], keepdims=0)
    wrong = body.node("Sub", ["value", known], ["wrong"])
    change = body.node("Mul", [wrong, column("beta")], ["change"])
    change = body.node("Mul", ["key.column", body.node("Unsqueeze", [change, tall], ["change.row"])], ["change.all"])
    body.node("Add", [decayed, change], ["next"])
    read = body.node("Mul", ["next", column("query")], ["read.all"])
    body.node("ReduceSum", [read, tall], ["read"], keepdims=0)
    value = helper.make_tensor_value_info
    inputs = [value(name, FLOAT, None) for name in ("state", "query", "key", "value", "decay", "beta")]
    outputs = [value(name, FLOAT, None) for name in ("next", "read")]
    return helper.make_graph(body.nodes, "token", inputs, outputs, body.weights)


def model(builder, config):
    """The finished model, its inputs and outputs declared."""
    def value(name, shape, kind=FLOAT):
        return helper.make_tensor_value_info(name, kind, shape)

    batch, new, past, total = "batch_size", "sequence_length", "past_sequence_length", "total_sequence_length"
    inputs = [
        value("inputs_embeds", [batch, new, config.hidden_size]),
        value("attention_mask", [batch, total], TensorProto.INT64),
        value("position_ids", [3, batch, new], TensorProto.INT64),
    ]
    outputs = [value("logits", [batch, new, config.vocab_size])]
    key_size, value_size = config.linear_key_head_dim, config.linear_value_head_dim
    channels = 2 * config.linear_num_key_heads * key_size + config.linear_num_value_heads * value_size
    for layer, kind in enumerate(config.layer_types):
        if kind == "linear_attention":
            shapes = {
                "conv": [batch, channels, config.linear_conv_kernel_dim],
                "recurrent": [batch, config.linear_num_value_heads, key_size, value_size],
            }
            for state, shape in shapes.items():
                inputs.append(value(f"past_{state}.{layer}", shape))
                outputs.append(value(f"present_{state}.{layer}", shape))
            continue
        for half in ("key", "value"):
            heads, size = config.num_key_value_heads, config.head_dim
            inputs.append(value(f"past_key_values.{layer}.{half}", [batch, heads, past, size]))
            outputs.append(value(f"present.{layer}.{half}", [batch, heads, total, size]))
    graph = helper.make_graph(builder.nodes, "decoder", inputs, outputs, builder.weights)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid(MICROSOFT, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
