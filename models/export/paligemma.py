"""PaliGemma (Beyer et al. 2024): an image's features, then `<bos>`, a task in words and a line's end, all of which see
each other; the reply alone is causal. Positions count from 1, and places are tokens."""

import torch
import transformers
from transformers import PaliGemmaConfig, PaliGemmaForConditionalGeneration, PaliGemmaProcessor
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

import gemma_tokens
import graphs
import tokens
import weights
from goldens import Case, said, user
from pictures import picture

SIDE, PATCH = 21, 7
FEATURES = (SIDE // PATCH) ** 2

# There is none in published folders: this is what the processor makes of a prompt, images first.
CHAT_TEMPLATE = (
    "{% for message in messages %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% endif %}{% endfor %}{% endfor %}"
    "{{ bos_token }}{% set said = namespace(before=false) %}"
    "{% for message in messages %}{% for part in message['content'] %}{% if part['type'] == 'text' %}"
    "{{ '\n' if said.before else '' }}{{ part['text'] }}{% set said.before = true %}"
    "{% endif %}{% endfor %}{% endfor %}{{ '\n' }}"
)


class Processor(PaliGemmaProcessor):
    """The processor as it is, given the prompt without what it adds itself."""

    # Published folders hold no template, and neither does this one.
    writes_template = False

    def __call__(self, images=None, text=None, **options):
        own = text.replace("<bos>", "").removesuffix("\n")
        inputs = super().__call__(images=images, text=own, **options)
        inputs.pop("labels", None)
        return inputs


def processor():
    """The processor, which adds the tokens of places and shapes to its tokenizer."""
    return Processor(
        image_processor=SiglipImageProcessorPil(
            size={"height": SIDE, "width": SIDE}, image_seq_length=FEATURES, resample=3,
            image_mean=[0.5] * 3, image_std=[0.5] * 3,
        ),
        tokenizer=gemma_tokens.tokenizer(["<image>"], extra_special_tokens={"image_token": "<image>"}),
        chat_template=CHAT_TEMPLATE,
    )


def settings():
    """What `processor_config.json` says beside the class."""
    return {}


def model(seed, processor):
    """A tiny PaliGemma with random weights."""
    tokenizer = processor.tokenizer
    ends = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    config = PaliGemmaConfig(
        vision_config={
            "model_type": "siglip_vision_model",
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": SIDE,
            "patch_size": PATCH,
            "vision_use_head": False,
        },
        text_config={
            "model_type": "gemma",
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 16,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": 256,
            "tie_word_embeddings": False,
            **ends,
        },
        projection_dim=32,
        hidden_size=32,
        vocab_size=len(tokenizer),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        tie_word_embeddings=False,
        **ends,
    )
    result = PaliGemmaForConditionalGeneration(config)
    result.generation_config = transformers.GenerationConfig(**ends)
    silent = tokens.silent_tokens(tokenizer.backend_tokenizer)
    return weights.fill(result, seed, result.lm_head, silent)


def vision(model, pixel_values):
    """Features `[images, patches, hidden]` of images `[images, 3, side, side]`."""
    return {"image_features": model.get_image_features(pixel_values).pooler_output}


class Decoder(graphs.Decoder):
    """The language model whose first run, which begins at position 1, sees all of itself; later ones are causal."""

    def forward(self, inputs_embeds, attention_mask, position_ids, past_key_values):
        past, new = past_key_values[0]["key"].shape[2], inputs_embeds.shape[1]
        causal = torch.arange(past + new)[None, :] <= torch.arange(past, past + new)[:, None]
        begins = (position_ids[:, :1] == 1)[:, None]
        seen = (causal | begins) & (attention_mask[:, None] > 0)
        mask = torch.where(seen, 0.0, torch.finfo(torch.float32).min)[:, None]
        return super().forward(inputs_embeds, mask, position_ids, past_key_values)


def export(model, folder):
    """Writes the three sessions, all of standard operators."""
    example = {"pixel_values": torch.randn(2, 3, SIDE, SIDE)}
    names = {"pixel_values": ["batch_size", None, None, None]}
    encoder = graphs.export(graphs.Graph(model, vision), example, names)
    graphs.save(encoder, folder.graph("vision_encoder"))
    graphs.save(graphs.embeddings(model), folder.graph("embed_tokens"))
    decoder = graphs.decoder(Decoder(model.model.language_model, model.lm_head), fusions=None)
    graphs.save(decoder, folder.graph("decoder_model_merged"))


def cases():
    """Tasks as PaliGemma was taught them, and conversations, which it reads as one."""
    landscape = {"landscape.png": picture(77, 45, seed=11)}
    portrait = {"portrait.png": picture(33, 59, seed=12)}
    small = {"small.png": picture(17, 13, seed=13)}
    return [
        Case("detect", [user(None, "detect circle ; red button")], landscape),
        Case("caption", [user(None, "caption en")], portrait),
        Case("question", [user("answer en Which shape is largest, 12 or 30?", None)], small),
        Case("two_images", [user(None, None, "Which of them shows a circle?")], {**portrait, **small}),
        Case("later_turn", [
            user(None, "detect link"),
            said("assistant", "<loc0100><loc0200><loc0900><loc1000> link"),
            user(None, "And here? Ü, 語."),
        ], {**landscape, **portrait}),
    ]
