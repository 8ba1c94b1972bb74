"""The three graphs of an exported model: pixels to features, token ids to embeddings, and the
language decoder with its key-value cache as plain inputs and outputs.

The names are the ones that the community's folders use (transformers.js): `image_features`,
`inputs_embeds`, `past_key_values.N.key`, `present.N.key`, `logits`.
"""

import contextlib
import copy
import io
from pathlib import Path

import onnx
import onnx_ir
import torch
from torch import nn
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer
from transformers.exporters import OnnxConfig, OnnxExporter

# The newest ONNX IR version that the runtime libraries in use all read.
IR_VERSION = 10


class Graph(nn.Module):
    """One function of a model as a module of its own, so that the exporter has something to trace.

    `compute(model, **inputs)` returns a dict; its keys become the graph's output names.
    """

    def __init__(self, model, compute):
        super().__init__()
        self.model = model
        self.compute = compute

    def forward(self, **inputs):
        return self.compute(self.model, **inputs)


class Decoder(nn.Module):
    """The language model with its cache laid open: the past comes in and the present goes out as
    tensors `[batch, key-value heads, positions, head size]`, one key and one value a layer."""

    def __init__(self, text_model, head):
        super().__init__()
        self.text_model = text_model
        self.head = head

    def forward(self, inputs_embeds, attention_mask, position_ids, past_key_values):
        cache = cache_of(past_key_values)
        hidden = self.text_model(
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        present = [{"key": layer.keys, "value": layer.values} for layer in cache.layers]
        return {"logits": self.head(hidden), "present": present}


def cache_of(past_key_values):
    """A transformers cache filled with the given keys and values.

    A `DynamicLayer` fills itself only by appending, which would put the copy into the graph."""
    cache = DynamicCache()
    for past in past_key_values:
        layer = DynamicLayer()
        layer.keys, layer.values = past["key"], past["value"]
        layer.dtype, layer.device = past["key"].dtype, past["key"].device
        layer.is_initialized = True
        cache.layers.append(layer)
    return cache


def head_size(text_config):
    """The length of a head's vectors."""
    named = getattr(text_config, "head_dim", None)
    return named or text_config.hidden_size // text_config.num_attention_heads


def cached_heads(text_config):
    """How many key and value heads a layer has: as many as heads, where nothing else is said."""
    return getattr(text_config, "num_key_value_heads", None) or text_config.num_attention_heads


def decoder_example(text_config, batch, past=5, new=3, position_rows=None):
    """Inputs to trace a decoder with. A traced size of 1 is baked into the graph, so no size is 1
    that should stay open. `position_rows` are positions' rows where a token has several."""
    shape = (batch, cached_heads(text_config), past, head_size(text_config))
    rows = (position_rows,) if position_rows else ()
    return {
        "inputs_embeds": torch.randn(batch, new, text_config.hidden_size),
        "attention_mask": torch.ones(batch, past + new, dtype=torch.long),
        "position_ids": torch.arange(past, past + new).expand(*rows, batch, new).clone(),
        "past_key_values": [
            {"key": torch.randn(shape), "value": torch.randn(shape)}
            for _ in range(text_config.num_hidden_layers)
        ],
    }


def decoder_dimensions(text_config, position_rows=None):
    """The names that the decoder's open dimensions carry in the community's folders."""
    names = {
        "inputs_embeds": ["batch_size", "sequence_length", None],
        "attention_mask": ["batch_size", "total_sequence_length"],
        "position_ids": [*([None] if position_rows else []), "batch_size", "sequence_length"],
    }
    for layer in range(text_config.num_hidden_layers):
        for half in ("key", "value"):
            past = ["batch_size", None, "past_sequence_length", None]
            names[f"past_key_values.{layer}.{half}"] = past
            names[f"present.{layer}.{half}"] = [None, None, "total_sequence_length", None]
    return names


def embeddings(model):
    """The graph from token ids `[batch, sequence]` to the language model's embeddings."""
    table = model.get_input_embeddings()
    graph = Graph(table, lambda table, input_ids: {"inputs_embeds": table(input_ids)})
    example = {"input_ids": torch.ones(2, 7, dtype=torch.long)}
    return export(graph, example, {"input_ids": ["batch_size", "sequence_length"]})


def decoder(traced: Decoder, fusions, position_rows=None):
    """The traced decoder. Fused, it takes a batch of one: attention over a cache becomes
    `GroupQueryAttention` only then. Not fused, it takes any batch."""
    config = traced.text_model.config
    example = decoder_example(config, batch=1 if fusions else 2, position_rows=position_rows)
    return export(traced, example, decoder_dimensions(config, position_rows), fusions)


def export(module, example, dimensions, fusions="cpu"):
    """Traces `module` on `example` and returns the ONNX model.

    `dimensions` names the open dimensions of each input; `fusions` is the provider whose fused
    operators the graph may use, or None for the standard operators alone."""
    config = OnnxConfig(dynamic=True, ort_fusions=fusions)
    with contextlib.redirect_stdout(io.StringIO()):
        program = OnnxExporter().export(module, copy.deepcopy(example), config).program
    name_dimensions(program.graph, dimensions)
    forget_origins(program)
    proto = onnx_ir.to_proto(program)
    proto.ir_version = IR_VERSION
    # Intermediate shapes carry the exporter's own symbols, and trip ONNX Runtime's inference.
    del proto.graph.value_info[:]
    return proto


def name_dimensions(graph, dimensions):
    """Replaces the exporter's symbols (`s0`, `s1 + s2`, …) by the given names, and the sizes that
    it writes as text by numbers."""
    named = {}
    for value in [*graph.inputs, *graph.outputs]:
        for axis, name in enumerate(dimensions.get(value.name, [])):
            size = value.shape[axis]
            if name and not fixed(size):
                named.setdefault(str(size.value), name)
    for value in [*graph.inputs, *graph.outputs]:
        value.shape = onnx_ir.Shape(
            fixed(size) or named.get(str(size.value), size.value) for size in value.shape
        )


def fixed(size):
    """A dimension's size if it's a number, else None."""
    if isinstance(size, int):
        return size
    return int(size.value) if str(size.value).isdigit() else None


def forget_origins(program):
    """Drops the stack traces that the exporter notes on every node: they are larger than the
    weights of a tiny model, and hold paths of the machine that ran the export."""
    program.metadata_props.clear()
    program.graph.metadata_props.clear()
    for node in program.graph.all_nodes():
        node.metadata_props.clear()
        node.doc_string = None
        for value in node.outputs:
            value.metadata_props.clear()
    for value in [*program.graph.inputs, *program.graph.initializers.values()]:
        value.metadata_props.clear()


def save(proto, path: Path, external_data=False):
    """Writes a graph; with `external_data` its weights go to `<name>.onnx_data` beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if external_data:
        data = path.with_name(path.name + "_data")
        data.unlink(missing_ok=True)
        onnx.save_model(
            copy.deepcopy(proto),
            path,
            save_as_external_data=True,
            all_tensors_to_one_file=True,
            location=data.name,
            size_threshold=1024,
        )
        data.chmod(path.stat().st_mode)
    else:
        onnx.save_model(proto, path)
