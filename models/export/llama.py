"""Llama (Touvron et al. 2023), the layout of SmolLM2 and TinyLlama: a decoder that reads token ids, and whose
tokenizer puts `<s>` before a text, but not before what a chat template wrote."""

import transformers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

import decoder
import graphs
import text_only
import tokens
import weights
from text_only import cases  # noqa: F401  (a part of the recipe)

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + eos_token + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)


def processor():
    """The small tokenizer, which puts `<s>` before every text."""
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=tokens.tokenizer(["<unk>", "<s>", "</s>"], [], digits=True, bos="<s>"),
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
    """A tiny Llama with random weights, its output head tied to its embeddings in nothing."""
    tokenizer = processor.tokenizer
    result = LlamaForCausalLM(LlamaConfig(
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=3,
        num_key_value_heads=1,
        head_dim=16,
        vocab_size=len(tokenizer),
        max_position_embeddings=1024,
        rms_norm_eps=1e-5,
        tie_word_embeddings=False,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    ))
    result.generation_config = transformers.GenerationConfig(
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id
    )
    silent = tokens.silent_tokens(tokenizer.backend_tokenizer)
    return weights.fill(result, seed, result.lm_head, silent)


def export(model, folder):
    """Writes the decoder as the community builds it for serving, and the same in 4 bits."""
    whole = decoder.build(model.model, model.lm_head, reads_tokens=True)
    graphs.save(whole, folder.graph("model"))
    graphs.save(decoder.quantized(whole), folder.graph("model", "_q4"))
