"""onnxruntime-genai's builder, run on a tiny model, and the graphs that it makes, run by ONNX Runtime."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx

import sessions


def built(text, folder, precision, changed=(), options=()):
    """The graph that the builder makes of a language model for the CPU, and its `genai_config.json`. `folder` has the
    tokenizer's files. `GroupQueryAttention` counts and rotates by the mask, so there are no `position_ids`. What is
    `changed` counts in place of what the configuration says; `options` are the builder's own."""
    with tempfile.TemporaryDirectory() as place:
        source, target = Path(place, "source"), Path(place, "target")
        text.save_pretrained(source)
        written = json.loads((source / "config.json").read_text())
        (source / "config.json").write_text(json.dumps({**written, **dict(changed)}))
        for file in ("tokenizer.json", "tokenizer_config.json"):
            (source / file).write_bytes((folder / file).read_bytes())
        subprocess.run([
            sys.executable, "-m", "onnxruntime_genai.models.builder", "-i", source, "-o", target, "-p", precision,
            "-e", "cpu", "-c", place, *(["--extra_options", *options] if options else []),
        ], check=True, capture_output=True)
        model = onnx.load(target / "model.onnx")
        config = json.loads((target / "genai_config.json").read_text())
    del model.graph.value_info[:]
    # After the plus stands the commit of whatever repository the recipe runs in.
    model.producer_version = model.producer_version.partition("+")[0]
    return model, config


class Sessions(sessions.Sessions):
    """A folder with such a decoder."""

    decoder_name = "model"

    def empty_cache(self):
        """The builder leaves the length of a head without a number."""
        heads = self.config["hidden_size"] // self.config["num_attention_heads"]
        size = self.config.get("head_dim") or heads
        return {
            name: np.zeros((1, value.shape[1], 0, size), np.float32)
            for name, value in self.inputs.items() if name.endswith((".key", ".value"))
        }
