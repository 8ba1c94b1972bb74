"""A small writer of ONNX graphs: operators one after the other, weights kept in half precision.

Every weight is stored as fp16 under the name it has in `model.py`, followed by a Cast to fp32, which
ONNX Runtime folds away when it loads: the file is half as large, and all arithmetic is fp32.
"""

from pathlib import Path

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
MICROSOFT = "com.microsoft"


class Graph:
    """Collects nodes and initializers; `op` returns the name of the (first) output."""

    def __init__(self, weights: dict[str, numpy.ndarray]):
        self.weights = weights
        self.nodes, self.initializers = [], []
        self.made: dict[str, str] = {}
        self.count = 0

    def op(self, kind: str, *inputs: str, name: str | None = None, outputs: list[str] | None = None, domain: str = "", **attributes) -> str:
        self.count += 1
        outputs = outputs or [name or f"{kind.lower()}_{self.count}"]
        self.nodes.append(helper.make_node(kind, list(inputs), outputs, name=f"{kind}_{self.count}", domain=domain, **attributes))
        return outputs[0]

    def constant(self, value, kind=numpy.float32) -> str:
        """A small constant, shared where it is used again."""
        array = numpy.asarray(value, kind)
        key = f"constant_{array.dtype}_{'x'.join(map(str, array.shape))}_{'_'.join(map(str, array.ravel()[:6]))}"
        if key not in self.made:
            self.initializers.append(numpy_helper.from_array(array, key))
            self.made[key] = key
        return key

    def table(self, name: str, array: numpy.ndarray) -> str:
        """A constant that isn't learned, in fp32."""
        self.initializers.append(numpy_helper.from_array(array.astype(numpy.float32), name))
        return name

    def weight(self, name: str) -> str:
        if name not in self.made:
            self.initializers.append(numpy_helper.from_array(self.weights[name].astype(numpy.float16), name))
            self.made[name] = self.op("Cast", name, name=name + ".fp32", to=TensorProto.FLOAT)
        return self.made[name]

    def linear(self, x: str, name: str) -> str:
        """x @ W^T (+ b), W being [out, in] as torch keeps it."""
        transposed = name + ".transposed"
        if transposed not in self.made:
            self.made[transposed] = self.op("Transpose", self.weight(name + ".weight"), name=transposed, perm=[1, 0])
        y = self.op("MatMul", x, transposed)
        return self.op("Add", y, self.weight(name + ".bias")) if name + ".bias" in self.weights else y

    def layer_norm(self, x: str, name: str) -> str:
        return self.op("LayerNormalization", x, self.weight(name + ".weight"), self.weight(name + ".bias"), axis=-1, epsilon=1e-5)

    def rms_norm(self, x: str, name: str, epsilon: float) -> str:
        return self.op("SimplifiedLayerNormalization", x, self.weight(name + ".weight"), axis=-1, epsilon=epsilon)

    def gelu(self, x: str) -> str:
        """The exact form, in the operators ONNX Runtime recognises and fuses."""
        y = self.op("Erf", self.op("Div", x, self.constant(2**0.5)))
        y = self.op("Mul", x, self.op("Add", y, self.constant(1.0)))
        return self.op("Mul", y, self.constant(0.5))

    def conv(self, x: str, name: str, **attributes) -> str:
        return self.op("Conv", x, self.weight(name + ".weight"), self.weight(name + ".bias"), **attributes)

    def reshape(self, x: str, shape: list[int]) -> str:
        return self.op("Reshape", x, self.constant(shape, numpy.int64))

    def swap(self, x: str, order: list[int]) -> str:
        return self.op("Transpose", x, perm=order)

    def save(self, path: Path, name: str, inputs: list, outputs: list) -> None:
        """`inputs` and `outputs` are (name, element type, shape) with names for free dimensions."""
        describe = lambda values: [helper.make_tensor_value_info(*value) for value in values]  # noqa: E731
        graph = helper.make_graph(self.nodes, name, describe(inputs), describe(outputs), self.initializers)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="glance")
        onnx.save(model, path)
