"""Qwen3 (Yang et al. 2025): queries and keys are normalised, and heads are wider than the embedding's share."""

from transformers import Qwen3Config, Qwen3ForCausalLM

import graphs
import qwen2
import text_only
from qwen2 import cases, processor, settings  # noqa: F401  (parts of the recipe)


def model(seed, processor):
    """A tiny Qwen3 with random weights."""
    tokenizer = processor.tokenizer
    config = Qwen3Config(
        vocab_size=len(tokenizer), head_dim=16, **qwen2.SIZES, **qwen2.ends_of(tokenizer)
    )
    return qwen2.filled(Qwen3ForCausalLM(config), seed, tokenizer)


def export(model, folder):
    """Writes the decoder fused, and once more of standard operators."""
    graphs.save(text_only.decoder(model, fusions="cpu"), folder.graph("model"))
    graphs.save(text_only.decoder(model, fusions=None), folder.graph("model", "_plain"))
