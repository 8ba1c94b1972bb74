"""Two graphs as the branches of one, the way in which the community merges a decoder's first run and its later ones:
`use_cache_branch [1]` says which of them runs, and what both hold is there once."""

import onnx
from onnx import helper, numpy_helper

import numpy as np

SWITCH = "use_cache_branch"


def merged(first, later):
    """A graph that runs `later` where the switch is on, else `first`, with the inputs of both.

    What `first` alone gives, `later` gives as a tensor of nothing: it is the same as before, and whoever runs the graph
    keeps it."""
    weights = {}
    # Of an input that both have, the first run's sizes: a later one may look at none of it.
    inputs = {value.name: value for graph in (later.graph, first.graph) for value in graph.input}
    for name, value in inputs.items():
        if ".encoder." in name:
            value.type.tensor_type.shape.dim[2].dim_param = "past_encoder_sequence_length"
    outputs = list(first.graph.output)
    switch = helper.make_tensor_value_info(SWITCH, onnx.TensorProto.BOOL, [1])
    branches = {
        "else_branch": branch(first.graph, "first", outputs, inputs, weights),
        "then_branch": branch(later.graph, "later", outputs, inputs, weights),
    }
    choice = helper.make_node("If", [SWITCH], [value.name for value in outputs], "branches", **branches)
    graph = helper.make_graph([choice], "decoder", [*inputs.values(), switch], open_lengths(outputs), [*weights.values()])
    return helper.make_model(graph, opset_imports=list(first.opset_import), ir_version=first.ir_version)


def branch(graph, name, outputs, inputs, weights):
    """The graph as a branch: its own values carry its name, its weights lie outside, each once."""
    own = {value: value for value in inputs}
    for weight in graph.initializer:
        shape = "x".join(str(size) for size in weight.dims)
        key = (weight.data_type, shape, numpy_helper.to_array(weight).tobytes())
        if key not in weights:
            weights[key] = onnx.TensorProto()
            weights[key].CopyFrom(weight)
            weights[key].name = f"weight_{len(weights)}"
        own[weight.name] = weights[key].name
    nodes = []
    for node in graph.node:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        assert not any(attribute.HasField("g") for attribute in node.attribute), "a branch within a branch"
        copy.name = f"{name}/{node.name}"
        copy.input[:] = [own.get(value, f"{name}/{value}") if value else "" for value in node.input]
        copy.output[:] = [f"{name}/{value}" if value else "" for value in node.output]
        nodes.append(copy)
    given = {value.name for value in graph.output}
    results = []
    for value in outputs:
        result = onnx.ValueInfoProto()
        result.CopyFrom(value)
        result.name = f"{name}/{value.name}"
        if value.name not in given:
            sizes = [size.dim_value or 1 for size in value.type.tensor_type.shape.dim]
            nothing = numpy_helper.from_array(np.zeros([0, *sizes[1:]], np.float32))
            nodes.append(helper.make_node("Constant", [], [result.name], f"{name}/{value.name}/nothing", value=nothing))
        # A branch's sizes are its own.
        result.type.tensor_type.ClearField("shape")
        results.append(result)
    return helper.make_graph(nodes, name, [], results)


def open_lengths(outputs):
    """The outputs with the length of a cache left open: it differs between the branches."""
    opened = []
    for value in outputs:
        copy = onnx.ValueInfoProto()
        copy.CopyFrom(value)
        if value.name.startswith("present."):
            dimensions = copy.type.tensor_type.shape.dim
            whose = "encoder" if ".encoder." in value.name else "total"
            dimensions[0].dim_param, dimensions[2].dim_param = "batch_size_out", f"{whose}_sequence_length_out"
        opened.append(copy)
    return opened
