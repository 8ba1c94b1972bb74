"""Qwen3.5 (Qwen team 2026): a decoder whose layers are mostly gated delta nets, with states instead of keys and values,
and a tower like Qwen3-VL's."""

import torch
from transformers import Qwen3_5Config, Qwen3_5ForConditionalGeneration, Qwen3VLProcessor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor

import graphs
import qwen2_vl
import qwen3_5_decoder
import qwen3_5_tower
import qwen_tower
from qwen2_vl import FRAMES, LEAST, MERGE, MOST, PATCH

cases, settings = qwen2_vl.cases, qwen2_vl.settings


def processor():
    """The processor with its small tokenizer. Resizing is Pillow's."""
    return Qwen3VLProcessor(
        image_processor=Qwen2VLImageProcessorPil(
            size={"shortest_edge": LEAST, "longest_edge": MOST},
            patch_size=PATCH,
            merge_size=MERGE,
            temporal_patch_size=FRAMES,
            image_mean=[0.5] * 3,
            image_std=[0.5] * 3,
        ),
        tokenizer=qwen2_vl.tokenizer(),
        video_processor=Qwen3VLVideoProcessor(),
        chat_template=qwen2_vl.CHAT_TEMPLATE,
    )


def model(seed, processor):
    """A tiny Qwen3.5 with random weights."""
    tokenizer = processor.tokenizer
    text = {
        "model_type": "qwen3_5_text",
        "hidden_size": 48,
        "intermediate_size": 64,
        "num_hidden_layers": 3,
        "layer_types": ["linear_attention", "linear_attention", "full_attention"],
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 32,
        "linear_conv_kernel_dim": 4,
        "linear_key_head_dim": 8,
        "linear_value_head_dim": 12,
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 4,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 512,
        "rope_parameters": {
            "rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 2, 2], "mrope_interleaved": True,
            "partial_rotary_factor": 0.5,
        },
        "bos_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    config = Qwen3_5Config(
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 48,
            "out_hidden_size": 48,
            "num_heads": 2,
            "patch_size": PATCH,
            "spatial_merge_size": MERGE,
            "temporal_patch_size": FRAMES,
            "num_position_embeddings": 25,
        },
        text_config=text,
        **qwen2_vl.special_ids(tokenizer),
    )
    result = qwen2_vl.filled(Qwen3_5ForConditionalGeneration(config), seed, tokenizer)
    generator = torch.Generator().manual_seed(seed)
    for layer in result.model.language_model.layers:
        # Norms are centred on 0 here, and states keep what they hold for a while, neither for ever nor for a token.
        for norm in (layer.input_layernorm, layer.post_attention_layernorm):
            norm.weight.data.sub_(1.0)
        if layer.block_type == "linear_attention":
            net = layer.linear_attn
            net.A_log.data = torch.rand(net.A_log.shape, generator=generator) * 2 - 3
            continue
        layer.self_attn.q_norm.weight.data.sub_(1.0)
        layer.self_attn.k_norm.weight.data.sub_(1.0)
    result.model.language_model.norm.weight.data.sub_(1.0)
    return result


def export(model, folder):
    """Writes the three sessions."""
    visual = model.model.visual
    tower = qwen3_5_tower.Tower(visual)
    qwen_tower.check(visual, lambda pixels, grids: tower(pixels, grids)["image_features"])
    path = folder.graph("vision_encoder")
    graphs.save(qwen_tower.export(tower, 3 * FRAMES * PATCH**2, "image_grid_thw"), path)
    qwen_tower.check_graph(visual, path, lambda grids: {"image_grid_thw": grids})
    graphs.save(graphs.embeddings(model), folder.graph("embed_tokens"))
    decoder = qwen3_5_decoder.build(model.model.language_model, model.lm_head)
    graphs.save(decoder, folder.graph("decoder_model_merged"))
