"""Tiny decoders with random weights for the engine's own tests, and the tokens they must give.

All decoders have the same weights, so that they must agree whatever they read (token ids, embeddings),
however they attend (one GroupQueryAttention operator, or spelt out) and however their cache is kept. The
goldens come from `onnxruntime` by the dullest route there is: the whole text again for each token, no cache.

    grouped.onnx        embeddings, GroupQueryAttention, lengths taken from `attention_mask`
    grouped_ids.onnx    token ids, GroupQueryAttention, lengths as inputs of their own
    plain.onnx          token ids, attention spelt out, `position_ids`, one key and value concatenated
    half.onnx           grouped_ids.onnx in 16-bit floats
    lacking.onnx        grouped_ids.onnx with one operator that only the CPU has
    deep.onnx           grouped.onnx with rows that are added to the first layer's states (`deepstack.0`)
    sliding.onnx        embeddings, plain.onnx's attention, and of its cache the last 8 positions alone
    hybrid.onnx         grouped_ids.onnx whose first layer is a short convolution with a state (`past_conv.0`)
    hybrid_plain.onnx   the same with attention as in plain.onnx, its state named `past_key_values.0.conv_state`
    embedding.onnx      token ids to embeddings
    encoder.onnx        4×4 pictures to one embedding each
"""

import json
import shutil

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

MICROSOFT = "com.microsoft"
VOCABULARY, HIDDEN, HEADS, CACHE_HEADS, LAYERS, FEED, CONTEXT = 288, 32, 4, 2, 2, 48, 320
HEAD = 16  # GroupQueryAttention rotates multiples of 16 only
KEPT = 8  # what a cache holds that forgets by itself
KERNEL = 3  # what a convolution sees: a token and those before it; its state is as long
PROMPTS = [[5, 7, 9, 11, 13], [250], list(range(20, 60)), [1, 1, 1, 1, 1, 1, 1, 1]]


def weights():
    random = np.random.default_rng(4)
    angles = np.arange(CONTEXT)[:, None] / 10000 ** (np.arange(0, HEAD, 2) / HEAD)[None]
    named = {
        "embedding": random.standard_normal((VOCABULARY, HIDDEN)),
        "cos": np.cos(angles),
        "sin": np.sin(angles),
        "head": random.standard_normal((HIDDEN, VOCABULARY)) * 0.5,
    }
    for layer in range(LAYERS):
        for name, shape in {
            "query": (HIDDEN, HEADS * HEAD), "key": (HIDDEN, CACHE_HEADS * HEAD), "value": (HIDDEN, CACHE_HEADS * HEAD),
            "output": (HEADS * HEAD, HIDDEN), "up": (HIDDEN, FEED), "down": (FEED, HIDDEN),
        }.items():
            named[f"{layer}.{name}"] = random.standard_normal(shape) * 0.3
    # After the others, which are as they were.
    named["conv.in"] = random.standard_normal((HIDDEN, 3 * HIDDEN)) * 0.3
    named["conv.kernel"] = random.standard_normal((HIDDEN, 1, KERNEL)) * 0.6
    named["conv.out"] = random.standard_normal((HIDDEN, HIDDEN)) * 0.3
    return {name: array.astype(np.float32) for name, array in named.items()}


class Graph:
    """Nodes under construction, in one floating-point type."""

    def __init__(self, arrays, element=np.float32):
        self.arrays, self.element = arrays, element
        self.type = TensorProto.FLOAT if element == np.float32 else TensorProto.FLOAT16
        self.nodes, self.initializers, self.inputs, self.outputs, self.held = [], [], [], [], set()

    def weight(self, name):
        return self.constant(name, self.arrays[name].astype(self.element))

    def constant(self, name, array):
        if name not in self.held:
            self.held.add(name)
            self.initializers.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, operator, inputs, outputs, domain="", **attributes):
        self.nodes.append(helper.make_node(operator, inputs, outputs, outputs[0] + "/" + operator, domain=domain, **attributes))
        return outputs[0]

    def input(self, name, kind, shape):
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, name, kind, shape):
        self.outputs.append(helper.make_tensor_value_info(name, kind, shape))

    def caches(self, layers=range(LAYERS)):
        for layer in layers:
            for kind in ("key", "value"):
                self.input(f"past_key_values.{layer}.{kind}", self.type, ["batch", CACHE_HEADS, "past", HEAD])
                self.output(f"present.{layer}.{kind}", self.type, ["batch", CACHE_HEADS, "total", HEAD])

    def norm(self, x, name):
        scale = self.constant("ones", np.ones(HIDDEN, self.element))
        return self.node("SimplifiedLayerNormalization", [x, scale], [name], axis=-1, epsilon=1e-5, stash_type=1)

    def save(self, path):
        graph = helper.make_graph(self.nodes, path.stem, self.inputs, self.outputs, self.initializers)
        opsets = [helper.make_opsetid("", 21), helper.make_opsetid(MICROSOFT, 1)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)


