"""Gemma 3 that reads text alone (Gemma Team 2025): windows in most layers, a base of rotation for each kind of layer,
normalised queries and keys, embeddings times the root of their length."""

from transformers import Gemma3ForCausalLM, Gemma3TextConfig

import gemma_masks
import gemma_tokens
import graphs
import text_only
from text_only import cases, settings  # noqa: F401  (parts of the recipe)

# Of turns, with the system's words before the first of the user's, as published templates write them.
TEXT = (
    "{% macro said(content) %}{% if content is string %}{{ content | trim }}{% else %}{% for part in content %}"
    "{% if part['type'] == 'image' %}<start_of_image>{% else %}{{ part['text'] | trim }}{% endif %}{% endfor %}"
    "{% endif %}{% endmacro %}"
)
CHAT_TEMPLATE = (
    TEXT + "{{ bos_token }}{% set told = namespace(before='') %}{% for message in messages %}"
    "{% if message['role'] == 'system' %}{% set content = message['content'] %}"
    "{% set told.before = (content if content is string else content[0]['text']) + '\n\n' %}"
    "{% else %}{{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else message['role']) + '\n' }}"
    "{{ told.before }}{% set told.before = '' %}{{ said(message['content']) }}{{ '<end_of_turn>\n' }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)

# Smaller than a prompt, and than an image: what is beyond it must not be seen.
WINDOW = 8


def tokenizer():
    """The small tokenizer with the tokens of turns and images."""
    images = {"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>", "image_token": "<image_soft_token>"}
    turns = ["<start_of_turn>", "<end_of_turn>"]
    return gemma_tokens.tokenizer([*turns, *images.values()], extra_special_tokens=images)


def text_settings(tokenizer):
    """What the language model of both families is."""
    return {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 16,
        # Not the head's size, so that one who takes that is seen.
        "query_pre_attn_scalar": 12,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 512,
        "sliding_window": WINDOW,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
        "rope_parameters": {
            "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1_000_000.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0},
        },
        "tie_word_embeddings": False,
        **ends_of(tokenizer),
    }


def ends_of(tokenizer):
    """The special tokens that a configuration names; a turn's end ends a reply."""
    return {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": [tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<end_of_turn>")],
        "pad_token_id": tokenizer.pad_token_id,
    }


def filled(result, seed, tokenizer):
    """The model with random weights, and what ends its replies."""
    return text_only.filled(result, seed, tokenizer, ends_of(tokenizer))


def processor():
    """The small tokenizer; the template writes the first token."""
    return text_only.TextProcessor(tokenizer(), CHAT_TEMPLATE)


def model(seed, processor):
    """A tiny Gemma 3 with random weights."""
    tokenizer = processor.tokenizer
    return filled(Gemma3ForCausalLM(Gemma3TextConfig(**text_settings(tokenizer))), seed, tokenizer)


def export(model, folder):
    """Writes the decoder of standard operators, with windows and rotation inside, which takes any batch."""
    config = model.config
    example = graphs.decoder_example(config, batch=2)
    batch, new, _ = example.pop("inputs_embeds").shape
    example = {"input_ids": graphs.torch.ones(batch, new, dtype=graphs.torch.long), **example}
    dimensions = {**graphs.decoder_dimensions(config), "input_ids": ["batch_size", "sequence_length"]}
    traced = gemma_masks.Tokens(model.model, model.lm_head)
    graphs.save(graphs.export(traced, example, dimensions, fusions=None), folder.graph("model"))
