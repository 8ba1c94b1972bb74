"""Reading a shipped model folder back: its weights, for training on from it."""

from pathlib import Path

import numpy
import onnx
import torch
from onnx import numpy_helper

from model import Glance

GRAPHS = ("vision_encoder", "embed_tokens", "decoder_model_merged")


def weights(folder: Path) -> dict[str, numpy.ndarray]:
    """Every weight by the name it has in `model.py`, from the initializers of the three graphs."""
    found = {}
    for graph in GRAPHS:
        for initializer in onnx.load(folder / "onnx" / f"{graph}.onnx").graph.initializer:
            array = numpy_helper.to_array(initializer)
            if array.dtype == numpy.float16:
                found[initializer.name] = array.astype(numpy.float32)
    return found


def load_weights(model: Glance, folder: Path) -> str:
    """Fills the model; the heads that only training uses begin anew."""
    found = {name: torch.from_numpy(value) for name, value in weights(folder).items()}
    result = model.load_state_dict(found, strict=False)
    unknown = [name for name in result.missing_keys if not name.startswith("read_")]
    if unknown or result.unexpected_keys:
        raise ValueError(f"not a glance folder: lacks {unknown}, has {result.unexpected_keys}")
    return f"{len(found)} weights from {folder}"
