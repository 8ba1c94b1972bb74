"""Idefics (an open Flamingo): a perceiver resampler makes a few latents of each image, and gated
cross-attention layers between those of a Llama decoder look at them. In the prompt an image is one
token; each token looks at the last image before it. It has no chat template."""

import torch
import transformers
from transformers import IdeficsConfig, IdeficsForVisionText2Text, IdeficsProcessor
from transformers import PreTrainedTokenizerFast
from transformers.models.idefics.image_processing_pil_idefics import IdeficsImageProcessorPil

import cross_attention
import graphs
import tokens
import weights
from goldens import Case, said, user
from pictures import picture

# Pixels of the image's side and of a patch's side, what the resampler makes of an image, and the length of each.
SIDE, PATCH, LATENTS, WIDTH = 28, 7, 5, 32

FIRST_TOKENS = ["<unk>", "<s>", "</s>"]
# Those of the decoupled embedding, which the instructed checkpoints have.
LAST_TOKENS = ["<fake_token_around_image>", "<image>", "<end_of_utterance>"]


class Interleaved(Case):
    """A conversation, and what somebody who uses transformers would write for it: texts, and None
    where an image stands."""

    def __init__(self, name, parts, messages, pictures=None):
        super().__init__(name, messages, pictures)
        self.parts = parts


class Processor(IdeficsProcessor):
    """The processor, which is given texts and images in turn and not messages."""

    def asked(self, case):
        """The prompt that it writes, and the model's inputs."""
        pictures = iter(case.pictures.values())
        parts = [next(pictures) if part is None else part for part in case.parts]
        inputs = self(text=parts, return_tensors="pt", add_end_of_utterance_token=False)
        prompt = self.tokenizer.decode(inputs["input_ids"][0], clean_up_tokenization_spaces=False)
        return prompt, {name: value for name, value in inputs.items() if torch.is_tensor(value)}


# What is in the folder is what published folders hold, which know the processor by this name.
Processor.__name__ = "IdeficsProcessor"


def processor():
    """The processor with its small tokenizer."""
    return Processor(
        image_processor=IdeficsImageProcessorPil(image_size=SIDE),
        tokenizer=PreTrainedTokenizerFast(
            tokenizer_object=tokens.tokenizer(FIRST_TOKENS, LAST_TOKENS, bos="<s>"),
            bos_token="<s>",
            eos_token="</s>",
            pad_token="<unk>",
            unk_token="<unk>",
            additional_special_tokens=LAST_TOKENS,
            clean_up_tokenization_spaces=False,
        ),
    )


def settings():
    """What `processor_config.json` says beside the class."""
    return {}


def model(seed, processor):
    """A tiny Idefics with random weights. Of four layers the first and the third look at images."""
    tokenizer = processor.tokenizer
    extra = len(LAST_TOKENS)
    config = IdeficsConfig(
        vocab_size=len(tokenizer) - extra,
        additional_vocab_size=extra,
        # Wider than what the images are seen with, as in the published models.
        hidden_size=48,
        intermediate_size=48,
        num_hidden_layers=4,
        num_attention_heads=3,
        cross_layer_interval=2,
        qk_layer_norms=True,
        alpha_initializer="ones",
        alpha_type="vector",
        use_resampler=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        vision_config={
            "embed_dim": WIDTH,
            "image_size": SIDE,
            "intermediate_size": 48,
            "patch_size": PATCH,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
        },
        perceiver_config={
            "use_resampler": True,
            "resampler_n_latents": LATENTS,
            "resampler_depth": 2,
            "resampler_n_heads": 2,
            "resampler_head_dim": 16,
            "qk_layer_norms_perceiver": True,
        },
    )
    result = IdeficsForVisionText2Text(config)
    result.generation_config = transformers.GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    silent = tokens.silent_tokens(tokenizer.backend_tokenizer)
    # The head is in two parts; no token of the second is ever generated.
    plain = [token for token in silent if token < config.vocab_size]
    weights.fill(result, seed, result.lm_head, plain)
    with torch.no_grad():
        result.lm_head.additional_fc.weight.zero_()
    return result


def vision(model, pixel_values):
    """Latents `[batch, images, latents, hidden]` of images `[batch, images, 3, side, side]`."""
    batch, images = pixel_values.shape[:2]
    pixels = pixel_values.reshape(batch * images, *pixel_values.shape[2:])
    seen = model.model.vision_model(pixel_values=pixels).last_hidden_state
    latents = model.model.perceiver_resampler(seen)
    return {"image_hidden_states": latents.reshape(batch, images, *latents.shape[1:])}


