"""Florence-2 (Xiao et al. 2023): a picture's features and a task in words go through an encoder, and a decoder writes
what it sees by cross-attention. One picture, one task; places are tokens. It has no chat template."""

import json

import torch
from torch import nn
import transformers
from transformers import BartConfig, CLIPImageProcessorPil, DynamicCache, EncoderDecoderCache, Florence2Config
from transformers import Florence2ForConditionalGeneration, Florence2Processor, PreTrainedTokenizerFast

import branches
import encoder_decoder
import florence2_replies
import graphs
import tokens
import weights
from goldens import Case, user
from pictures import picture

# How many different tokens a reply has at least: one that may say nothing of three tokens twice circles more widely.
VARIED = 8
# Pixels of the image's side, which the tower makes 6, 3 and 2 patches of, and how many features there are: one for each
# of the last and one of all.
SIDE, FEATURES = 24, 5

FIRST_TOKENS = ["<s>", "<pad>", "</s>", "<unk>"]
PLACES = [f"<loc_{place}>" for place in range(1000)]
LAST_TOKENS = [*PLACES, "<poly>", "</poly>", "<sep>", "<image>"]


class Task(Case):
    """One task about one picture."""

    def __init__(self, name, text, pictures):
        super().__init__(name, [user(None, text) if text else user(None)], pictures)
        self.text = text


class Processor(Florence2Processor):
    """The processor, which is given a text and not messages."""

    def asked(self, case):
        """The prompt as far as a reader writes it, and the model's inputs."""
        image = next(iter(case.pictures.values()))
        inputs = self(images=image, text=case.text, return_tensors="pt")
        prompt = f"<image><s>{self._construct_prompts(case.text)[0]}</s>"
        return prompt, {name: value for name, value in inputs.items() if torch.is_tensor(value)}


# What is in the folder is what published folders hold, which know the processor by this name.
Processor.__name__ = "Florence2Processor"


class Model(Florence2ForConditionalGeneration):
    """The model, whose goldens begin after the two tokens with which every reply begins, `</s><s>`."""

    def generate(self, input_ids, max_new_tokens, **options):
        """The greedy reply. Nothing ends one, not even its length."""
        ends, self.generation_config.forced_eos_token_id = self.generation_config.forced_eos_token_id, None
        output = super().generate(input_ids=input_ids, max_new_tokens=max_new_tokens + 1, num_beams=1, **options)
        self.generation_config.forced_eos_token_id = ends
        assert output.sequences[0, :2].tolist() == [2, 0], "a reply begins in another way"
        output.logits = output.logits[1:]
        output.sequences = torch.cat([input_ids, output.sequences[:, 2:]], dim=1)
        return output


# The same for the model, in its configuration.
Model.__name__ = "Florence2ForConditionalGeneration"


def processor():
    """The processor with its small tokenizer."""
    return Processor(
        image_processor=CLIPImageProcessorPil(
            size={"height": SIDE, "width": SIDE}, do_center_crop=False, image_seq_length=FEATURES, resample=3,
            image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225],
        ),
        tokenizer=PreTrainedTokenizerFast(
            tokenizer_object=tokens.tokenizer(FIRST_TOKENS, LAST_TOKENS, bos="<s>"),
            bos_token="<s>",
            eos_token="</s>",
            pad_token="<pad>",
            unk_token="<unk>",
            extra_special_tokens={"image_token": "<image>"},
            clean_up_tokenization_spaces=False,
        ),
        post_processor_config=florence2_replies.SETTINGS,
    )


def settings():
    """What `processor_config.json` says beside the class."""
    return {"num_additional_image_tokens": 0, "post_processor_config": florence2_replies.SETTINGS}


