"""Mistral (Jiang et al. 2023): Llama's layers, each token seeing a window of those before it (v0.1; later ones have none),
and turns between `[INST]` and `[/INST]`."""

from transformers import MistralConfig, MistralForCausalLM

import decoder
import graphs
import text_only
from text_only import cases, settings  # noqa: F401  (parts of the recipe)

CHAT_TEMPLATE = (
    "{{ bos_token }}{% set told = namespace(before='') %}{% for message in messages %}"
    "{% if message['role'] == 'system' %}{% set told.before = message['content'] + '\n\n' %}"
    "{% elif message['role'] == 'user' %}{{ '[INST] ' + told.before + message['content'] + '[/INST]' }}"
    "{% set told.before = '' %}{% else %}{{ ' ' + message['content'] + eos_token }}{% endif %}{% endfor %}"
)
# Smaller than any prompt: what is beyond it must not be seen.
WINDOW = 8


def processor():
    """The small tokenizer; before a prompt it is the template that puts `<s>`."""
    return text_only.TextProcessor(text_only.llama_tokenizer(["[INST]", "[/INST]"]), CHAT_TEMPLATE)


def model(seed, processor):
    """A tiny Mistral with random weights."""
    tokenizer = processor.tokenizer
    ends = text_only.ends_of(tokenizer)
    result = MistralForCausalLM(MistralConfig(
        **text_only.LLAMA_SIZES,
        vocab_size=len(tokenizer),
        max_position_embeddings=512,
        sliding_window=WINDOW,
        **ends,
    ))
    return text_only.filled(result, seed, tokenizer, ends)


def export(model, folder):
    """Writes the decoder as the community builds it for serving, its windows counted by the operator."""
    graphs.save(decoder.build(model.model, model.lm_head, reads_tokens=True), folder.graph("model"))