def lengths_of_mask(graph):
    graph.input("attention_mask", TensorProto.INT64, ["batch", "total"])
    one = graph.constant("one", np.array([1], np.int64))
    total = graph.node("ReduceSum", ["attention_mask", one], ["mask.sum"], keepdims=0)
    graph.node("Cast", [graph.node("Sub", [total, one], ["mask.last"])], ["seqlens_k"], to=TensorProto.INT32)
    shape = graph.node("Shape", ["attention_mask"], ["mask.shape"])
    last = graph.node("Gather", [shape, graph.constant("second", np.array(1, np.int64))], ["mask.total"])
    graph.node("Cast", [last], ["total_sequence_length"], to=TensorProto.INT32)


def grouped_attention(graph, layer, query, key, value):
    past = [f"past_key_values.{layer}.key", f"past_key_values.{layer}.value"]
    rotation = [graph.weight("cos"), graph.weight("sin")]
    return graph.node(
        "GroupQueryAttention", [query, key, value, *past, "seqlens_k", "total_sequence_length", *rotation],
        [f"{layer}.attended", f"present.{layer}.key", f"present.{layer}.value"], domain=MICROSOFT,
        num_heads=HEADS, kv_num_heads=CACHE_HEADS, do_rotary=1, rotary_interleaved=0, local_window_size=-1,
    )