def model(seed, processor):
    """A tiny Florence-2 with random weights: three stages of windows that don't divide the picture, a layer in the
    encoder, two in the decoder, whose heads are another number."""
    tokenizer = processor.tokenizer
    begins = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "decoder_start_token_id": tokenizer.eos_token_id,
    }
    config = Florence2Config(
        vision_config={
            "depths": [1, 1, 1],
            "patch_size": [7, 3, 3],
            "patch_stride": [4, 2, 2],
            "patch_padding": [3, 1, 1],
            "patch_prenorm": [False, True, True],
            "embed_dim": [8, 16, 24],
            "num_heads": [1, 2, 4],
            "num_groups": [1, 2, 4],
            "window_size": 4,
            "mlp_ratio": 2.0,
            "projection_dim": 24,
            "drop_path_rate": 0.0,
        },
        text_config=BartConfig(
            vocab_size=len(tokenizer),
            d_model=24,
            encoder_layers=1,
            decoder_layers=2,
            encoder_attention_heads=2,
            decoder_attention_heads=4,
            encoder_ffn_dim=32,
            decoder_ffn_dim=32,
            max_position_embeddings=96,
            tie_word_embeddings=False,
            **begins,
        ),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        # A head of its own, or every token would be followed by itself. Encoder and decoder look up in one table.
        tie_word_embeddings=False,
    )
    result = Model(config)
    text = result.model.language_model
    text.encoder.embed_tokens.weight = text.decoder.embed_tokens.weight = text.shared.weight
    # What the published ones say.
    result.generation_config = transformers.GenerationConfig(
        forced_bos_token_id=tokenizer.bos_token_id,
        forced_eos_token_id=tokenizer.eos_token_id,
        no_repeat_ngram_size=3,
        num_beams=3,
        early_stopping=True,
        **begins,
    )
    silent = set(tokens.silent_tokens(tokenizer.backend_tokenizer))
    # A place is what such a model writes.
    silent -= set(tokenizer.convert_tokens_to_ids(PLACES))
    weights.fill(result, seed, result.lm_head, sorted(silent), logit_scale=10.0)
    with torch.no_grad():
        text.shared.weight.mul_(3.0)
        # What is looked at is nearly the same for every token, and would soon be all that there is of any.
        for layer in text.decoder.layers:
            layer.self_attn.out_proj.weight.mul_(0.15)
            layer.encoder_attn.out_proj.weight.mul_(0.15)
    return result


def vision(model, pixel_values):
    """Features `[images, features, hidden]` of images `[images, 3, side, side]`. The side is fixed: how windows lie in it is
    decided here."""
    pixel_values = pixel_values.reshape(pixel_values.shape[0], 3, SIDE, SIDE)
    return {"image_features": model.get_image_features(pixel_values).pooler_output}


def encoder(model, inputs_embeds, attention_mask):
    """States `[batch, tokens, hidden]` of features and text, all of which see each other."""
    text = model.model.language_model
    states = text.encoder(inputs_embeds=inputs_embeds, attention_mask=attention_mask).last_hidden_state
    return {"last_hidden_state": states}


