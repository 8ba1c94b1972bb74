"""Llama (Touvron et al. 2023), the layout of SmolLM2 and TinyLlama: a decoder that reads token ids, and whose
tokenizer puts `<s>` before a text, but not before what a chat template wrote."""

from transformers import LlamaConfig, LlamaForCausalLM

import decoder
import graphs
import text_only
from text_only import cases, settings  # noqa: F401  (parts of the recipe)

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + eos_token + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)


def processor():
    """The small tokenizer, which reads digits one by one."""
    return text_only.TextProcessor(text_only.llama_tokenizer(digits=True), CHAT_TEMPLATE)


def model(seed, processor):
    """A tiny Llama with random weights, its output head tied to its embeddings in nothing."""
    tokenizer = processor.tokenizer
    ends = text_only.ends_of(tokenizer)
    result = LlamaForCausalLM(LlamaConfig(
        **text_only.LLAMA_SIZES,
        vocab_size=len(tokenizer),
        max_position_embeddings=1024,
        rms_norm_eps=1e-5,
        **ends,
    ))
    # A folder may leave the padding out here.
    del ends["pad_token_id"]
    return text_only.filled(result, seed, tokenizer, ends)


def export(model, folder):
    """Writes the decoder as the community builds it for serving, and the same in 4 bits."""
    whole = decoder.build(model.model, model.lm_head, reads_tokens=True)
    graphs.save(whole, folder.graph("model"))
    graphs.save(decoder.quantized(whole), folder.graph("model", "_q4"))
