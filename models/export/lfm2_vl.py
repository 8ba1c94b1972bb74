"""LFM2-VL (Liquid AI 2025): an image near its own size, or in tiles and as a whole; a decoder whose layers are mostly
short convolutions, with states instead of keys and values."""

import transformers
from transformers import Lfm2VlConfig, Lfm2VlForConditionalGeneration, Lfm2VlImageProcessor, Lfm2VlProcessor
from transformers import PreTrainedTokenizerFast

import graphs
import lfm2_decoder
import lfm2_tower
import tokens
import weights
from goldens import Case, one_more, said, user
from pictures import picture

# Pixels of a patch's side and of a tile's, patches of a feature's side.
PATCH, TILE, FACTOR = 4, 16, 2

GRID = [f"<|img_row_{row}_col_{column}|>" for row in range(1, 5) for column in range(1, 5)]
FIRST_TOKENS = ["<|pad|>", "<|startoftext|>", "<|endoftext|>", "<|im_start|>", "<|im_end|>"]
LAST_TOKENS = ["<image>", *GRID, "<|img_thumbnail|>", "<|image_start|>", "<|image_end|>"]

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>"
    "{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def processor():
    """The processor with its small tokenizer. transformers knows it with torchvision only."""
    return Lfm2VlProcessor(
        image_processor=Lfm2VlImageProcessor(
            encoder_patch_size=PATCH, tile_size=TILE, downsample_factor=FACTOR, min_tiles=2, max_tiles=4,
            min_image_tokens=4, max_image_tokens=8,
        ),
        tokenizer=PreTrainedTokenizerFast(
            tokenizer_object=tokens.tokenizer(FIRST_TOKENS, LAST_TOKENS, bos="<|startoftext|>"),
            bos_token="<|startoftext|>",
            eos_token="<|im_end|>",
            pad_token="<|pad|>",
            clean_up_tokenization_spaces=False,
        ),
        chat_template=CHAT_TEMPLATE,
    )


def settings():
    """What `processor_config.json` says beside the class."""
    return {"use_image_special_tokens": True}


def model(seed, processor):
    """A tiny LFM2-VL with random weights."""
    tokenizer = processor.tokenizer
    text = {
        "model_type": "lfm2",
        "vocab_size": len(tokenizer),
        "hidden_size": 48,
        "intermediate_size": 64,
        "block_auto_adjust_ff_dim": False,
        "num_hidden_layers": 4,
        "num_attention_heads": 3,
        "num_key_value_heads": 1,
        "max_position_embeddings": 512,
        "layer_types": ["conv", "full_attention", "conv", "full_attention"],
        "tie_word_embeddings": False,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    vision = {
        "model_type": "siglip2_vision_model",
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "patch_size": PATCH,
        "num_patches": 16,
        "vision_use_head": False,
    }
    config = Lfm2VlConfig(
        vision_config=vision,
        text_config=text,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        projector_hidden_size=64,
        downsample_factor=FACTOR,
        tie_word_embeddings=False,
    )
    result = Lfm2VlForConditionalGeneration(config)
    result.generation_config = transformers.GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    silent = tokens.silent_tokens(tokenizer.backend_tokenizer)
    weights.fill(result, seed, result.lm_head, silent)
    # Only attention carries an image to the end of a prompt: here it is listened to.
    for layer in result.model.language_model.layers:
        if layer.is_attention_layer:
            layer.self_attn.q_layernorm.weight.data.mul_(2.0)
            layer.self_attn.out_proj.weight.data.mul_(2.0)
    return result


def export(model, folder):
    """Writes the three sessions."""
    path = folder.graph("vision_encoder")
    graphs.save(lfm2_tower.export(model), path)
    lfm2_tower.check(model, path)
    graphs.save(graphs.embeddings(model), folder.graph("embed_tokens"))
    decoder = lfm2_decoder.build(model.model.language_model, model.lm_head)
    graphs.save(decoder, folder.graph("decoder_model_merged"))


def cases():
    """Conversations that take each path through the resize, the tiles and the prompt."""
    wide = {"wide.png": picture(75, 50, seed=41)}
    tall = {"tall.png": picture(17, 43, seed=42)}
    small = {"small.png": picture(9, 7, seed=43)}
    exact = {"exact.png": picture(32, 16, seed=44)}
    return [
        Case("text_only", [said("system", "You see well."), user("What is 12 + 30? Ü, 語.")]),
        Case("tiles", [user(None, "What is in the picture?")], wide),
        Case("no_thumbnail", [user(None, "Where is the text field?")], wide, {"use_thumbnail": False}),
        Case("not_split", [user(None, "Say what you see.")], wide, {"do_image_splitting": False}),
        Case("as_it_is", [user("Describe this: ", None, " in 2 words.")], exact),
        Case("enlarged", [user(None, "Click the red button.")], small),
        Case("two_images", [user(None, None, "Which of them shows a circle?")], {**tall, **small}),
        Case("later_turn", one_more(), {**tall, **exact}),
    ]
