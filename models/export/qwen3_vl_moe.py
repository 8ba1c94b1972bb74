"""Qwen3-VL with experts (2025): every layer of the language model has several feed-forward networks, and a router that
sends each token through a few of them.

transformers loops over the experts that were hit, which no graph can. ONNX Runtime's operator `MoE` (com.microsoft) is
what it means: it takes the router's scores, not probabilities, and with `normalize_routing_weights` a softmax over the
chosen experts alone, which is the softmax over all of them made to sum to one. On the CPU it has one form: float32,
gate and up interleaved row by row in the first weights (`swiglu_fusion` 1).
"""

import types

import torch
from torch.nn import functional
from transformers import Qwen3VLMoeConfig, Qwen3VLMoeForConditionalGeneration

import qwen2_vl
import qwen3_vl

cases, settings, processor = qwen3_vl.cases, qwen3_vl.settings, qwen3_vl.processor

EXPERTS, CHOSEN, WIDTH = 4, 2, 16


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
    return result


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
    """Writes the three sessions."""
    blocks = [layer.mlp for layer in model.model.language_model.layers]
    for block in blocks:
        gate, up = block.experts.gate_up_proj.detach().chunk(2, dim=1)
        block.register_buffer("interleaved", torch.stack([gate, up], dim=2).flatten(1, 2), persistent=False)
        block.forward = types.MethodType(fused, block)
    qwen3_vl.write(model, folder, indexed=False)
    # The model goes on as transformers has it.
    for block in blocks:
        del block.forward, block.interleaved
