"""Qwen3-VL with experts (2025): every layer of the language model has several feed-forward networks, and a router that
sends each token through a few of them.

transformers loops over the experts that were hit, which no graph can. ONNX Runtime's operator `MoE` (com.microsoft) is
what it means: it takes the router's scores, not probabilities, and with `normalize_routing_weights` a softmax over the
chosen experts alone, which is the softmax over all of them made to sum to one. On the CPU it has one form: float32,
gate and up interleaved row by row in the first weights (`swiglu_fusion` 1).

`QMoE` is the same with experts in four bits. The language model's weights lie on the grid of those, so that a second
decoder, of `QMoE` and `MatMulNBits`, has to give what torch does with the very same weights.
"""

import types

import onnx
import torch
from torch.nn import functional
from transformers import Qwen3VLMoeConfig, Qwen3VLMoeForConditionalGeneration

import decoder
import experts_4bit
import graphs
import qwen2_vl
import qwen3_vl
import verify

cases, settings, processor = qwen3_vl.cases, qwen3_vl.settings, qwen3_vl.processor

EXPERTS, CHOSEN, WIDTH = 4, 2, 16
# Numbers that share a scale in `MatMulNBits`.
WHOLE_BLOCK = 32


def model(seed, processor):
    """A tiny Qwen3-VL with experts, with random weights."""
    tokenizer = processor.tokenizer
    text_config = {
        **qwen3_vl.text_config(tokenizer),
        "num_experts": EXPERTS,
        "num_experts_per_tok": CHOSEN,
        "moe_intermediate_size": WIDTH,
    }
    config = Qwen3VLMoeConfig(
        vision_config=qwen3_vl.VISION,
        text_config=text_config,
        tie_word_embeddings=False,
        **qwen2_vl.special_ids(tokenizer),
    )
    result = qwen2_vl.filled(Qwen3VLMoeForConditionalGeneration(config), seed, tokenizer)
    with torch.no_grad():
        for layer in result.model.language_model.layers:
            # They were filled as if all of an expert's numbers went into each of its outputs.
            for weight in (layer.mlp.experts.gate_up_proj, layer.mlp.experts.down_proj):
                weight.mul_(weight.shape[1] ** 0.5)
                experts_4bit.put_on_grid(weight)
    for module in [*result.model.language_model.modules(), result.lm_head]:
        if isinstance(module, torch.nn.Linear):
            experts_4bit.put_on_grid(module.weight, WHOLE_BLOCK)
    return result


def check(folder, recorded, least_margin):
    """Both decoders must give what torch does."""
    verify.check(folder, recorded, least_margin, exact_q4=True)


def fused(block, hidden):
    """A layer's experts as one operator."""
    tokens = hidden.reshape(-1, hidden.shape[-1])
    scores = functional.linear(tokens, block.gate.weight)
    attributes = {
        "k": block.gate.top_k,
        "activation_type": "swiglu",
        "swiglu_fusion": 1,
        "activation_alpha": 1.0,
        "activation_beta": 0.0,
        "normalize_routing_weights": 1,
    }
    mixed = torch.onnx.ops.symbolic(
        "com.microsoft::MoE",
        (tokens, scores, block.interleaved, None, block.experts.down_proj),
        attributes,
        dtype=tokens.dtype,
        shape=tokens.shape,
        version=1,
    )
    return mixed.reshape(hidden.shape)


def export(model, folder):
    """Writes the three sessions, and the decoder once more in 4 bits."""
    blocks = [layer.mlp for layer in model.model.language_model.layers]
    for block in blocks:
        gate, up = block.experts.gate_up_proj.detach().chunk(2, dim=1)
        block.register_buffer("interleaved", torch.stack([gate, up], dim=2).flatten(1, 2), persistent=False)
        block.forward = types.MethodType(fused, block)
    qwen3_vl.write(model, folder, indexed=False)
    whole = onnx.load(folder.graph("decoder_model_merged"))
    quantized = decoder.quantized(experts_4bit.quantized_experts(whole), WHOLE_BLOCK)
    graphs.save(quantized, folder.graph("decoder_model_merged", "_q4"))
    # The model goes on as transformers has it.
    for block in blocks:
        del block.forward, block.interleaved
