"""Phi-3 that reads text alone (Abdin et al. 2024; Phi-3.5-mini is one): queries, keys and values in one projection, and
LongRoPE. Its graph is what onnxruntime-genai's builder makes, as published folders of both layouts have it."""

from transformers import Phi3Config, Phi3ForCausalLM

import genai_builder
import graphs
import phi3_v
import text_only
from genai_builder import Sessions  # noqa: F401  (a part of the recipe)
from text_only import cases, settings  # noqa: F401  (parts of the recipe)


def processor():
    """The small tokenizer; what the template wrote, nothing is put before."""
    last = [token for token in phi3_v.LAST_TOKENS if token != "<|image|>"]
    return text_only.TextProcessor(phi3_v.tokenizer(last), phi3_v.CHAT_TEMPLATE)


def model(seed, processor):
    """A tiny Phi-3 with random weights."""
    tokenizer = processor.tokenizer
    config = Phi3Config(**phi3_v.text_settings(tokenizer), num_key_value_heads=1)
    return text_only.filled(Phi3ForCausalLM(config), seed, tokenizer, phi3_v.ends_of(tokenizer))


def export(model, folder):
    """Writes the decoder."""
    graph, _ = genai_builder.built(model, folder.path, "fp32")
    graphs.save(graph, folder.graph("model"))
