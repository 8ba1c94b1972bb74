"""Mistral (Jiang et al. 2023): Llama's layers, each token seeing a window of those before it (v0.1; later ones have none),
and turns between `[INST]` and `[/INST]`."""

import transformers
from transformers import MistralConfig, MistralForCausalLM, PreTrainedTokenizerFast

import decoder
import graphs
import text_only
import tokens
import weights
from text_only import cases  # noqa: F401  (a part of the recipe)

CHAT_TEMPLATE = (
    "{{ bos_token }}{% set told = namespace(before='') %}{% for message in messages %}"
    "{% if message['role'] == 'system' %}{% set told.before = message['content'] + '\n\n' %}"
    "{% elif message['role'] == 'user' %}{{ '[INST] ' + told.before + message['content'] + '[/INST]' }}"
    "{% set told.before = '' %}{% else %}{{ ' ' + message['content'] + eos_token }}{% endif %}{% endfor %}"
)
# Smaller than any prompt: what is beyond it must not be seen.
WINDOW = 8


def processor():
    """The small tokenizer, which puts `<s>` before every text; before a prompt the template does."""
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=tokens.tokenizer(["<unk>", "<s>", "</s>", "[INST]", "[/INST]"], [], bos="<s>"),
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="</s>",
        clean_up_tokenization_spaces=False,
    )
    return text_only.TextProcessor(tokenizer, CHAT_TEMPLATE)


def settings():
    """There is no processor beside the tokenizer."""
    return {}


def model(seed, processor):
    """A tiny Mistral with random weights."""
    tokenizer = processor.tokenizer
    ends = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    result = MistralForCausalLM(MistralConfig(
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=3,
        num_key_value_heads=1,
        head_dim=16,
        vocab_size=len(tokenizer),
        max_position_embeddings=512,
        sliding_window=WINDOW,
        tie_word_embeddings=False,
        **ends,
    ))
    result.generation_config = transformers.GenerationConfig(**ends)
    silent = tokens.silent_tokens(tokenizer.backend_tokenizer)
    return weights.fill(result, seed, result.lm_head, silent)


def export(model, folder):
    """Writes the decoder as the community builds it for serving, its windows counted by the operator."""
    graphs.save(decoder.build(model.model, model.lm_head, reads_tokens=True), folder.graph("model"))