class Decoder(nn.Module):
    """The decoder with both its caches laid open. In the first run it has none, and makes keys and values of what the
    encoder found; later ones are given these."""

    def __init__(self, model):
        super().__init__()
        self.text_model = model.model.language_model.decoder
        self.head = model.lm_head

    def forward(self, inputs_embeds, encoder_hidden_states, encoder_attention_mask, past_key_values=None):
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        if past_key_values is not None:
            own = graphs.cache_of([layer["decoder"] for layer in past_key_values])
            cache = EncoderDecoderCache(own, graphs.cache_of([layer["encoder"] for layer in past_key_values]))
            cache.is_updated = {layer: True for layer in range(len(past_key_values))}
        hidden = self.text_model(
            inputs_embeds=inputs_embeds,
            encoder_hidden_states=encoder_hidden_states,
            encoder_attention_mask=encoder_attention_mask,
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        kept = {"decoder": cache.self_attention_cache}
        if past_key_values is None:
            kept["encoder"] = cache.cross_attention_cache
        present = [
            {whose: {"key": one.layers[layer].keys, "value": one.layers[layer].values} for whose, one in kept.items()}
            for layer in range(len(self.text_model.layers))
        ]
        return {"logits": self.head(hidden), "present": present}


def export(model, folder):
    """Writes the four sessions, all of standard operators, and the tokenizer anew: indented, the tokens of places would be
    a sixth of the folder."""
    tokenizer = json.loads((folder.path / "tokenizer.json").read_text(encoding="utf-8"))
    folder.text("tokenizer.json", json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":")))
    example = {"pixel_values": torch.randn(2, 3, SIDE, SIDE)}
    names = {"pixel_values": ["batch_size", None, None, None]}
    graphs.save(graphs.export(graphs.Graph(model, vision), example, names, None), folder.graph("vision_encoder"))
    graphs.save(graphs.embeddings(model), folder.graph("embed_tokens"))
    width = model.config.text_config.d_model
    example = {"inputs_embeds": torch.randn(2, 7, width), "attention_mask": torch.ones(2, 7, dtype=torch.long)}
    names = {
        "inputs_embeds": ["batch_size", "encoder_sequence_length", None],
        "attention_mask": ["batch_size", "encoder_sequence_length"],
        "last_hidden_state": ["batch_size", "encoder_sequence_length", None],
    }
    graphs.save(graphs.export(graphs.Graph(model, encoder), example, names, None), folder.graph("encoder_model"))
    graphs.save(decoder(model), folder.graph("decoder_model_merged"))


def decoder(model):
    """Both ways of a decoder's run in one graph."""
    config = model.config.text_config
    heads, past, read = config.decoder_attention_heads, 5, 7
    size = config.d_model // heads
    example = {
        "inputs_embeds": torch.randn(2, 3, config.d_model),
        "encoder_hidden_states": torch.randn(2, read, config.d_model),
        "encoder_attention_mask": torch.ones(2, read, dtype=torch.long),
    }
    names = {
        "inputs_embeds": ["batch_size", "sequence_length", None],
        "encoder_hidden_states": ["batch_size", "encoder_sequence_length", None],
        "encoder_attention_mask": ["batch_size", "encoder_sequence_length"],
    }
    lengths = {"decoder": ("past_sequence_length", past), "encoder": ("past_encoder_sequence_length", read)}
    for layer in range(config.decoder_layers):
        for whose, (length, _) in lengths.items():
            for half in ("key", "value"):
                names[f"past_key_values.{layer}.{whose}.{half}"] = ["batch_size", None, length, None]
    first = graphs.export(Decoder(model), example, names, None)
    example["past_key_values"] = [
        {
            whose: {half: torch.randn(2, heads, positions, size) for half in ("key", "value")}
            for whose, (_, positions) in lengths.items()
        }
        for _ in range(config.decoder_layers)
    ]
    return branches.merged(first, graphs.export(Decoder(model), example, names, None))


def check(folder, recorded, least_margin):
    """The check that the folder gives the goldens back."""
    encoder_decoder.check(folder, recorded, least_margin)
    florence2_replies.write(folder, processor())


def ask(name, question, pictures):
    """A case of one question."""
    return Task(name, question, pictures)


def cases():
    """Each kind of task, a question in words, and none."""
    landscape = {"landscape.png": picture(77, 45, seed=41)}
    portrait = {"portrait.png": picture(33, 59, seed=42)}
    small = {"small.png": picture(17, 13, seed=43)}
    return [
        Task("caption", "<CAPTION>", landscape),
        Task("objects", "<OD>", portrait),
        Task("phrases", "<CAPTION_TO_PHRASE_GROUNDING> A red circle, Ü, 語.", small),
        Task("region", "<REGION_TO_CATEGORY><loc_100><loc_200><loc_900><loc_999>", landscape),
        Task("own_words", "What is in the picture?", portrait),
        Task("no_words", "", small),
    ]
