"""InternVL 3 (Zhu et al. 2025): a grid of tiles whose aspect is the picture's, and one small view of the whole."""

import torch
import transformers
from tokenizers import Regex, normalizers, pre_tokenizers
from transformers import InternVLConfig, InternVLForConditionalGeneration, InternVLProcessor
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
from transformers.models.internvl.video_processing_internvl import InternVLVideoProcessor
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX, Qwen2Tokenizer

import decoder
import graphs
import tokens
import weights
from goldens import Case, one_more, said, user
from pictures import picture

# Pixels of a tile's side and of a patch's side, and how many patches a side go into one feature.
TILE, PATCH, SHUFFLE = 16, 4, 2
SIDE = TILE // PATCH
FEATURES = (SIDE // SHUFFLE) ** 2
# The most tiles of a picture, the small view aside.
MOST = 6

LAST_TOKENS = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<img>", "</img>", "<IMG_CONTEXT>", "<video>",
]
# What the processor asks the tokenizer for by these names.
NAMED = {
    "start_image_token": "<img>",
    "end_image_token": "</img>",
    "context_image_token": "<IMG_CONTEXT>",
    "video_token": "<video>",
}

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<IMG_CONTEXT>\n"
    "{% elif part['type'] == 'video' %}<video>\n"
    "{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tokenizer(last=tuple(LAST_TOKENS), named=None):
    """A small tokenizer that takes text apart as Qwen's does. `named` are special tokens by attribute."""
    steps = [
        pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ]
    return Qwen2Tokenizer(
        tokenizer_object=tokens.tokenizer([], list(last), steps=steps, normalizer=normalizers.NFC()),
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        unk_token=None,
        clean_up_tokenization_spaces=False,
        **({"extra_special_tokens": named} if named else {}),
    )


def processor():
    """The processor with its small tokenizer. Resizing is Pillow's.

    `crop_to_patches` stays false, as published folders have it: this processor asks for tiles itself."""
    return InternVLProcessor(
        image_processor=GotOcr2ImageProcessorPil(size={"height": TILE, "width": TILE}, max_patches=MOST),
        tokenizer=tokenizer(named=NAMED),
        video_processor=InternVLVideoProcessor(),
        chat_template=CHAT_TEMPLATE,
        **settings(),
    )


def settings():
    """What `processor_config.json` says beside the class."""
    return {"image_seq_length": FEATURES}


def text_config(tokenizer):
    """The language model's sizes: a Qwen2."""
    return {
        "model_type": "qwen2",
        "hidden_size": 48,
        "intermediate_size": 80,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "num_key_value_heads": 1,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 512,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
        "bos_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "tie_word_embeddings": False,
    }


def filled(result, seed, tokenizer):
    """The model with random weights, and the tokens that end its replies."""
    result.generation_config = transformers.GenerationConfig(
        bos_token_id=tokenizer.pad_token_id,
        eos_token_id=[tokenizer.eos_token_id, tokenizer.pad_token_id],
        pad_token_id=tokenizer.pad_token_id,
    )
    return weights.fill(result, seed, result.lm_head, tokens.silent_tokens(tokenizer.backend_tokenizer))


def model(seed, processor):
    """A tiny InternVL with random weights."""
    tokenizer = processor.tokenizer
    config = InternVLConfig(
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "attention_bias": True,
            "image_size": [TILE, TILE],
            "patch_size": [PATCH, PATCH],
        },
        text_config=text_config(tokenizer),
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=FEATURES,
        downsample_ratio=1 / SHUFFLE,
        tie_word_embeddings=False,
    )
    return filled(InternVLForConditionalGeneration(config), seed, tokenizer)


def vision(model, pixel_values):
    """Features `[tiles, features, hidden]` of tiles `[tiles, 3, side, side]`.

    The model's own pixel shuffle computes sizes in floating point, which doesn't trace; the same in integers:
    of each square of patches one feature, its patches one after another, column by column."""
    hidden = model.model.vision_tower(pixel_values=pixel_values, return_dict=True).last_hidden_state[:, 1:]
    tiles, width, fewer = hidden.shape[0], hidden.shape[-1], SIDE // SHUFFLE
    hidden = hidden.reshape(tiles, SIDE, fewer, width * SHUFFLE).permute(0, 2, 1, 3)
    hidden = hidden.reshape(tiles, fewer, fewer, width * SHUFFLE**2).permute(0, 2, 1, 3)
    return {"image_features": model.model.multi_modal_projector(hidden.reshape(tiles, fewer**2, -1))}


def export(model, folder):
    """Writes the graphs: the three sessions, and the decoder once more as transformers' exporter has it."""
    example = {"pixel_values": torch.randn(2, 3, TILE, TILE)}
    encoder = graphs.export(graphs.Graph(model, vision), example, {"pixel_values": ["num_tiles", None, None, None]})
    graphs.save(encoder, folder.graph("vision_encoder"))
    graphs.save(graphs.embeddings(model), folder.graph("embed_tokens"))
    text_model = model.model.language_model
    graphs.save(decoder.build(text_model, model.lm_head), folder.graph("decoder_model_merged"))
    plain = graphs.decoder(graphs.Decoder(text_model, model.lm_head), fusions=None)
    graphs.save(plain, folder.graph("decoder_model_merged", "_plain"))


def cases():
    """Conversations that take each path through the tiling and the prompt."""
    wide = {"wide.png": picture(61, 29, seed=41)}
    tall = {"tall.png": picture(17, 53, seed=42)}
    small = {"small.png": picture(9, 9, seed=43)}
    square = {"square.png": picture(40, 40, seed=44)}
    return [
        Case("text_only", [user("Hello, what is 12 + 30?")]),
        Case("system", [said("system", "You see well."), user("Say what you see. Ü, 語.")]),
        Case("tiles_1x2", [user(None, "What is in the picture?")], wide),
        Case("tiles_3x1", [user("Describe this: ", None, " in 2 words.")], tall),
        Case("tiles_2x2", [user(None, "Where is the text field?")], square),
        Case("one_tile", [user(None, "Click the red button, please.")], small),
        Case("never_cut", [user(None, "Say what you see.")], wide, {"max_patches": 1}),
        Case("more_tiles", [user(None, "What colour is it?")], wide, {"min_patches": 5}),
        Case("two_images", [user(None, None, "Which of them shows a circle?")], {**tall, **small}),
        Case("later_turn", one_more(), {**wide, **square}),
    ]
