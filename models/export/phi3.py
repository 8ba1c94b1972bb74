"""Phi-3 that reads text alone (Abdin et al. 2024; Phi-3.5-mini is one): queries, keys and values in one projection, and
LongRoPE. Its graph is what onnxruntime-genai's builder makes, as published folders of both layouts have it."""

import transformers
from transformers import Phi3Config, Phi3ForCausalLM, PreTrainedTokenizerFast

import genai_builder
import graphs
import phi3_v
import text_only
import tokens
import weights
from genai_builder import Sessions  # noqa: F401  (a part of the recipe)
from phi3_v import CONTEXT, HEADS, HIDDEN, NEAR, TURN
from text_only import cases  # noqa: F401  (a part of the recipe)


def processor():
    """The small tokenizer, which puts `<s>` before every text, but not before what the template wrote."""
    last = [token for token in phi3_v.LAST_TOKENS if token != "<|image|>"]
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=tokens.tokenizer(phi3_v.FIRST_TOKENS, last, bos="<s>"),
        bos_token="<s>",
        eos_token="<|endoftext|>",
        pad_token="<|endoftext|>",
        unk_token="<unk>",
        clean_up_tokenization_spaces=False,
    )
    return text_only.TextProcessor(tokenizer, phi3_v.CHAT_TEMPLATE)


def settings():
    """There is no processor beside the tokenizer."""
    return {}


def model(seed, processor):
    """A tiny Phi-3 with random weights."""
    tokenizer = processor.tokenizer
    ends = [tokenizer.convert_tokens_to_ids(token) for token in ("<|end|>", "<|endoftext|>")]
    result = Phi3ForCausalLM(Phi3Config(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN,
        intermediate_size=80,
        num_hidden_layers=2,
        num_attention_heads=HEADS,
        num_key_value_heads=1,
        max_position_embeddings=CONTEXT,
        original_max_position_embeddings=TURN,
        rope_parameters={
            "rope_type": "longrope",
            "type": "longrope",
            "rope_theta": 10000.0,
            "short_factor": NEAR.tolist(),
            "long_factor": (2 * NEAR).tolist(),
        },
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=ends[0],
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=False,
    ))
    result.generation_config = transformers.GenerationConfig(
        bos_token_id=tokenizer.bos_token_id, eos_token_id=ends, pad_token_id=tokenizer.pad_token_id
    )
    silent = tokens.silent_tokens(tokenizer.backend_tokenizer)
    return weights.fill(result, seed, result.lm_head, silent)


def export(model, folder):
    """Writes the decoder."""
    graph, _ = genai_builder.built(model, folder.path, "fp32")
    graphs.save(graph, folder.graph("model"))
