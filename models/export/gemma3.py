"""Gemma 3 (Gemma Team 2025): SigLIP's patches averaged to a few soft tokens an image, which see each other; a window in
most layers of the language model."""

import numpy as np
import torch
from transformers import Gemma3Config, Gemma3ForConditionalGeneration, Gemma3Processor
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

import gemma_masks
import goldens
import graphs
import sessions
from gemma3_text import CHAT_TEMPLATE, filled, ends_of, text_settings, tokenizer
from goldens import Case, said, user
from pictures import picture

SIDE, PATCH = 42, 7
# Of 6 by 6 patches, two by two are averaged.
FEATURES = 9


class Processor(Gemma3Processor):
    """The processor, which adds no second first token to a prompt that begins with one: as `apply_chat_template` of
    transformers' processors calls it."""

    def __call__(self, images=None, text=None, **options):
        return super().__call__(images=images, text=text, add_special_tokens=False, **options)


def processor():
    """The processor of tiny pictures."""
    return Processor(
        image_processor=Gemma3ImageProcessorPil(
            size={"height": SIDE, "width": SIDE}, image_mean=[0.5] * 3, image_std=[0.5] * 3,
        ),
        tokenizer=tokenizer(),
        chat_template=CHAT_TEMPLATE,
        image_seq_length=FEATURES,
    )


def settings():
    """What `processor_config.json` says beside the class."""
    return {"image_seq_length": FEATURES}


def model(seed, processor):
    """A tiny Gemma 3 with random weights."""
    tokenizer = processor.tokenizer
    ids = {
        f"{name}_token_index": tokenizer.convert_tokens_to_ids(getattr(tokenizer, f"{name}_token"))
        for name in ("boi", "eoi", "image")
    }
    config = Gemma3Config(
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
        text_config={"model_type": "gemma3_text", **text_settings(tokenizer)},
        mm_tokens_per_image=FEATURES,
        **ids,
        tie_word_embeddings=False,
        **ends_of(tokenizer),
    )
    return filled(Gemma3ForConditionalGeneration(config), seed, tokenizer)


def also(case, processor, model):
    """What it answers where an image's tokens don't see each other: what the community's graphs compute."""
    _, inputs = goldens.prepare(case, processor)
    inputs.pop("token_type_ids")
    logits, tokens = goldens.reply(model, inputs)
    return {
        "causal": {
            "first_logits": [float(f"{value:.9g}") for value in logits[0].tolist()],
            "greedy": tokens,
            "text": processor.tokenizer.decode(tokens),
        }
    }


def vision(model, pixel_values):
    """Features `[images, tokens, hidden]` of images `[images, 3, side, side]`."""
    return {"image_features": model.get_image_features(pixel_values).pooler_output}


def export(model, folder):
    """Writes the sessions, all of standard operators; the decoder told what is an image's, and one that isn't."""
    example = {"pixel_values": torch.randn(2, 3, SIDE, SIDE)}
    names = {"pixel_values": ["batch_size", None, None, None]}
    encoder = graphs.export(graphs.Graph(model, vision), example, names, fusions=None)
    graphs.save(encoder, folder.graph("vision_encoder"))
    graphs.save(graphs.embeddings(model), folder.graph("embed_tokens"))
    parts = model.model.language_model, model.lm_head
    causal = graphs.decoder(gemma_masks.Causal(*parts), fusions=None)
    graphs.save(causal, folder.graph("decoder_model_merged", "_causal"))
    config = model.config.text_config
    example = graphs.decoder_example(config, batch=2)
    past = example.pop("past_key_values")
    types = torch.tensor([[0, 1, 1], [1, 0, 1]])
    example = {**example, "token_type_ids": types, "past_key_values": past}
    dimensions = {**graphs.decoder_dimensions(config), "token_type_ids": ["batch_size", "sequence_length"]}
    decoder = graphs.export(gemma_masks.Blocks(*parts), example, dimensions, fusions=None)
    graphs.save(decoder, folder.graph("decoder_model_merged"))


class Sessions(sessions.Sessions):
    """The sessions of a folder; behind a token's embedding lies whether it is an image's."""

    def embeddings(self, ids, features=None):
        embeds = super().embeddings(ids, features)
        types = np.array([ids]) == self.config["image_token_index"]
        return np.concatenate([embeds, types[..., None].astype(np.float32)], axis=-1)

    def step(self, embeds, cache, *given, **named):
        self.types = embeds[..., -1].astype(np.int64)
        return super().step(embeds[..., :-1], cache, *given, **named)

    def beside(self, past, new):
        return {"token_type_ids": self.types}

    def cut(self, embeds):
        """Where a prompt may be cut: before an image, if half of it is within one."""
        cut = super().cut(embeds)
        while cut and embeds[0, cut - 1, -1] == embeds[0, cut, -1] == 1:
            cut -= 1
        return cut


def cases():
    """Conversations with and without images, one of them in crops."""
    landscape = {"landscape.png": picture(77, 45, seed=11)}
    portrait = {"portrait.png": picture(33, 59, seed=12)}
    small = {"small.png": picture(17, 13, seed=13)}
    crops = {
        "do_pan_and_scan": True,
        "pan_and_scan_min_crop_size": 16,
        "pan_and_scan_max_num_crops": 3,
        "pan_and_scan_min_ratio_to_activate": 1.2,
    }
    return [
        Case("one_image", [user(None, "Where is the red button?")], landscape),
        Case("text_only", [said("system", "You answer in one word."), user("Which is larger, 12 or 30?")]),
        Case("two_images", [user("First this:", None, "and then that:", None, "Which shows a circle?")],
             {**portrait, **small}),
        Case("later_turn", [
            user(None, "What is on the left side?"),
            said("assistant", "A blue circle."),
            user(None, "And here? Ü, 語."),
        ], {**landscape, **portrait}),
        Case("crops", [said("system", "Look closely."), user(None, "What does the link say?")], landscape, crops),
    ]