class Decoder(graphs.Decoder):
    """The decoder, which is told beside the embeddings what there is to see, and which of it each
    token sees."""

    def forward(
        self,
        inputs_embeds,
        attention_mask,
        position_ids,
        image_hidden_states,
        image_attention_mask,
        past_key_values,
    ):
        cache = graphs.cache_of(past_key_values)
        hidden = self.text_model(
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            position_ids=position_ids,
            perceiver_embeddings=image_hidden_states,
            image_attention_mask=image_attention_mask,
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        present = [{"key": layer.keys, "value": layer.values} for layer in cache.layers]
        return {"logits": self.head(hidden), "present": present}


def export(model, folder):
    """Writes the three sessions. The decoder keeps the keys and values of its own tokens alone: those
    of the images it makes of their latents in every run."""
    example = {"pixel_values": torch.randn(2, 3, 3, SIDE, SIDE)}
    names = {"pixel_values": ["batch_size", "num_images", None, None, None]}
    encoder = graphs.export(graphs.Graph(model, vision), example, names)
    graphs.save(encoder, folder.graph("vision_encoder"))

    table = graphs.Graph(
        # The decoupled table writes into the ids that it is given.
        model.model.embed_tokens, lambda table, input_ids: {"inputs_embeds": table(input_ids.clone())}
    )
    ids = {"input_ids": torch.arange(14).reshape(2, 7)}
    embed = graphs.export(table, ids, {"input_ids": ["batch_size", "sequence_length"]})
    graphs.save(embed, folder.graph("embed_tokens"))

    config = model.config
    example = graphs.decoder_example(config, batch=2)
    example["image_hidden_states"] = torch.randn(2, 3, LATENTS, WIDTH)
    example["image_attention_mask"] = torch.randint(0, 2, (2, 3, 3))
    names = graphs.decoder_dimensions(config)
    names["image_hidden_states"] = ["batch_size", "num_images", None, None]
    names["image_attention_mask"] = ["batch_size", "sequence_length", "num_images"]
    decoder = graphs.export(Decoder(model.model, model.lm_head), example, names)
    graphs.save(decoder, folder.graph("decoder_model_merged"))


def check(folder, recorded, least_margin):
    """The check that the folder gives the goldens back."""
    cross_attention.check(folder, recorded, least_margin)


def ask(name, question, pictures):
    """A case of one question."""
    parts = ["User:", *[None] * len(pictures), f"{question}<end_of_utterance>\nAssistant:"]
    return Interleaved(name, parts, [user(None, question)], pictures)


def cases():
    """Images before, between and after texts, side by side, in a later turn, as examples, and none."""
    landscape = {"landscape.png": picture(77, 45, seed=31)}
    portrait = {"portrait.png": picture(33, 59, seed=32)}
    small = {"small.png": picture(17, 13, seed=33)}
    end = "<end_of_utterance>"
    return [
        Interleaved("one_image", ["User:", None, f"What is in the picture?{end}\nAssistant:"],
                    [user(None, "What is in the picture?")], landscape),
        Interleaved("text_first", ["User: Describe this in detail.", None, f"{end}\nAssistant:"],
                    [user("Describe this in detail.", None)], portrait),
        Interleaved("text_only", [f"You see well.{end}\nUser: Hello, what is 12 + 30?{end}\nAssistant:"],
                    [said("system", "You see well."), user("Hello, what is 12 + 30?")]),
        Interleaved("side_by_side", ["User:", None, None, f"Which of them shows a circle?{end}\nAssistant:"],
                    [user(None, None, "Which of them shows a circle?")], {**portrait, **small}),
        Interleaved(
            "later_turn",
            ["User:", None, f"What is on the left side?{end}\nAssistant: A blue circle.{end}\nUser: And here?",
             None, f"Ü, 語.{end}\nAssistant:"],
            [user(None, "What is on the left side?"), said("assistant", "A blue circle."),
             user("And here?", None, "Ü, 語.")],
            {**landscape, **small}),
        Interleaved(
            "examples",
            ["User:", None, f"What is this?{end}\nAssistant: a square{end}\nUser:",
             None, f"What is this?{end}\nAssistant: a circle{end}\nUser:",
             None, f"What is this?{end}\nAssistant:"],
            [user(None, "What is this?"), said("assistant", "a square"),
             user(None, "What is this?"), said("assistant", "a circle"), user(None, "What is this?")],
            {**small, **portrait, **landscape}),
    ]
