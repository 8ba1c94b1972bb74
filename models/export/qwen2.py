"""Qwen2.5 (Yang et al. 2024): biases on queries, keys and values, and the tokenizer of Qwen's models that see."""

from transformers import Qwen2Config, Qwen2ForCausalLM

import graphs
import qwen2_vl
import text_only
from text_only import cases, settings  # noqa: F401  (parts of the recipe)

CHAT_TEMPLATE = (
    "{% if messages[0]['role'] == 'system' %}{{ '<|im_start|>system\n' + messages[0]['content'] + '<|im_end|>\n' }}"
    "{% else %}{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}"
    "{% for message in messages %}{% if message.role != 'system' %}"
    "{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

# What both sizes of this family share; `qwen3.py` takes it too.
SIZES = {
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "tie_word_embeddings": False,
}


def processor():
    """The small tokenizer; nothing is put before a text."""
    return text_only.TextProcessor(qwen2_vl.tokenizer(), CHAT_TEMPLATE)


def model(seed, processor):
    """A tiny Qwen2.5 with random weights."""
    ends = ends_of(processor.tokenizer)
    config = Qwen2Config(vocab_size=len(processor.tokenizer), **SIZES, **ends)
    return filled(Qwen2ForCausalLM(config), seed, processor.tokenizer)


def ends_of(tokenizer):
    """The special tokens that a configuration names."""
    return {
        "bos_token_id": tokenizer.convert_tokens_to_ids("<|endoftext|>"),
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


def filled(result, seed, tokenizer):
    """The model with random weights, and what ends its replies."""
    return text_only.filled(result, seed, tokenizer, ends_of(tokenizer))


def export(model, folder):
    """Writes the decoder of standard operators, which takes any batch and positions."""
    graphs.save(text_only.decoder(model, fusions=None), folder.graph("model"))
