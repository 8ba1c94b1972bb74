"""Qwen3-VL (2025): features of three depths of the vision tower go into three depths of the language model."""

import types

import torch
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration, Qwen3VLProcessor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor

import graphs
import qwen2_vl
import qwen3_tower
from qwen2_vl import FRAMES, LEAST, MERGE, MOST, PATCH

cases, settings = qwen2_vl.cases, qwen2_vl.settings

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' or 'image' in part or 'image_url' in part %}"
    "<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif part['type'] == 'video' or 'video' in part %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% elif 'text' in part %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

# Numbers of an embedding.
HIDDEN = 32

VISION = {
    "depth": 3,
    "hidden_size": 16,
    "intermediate_size": 32,
    "out_hidden_size": HIDDEN,
    "num_heads": 2,
    "patch_size": PATCH,
    "spatial_merge_size": MERGE,
    "temporal_patch_size": FRAMES,
    # A square of six by six, which images are smaller and larger than.
    "num_position_embeddings": 36,
    "deepstack_visual_indexes": [0, 1],
}


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
        chat_template=CHAT_TEMPLATE,
    )


def text_config(tokenizer):
    """The language model's sizes."""
    rotary = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [3, 3, 2], "mrope_interleaved": True}
    return {
        **qwen2_vl.text_config(tokenizer),
        "hidden_size": HIDDEN,
        "intermediate_size": 56,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "head_dim": 16,
        "rope_parameters": rotary,
        "tie_word_embeddings": False,
    }


def model(seed, processor):
    """A tiny Qwen3-VL with random weights."""
    tokenizer = processor.tokenizer
    config = Qwen3VLConfig(
        vision_config=VISION,
        text_config=text_config(tokenizer),
        tie_word_embeddings=False,
        **qwen2_vl.special_ids(tokenizer),
    )
    return qwen2_vl.filled(Qwen3VLForConditionalGeneration(config), seed, tokenizer)


class Decoder(graphs.Decoder):
    """The language model with what is added after its first layers as inputs `[batch, positions, hidden]`."""

    def __init__(self, text_model, head):
        super().__init__(text_model, head)
        # As it is, the rows are added at the places of a mask, whose number a graph doesn't know.
        text_model._deepstack_process = types.MethodType(lambda _, hidden, places, added: hidden + added, text_model)
        rotary = text_model.rotary_emb
        rotary.recomposition_frequencies = types.MethodType(interleaved, rotary)

    def forward(self, inputs_embeds, attention_mask, position_ids, deepstack, past_key_values):
        cache = graphs.cache_of(past_key_values)
        hidden = self.text_model(
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=cache,
            use_cache=True,
            visual_pos_masks=attention_mask,
            deepstack_visual_embeds=deepstack,
        ).last_hidden_state
        present = [{"key": layer.keys, "value": layer.values} for layer in cache.layers]
        return {"logits": self.head(hidden), "present": present}


def interleaved(rotary, angles):
    """Of time, height and width `[3, batch, positions, half]` those that each place of a head takes: in turns, for as
    long as height and width have places left. Without writing into a slice, which devices leave to the CPU."""
    _, height, width = rotary.mrope_section
    place = torch.arange(angles.shape[-1])
    of_height = (place % 3 == 1) & (place < 3 * height)
    of_width = (place % 3 == 2) & (place < 3 * width)
    chosen = torch.where(of_height, angles[1], torch.where(of_width, angles[2], angles[0]))
    return torch.cat((chosen, chosen), dim=-1)


def decoder(traced, layers):
    """The traced decoder, which takes the features of so many layers, and a batch of one."""
    config = traced.text_model.config
    example = graphs.decoder_example(config, batch=1, position_rows=3)
    deepstack = [torch.randn_like(example["inputs_embeds"]) for _ in range(layers)]
    names = graphs.decoder_dimensions(config, position_rows=3)
    names.update({f"deepstack.{layer}": ["batch_size", "sequence_length", None] for layer in range(layers)})
    past = example.pop("past_key_values")
    return graphs.export(traced, {**example, "deepstack": deepstack, "past_key_values": past}, names)


def export(model, folder):
    """Writes the graphs: the three sessions, and the tower once more with what is made of the grids as inputs."""
    write(model, folder, indexed=True)


def write(model, folder, indexed):
    """Writes the sessions."""
    visual = model.model.visual
    qwen3_tower.write(visual, folder, 3 * FRAMES * PATCH**2, indexed)
    graphs.save(graphs.embeddings(model), folder.graph("embed_tokens"))
    layers = len(visual.deepstack_visual_indexes)
    traced = Decoder(model.model.language_model, model.lm_head)
    graphs.save(decoder(traced, layers), folder.graph("decoder_model_merged"))
    # The model goes on as transformers has it: what is recorded must not come from what was changed here.
    del model.model.language_model._deepstack_process
    del model.model.language_model.rotary_emb.recomposition_frequencies