def plain_attention(graph, layer, query, key, value, kept=None):
    """Rotary positions, grouped heads and the causal mask, operator by operator."""
    p = f"{layer}."

    def heads(x, name, count):
        shape = graph.constant(f"shape{count}", np.array([0, 0, count, HEAD], np.int64))
        return graph.node("Transpose", [graph.node("Reshape", [x, shape], [p + name + ".split"])], [p + name + ".heads"], perm=[0, 2, 1, 3])

    def rotated(x, name, count):
        return graph.node(
            "RotaryEmbedding", [heads(x, name, count), "position_ids", graph.weight("cos"), graph.weight("sin")],
            [p + name + ".rotated"], domain=MICROSOFT, interleaved=0,
        )

    q, k, v = rotated(query, "q", HEADS), rotated(key, "k", CACHE_HEADS), heads(value, "v", CACHE_HEADS)
    present = "all" if kept else "present"
    for kind, new in (("key", k), ("value", v)):
        longer = graph.node("Concat", [f"past_key_values.{layer}.{kind}", new], [f"{present}.{layer}.{kind}"], axis=2)
        if kept:
            last, end, axis = (graph.constant(f"kept.{name}", np.array([at], np.int64)) for name, at in (("last", -kept), ("end", 2**62), ("axis", 2)))
            graph.node("Slice", [longer, last, end, axis], [f"present.{layer}.{kind}"])
    repeat = graph.constant("repeat", np.repeat(np.arange(CACHE_HEADS), HEADS // CACHE_HEADS).astype(np.int64))
    keys = graph.node("Gather", [f"{present}.{layer}.key", repeat], [p + "keys"], axis=1)
    values = graph.node("Gather", [f"{present}.{layer}.value", repeat], [p + "values"], axis=1)
    scores = graph.node("MatMul", [q, graph.node("Transpose", [keys], [p + "keys.t"], perm=[0, 1, 3, 2])], [p + "scores"])
    scale = graph.constant("scale", np.array(HEAD**-0.5, graph.element))
    masked = graph.node("Where", ["allowed", graph.node("Mul", [scores, scale], [p + "scaled"]), graph.constant("never", np.array(-1e9, graph.element))], [p + "masked"])
    mixed = graph.node("MatMul", [graph.node("Softmax", [masked], [p + "attention"], axis=-1), values], [p + "mixed"])
    joined = graph.node("Transpose", [mixed], [p + "joined"], perm=[0, 2, 1, 3])
    return graph.node("Reshape", [joined, graph.constant("flat", np.array([0, 0, HEADS * HEAD], np.int64))], [p + "attended"])


def sliding_attention(graph, layer, query, key, value):
    return plain_attention(graph, layer, query, key, value, KEPT)


def causal_mask(graph):
    """True where a token (row, by its position) may see another (column)."""
    graph.input("attention_mask", TensorProto.INT64, ["batch", "total"])
    graph.input("position_ids", TensorProto.INT64, ["batch", "tokens"])
    second = graph.constant("second", np.array(1, np.int64))
    total = graph.node("Gather", [graph.node("Shape", ["attention_mask"], ["mask.shape"]), second], ["mask.total"])
    zero = graph.constant("zero", np.array(0, np.int64))
    columns = graph.node("Range", [zero, total, second], ["columns"])
    rows = graph.node("Unsqueeze", ["position_ids", graph.constant("inner", np.array([1, 3], np.int64))], ["rows"])
    graph.node("LessOrEqual", [columns, rows], ["allowed"])


def short_convolution(graph, x, past, present):
    """A gated convolution of each number with itself in the tokens before; its state is what those tokens gave."""
    graph.input(past, graph.type, ["batch", HIDDEN, KERNEL])
    graph.output(present, graph.type, ["batch", HIDDEN, KERNEL])
    mixed = graph.node("MatMul", [x, graph.weight("conv.in")], ["conv.mixed"])
    graph.node("Split", [graph.node("Transpose", [mixed], ["conv.turned"], perm=[0, 2, 1])], ["conv.b", "conv.c", "conv.x"], axis=1, num_outputs=3)
    seen = graph.node("Concat", [past, graph.node("Mul", ["conv.b", "conv.x"], ["conv.gated"])], ["conv.seen"], axis=2)
    end = graph.constant("conv.end", np.array([2**62], np.int64))
    axis = graph.constant("conv.axis", np.array([2], np.int64))
    graph.node("Slice", [seen, graph.constant("conv.last", np.array([-KERNEL], np.int64)), end, axis], [present])
    # The state is one longer than what the first new token sees of it.
    near = graph.node("Slice", [seen, graph.constant("conv.first", np.array([1], np.int64)), end, axis], ["conv.near"])
    summed = graph.node("Conv", [near, graph.weight("conv.kernel")], ["conv.summed"], group=HIDDEN)
    gated = graph.node("Mul", ["conv.c", summed], ["conv.y"])
    back = graph.node("Transpose", [gated], ["conv.back"], perm=[0, 2, 1])
    return graph.node("MatMul", [back, graph.weight("conv.out")], ["conv.output"])


def decoder(arrays, path, feed, attention, element=np.float32, lacking=False, deep=False, states=None):
    """Writes a decoder. `states` are the names of the state of its first layer, where that is a convolution."""
    graph = Graph(arrays, element)
    if feed == "embeddings":
        x = graph.input("inputs_embeds", graph.type, ["batch", "tokens", HIDDEN])
    else:
        graph.input("input_ids", TensorProto.INT64, ["batch", "tokens"])
        x = graph.node("Gather", [graph.weight("embedding"), "input_ids"], ["embedded"])
    if attention in (plain_attention, sliding_attention):
        causal_mask(graph)
    elif feed == "embeddings":
        lengths_of_mask(graph)
    else:
        graph.input("seqlens_k", TensorProto.INT32, ["batch"])
        graph.input("total_sequence_length", TensorProto.INT32, [])
    graph.caches(range(1 if states else 0, LAYERS))
    for layer in range(LAYERS):
        p = f"{layer}."
        normed = graph.norm(x, p + "normed")
        if states and layer == 0:
            update = short_convolution(graph, normed, *states)
        else:
            parts = [graph.node("MatMul", [normed, graph.weight(p + name)], [p + name + ".x"]) for name in ("query", "key", "value")]
            attended = attention(graph, layer, *parts)
            update = graph.node("MatMul", [attended, graph.weight(p + "output")], [p + "output.x"])
        x = graph.node("Add", [x, update], [p + "middle"])
        up = graph.node("MatMul", [graph.norm(x, p + "normed2"), graph.weight(p + "up")], [p + "up.x"])
        active = graph.node("Mul", [up, graph.node("Sigmoid", [up], [p + "gate"])], [p + "active"])
        if lacking and layer == 0:
            active = graph.node("Shrink", [active], [p + "shrunk"], bias=0.0, lambd=0.0)
        x = graph.node("Add", [x, graph.node("MatMul", [active, graph.weight(p + "down")], [p + "down.x"])], [p + "end"])
        if deep and layer == 0:
            graph.input("deepstack.0", graph.type, ["batch", "tokens", HIDDEN])
            x = graph.node("Add", [x, "deepstack.0"], [p + "deep"])
    graph.node("MatMul", [graph.norm(x, "normed"), graph.weight("head")], ["logits"])
    graph.output("logits", graph.type, ["batch", "tokens", VOCABULARY])
    graph.save(path)


def embedding(arrays, path):
    graph = Graph(arrays)
    graph.input("input_ids", TensorProto.INT64, ["batch", "tokens"])
    graph.node("Gather", [graph.weight("embedding"), "input_ids"], ["inputs_embeds"])
    graph.output("inputs_embeds", TensorProto.FLOAT, ["batch", "tokens", HIDDEN])
    graph.save(path)


def encoder(path):
    projection = np.random.default_rng(5).standard_normal((48, HIDDEN)).astype(np.float32)
    graph = Graph({"projection": projection})
    graph.input("pixel_values", TensorProto.FLOAT, ["pictures", 3, 4, 4])
    graph.node("MatMul", [graph.node("Flatten", ["pixel_values"], ["flat"], axis=1), graph.weight("projection")], ["image_features"])
    graph.output("image_features", TensorProto.FLOAT, ["pictures", HIDDEN])
    graph.save(path)


def golden(path, count=24):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    # No keys and values, and states of zeros.
    named = {"batch": 1, "past": 0}
    empty = {
        value.name: np.zeros([named.get(size, size) for size in value.shape], np.float32)
        for value in session.get_inputs() if value.name.startswith("past")
    }
    cases = []
    for prompt in PROMPTS:
        tokens, first = list(prompt), None
        for _ in range(count):
            ids = np.array([tokens], np.int64)
            positions = np.arange(len(tokens))[None].astype(np.int64)
            logits = session.run(["logits"], {"input_ids": ids, "attention_mask": np.ones_like(ids), "position_ids": positions, **empty})[0][0, -1]
            first = logits if first is None else first
            tokens.append(int(logits.argmax()))
        cases.append({
            "prompt": prompt, "tokens": tokens[len(prompt):],
            "first_logits": [round(float(x), 5) for x in first[:8]],
        })
    return cases


def deep_golden(arrays, path, count=24):
    """The third prompt, with the embeddings of other tokens as deepstack rows of its tokens 10 to 29."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    empty = {
        f"past_key_values.{layer}.{kind}": np.zeros((1, CACHE_HEADS, 0, HEAD), np.float32)
        for layer in range(LAYERS) for kind in ("key", "value")
    }
    prompt, added = PROMPTS[2], list(range(100, 120))
    tokens, first = list(prompt), None
    for _ in range(count):
        deep = np.zeros((1, len(tokens), HIDDEN), np.float32)
        deep[0, 10:30] = arrays["embedding"][added]
        feeds = {"inputs_embeds": arrays["embedding"][tokens][None], "deepstack.0": deep, "attention_mask": np.ones((1, len(tokens)), np.int64)}
        logits = session.run(["logits"], {**feeds, **empty})[0][0, -1]
        first = logits if first is None else first
        tokens.append(int(logits.argmax()))
    return {"prompt": prompt, "added": added, "tokens": tokens[len(prompt):], "first_logits": [round(float(x), 5) for x in first[:8]]}


def make(folder):
    """Writes the graphs and the goldens into the folder, made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    arrays = weights()
    decoder(arrays, folder / "grouped.onnx", "embeddings", grouped_attention)
    decoder(arrays, folder / "grouped_ids.onnx", "tokens", grouped_attention)
    decoder(arrays, folder / "plain.onnx", "tokens", plain_attention)
    decoder(arrays, folder / "half.onnx", "tokens", grouped_attention, np.float16)
    decoder(arrays, folder / "lacking.onnx", "tokens", grouped_attention, lacking=True)
    decoder(arrays, folder / "deep.onnx", "embeddings", grouped_attention, deep=True)
    decoder(arrays, folder / "sliding.onnx", "embeddings", sliding_attention)
    decoder(arrays, folder / "hybrid.onnx", "tokens", grouped_attention, states=("past_conv.0", "present_conv.0"))
    named = ("past_key_values.0.conv_state", "present.0.conv_state")
    decoder(arrays, folder / "hybrid_plain.onnx", "tokens", plain_attention, states=named)
    embedding(arrays, folder / "embedding.onnx")
    encoder(folder / "encoder.onnx")
    (folder / "golden.json").write_text(json.dumps(golden(folder / "plain.onnx")) + "\n")
    (folder / "golden_deep.json").write_text(json.dumps(deep_golden(arrays, folder / "deep.onnx")) + "\n")
    (folder / "golden_hybrid.json").write_text(json.dumps(golden(folder / "hybrid_plain.onnx")) + "\n")
    print(f"{len(list(folder.iterdir()))} files of the engine's own")
