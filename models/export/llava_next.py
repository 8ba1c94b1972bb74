"""LLaVA-NeXT (Liu et al. 2024): the picture on the canvas that fits it best, in tiles, and once as a whole."""

import torch
import transformers
from transformers import CLIPVisionConfig, LlamaConfig, LlavaNextConfig, LlavaNextForConditionalGeneration
from transformers import LlavaNextProcessor
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil

import decoder
import graphs
import llava
import tokens
import weights
from goldens import Case, one_more, said, user
from pictures import picture

# Pixels of a tile's side and of a patch's side.
TILE, PATCH = 12, 4
# Heights and widths of the canvases.
CANVASES = [[12, 24], [24, 12], [24, 24], [36, 12], [12, 36]]


def processor():
    """The processor with LLaVA's small tokenizer and template."""
    return LlavaNextProcessor(
        image_processor=LlavaNextImageProcessorPil(
            size={"shortest_edge": TILE},
            crop_size={"height": TILE, "width": TILE},
            image_grid_pinpoints=CANVASES,
        ),
        tokenizer=llava.processor().tokenizer,
        chat_template=llava.CHAT_TEMPLATE,
        **settings(),
    )


def settings():
    """What `processor_config.json` says beside the class."""
    return {**llava.settings(), "patch_size": PATCH}


def model(seed, processor):
    """A tiny LLaVA-NeXT with random weights."""
    tokenizer = processor.tokenizer
    config = LlavaNextConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=3,
            num_attention_heads=2,
            image_size=TILE,
            patch_size=PATCH,
        ),
        text_config=LlamaConfig(
            hidden_size=48,
            intermediate_size=80,
            num_hidden_layers=2,
            num_attention_heads=3,
            num_key_value_heads=1,
            head_dim=16,
            vocab_size=len(tokenizer),
            max_position_embeddings=512,
            rms_norm_eps=1e-5,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        ),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_grid_pinpoints=CANVASES,
        tie_word_embeddings=False,
    )
    result = LlavaNextForConditionalGeneration(config)
    result.generation_config = transformers.GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return weights.fill(result, seed, result.lm_head, tokens.silent_tokens(tokenizer.backend_tokenizer))


def vision(model, pixel_values):
    """Features `[tiles, patches, hidden]` of tiles `[tiles, 3, side, side]`, not yet put together; and the
    embedding `[hidden]` that ends each row when they are, which no other graph could give."""
    features = llava.vision(model, pixel_values)
    return {**features, "image_newline": model.model.image_newline.clone()}


def export(model, folder):
    """Writes the graphs."""
    write(model, folder, vision, torch.randn(2, 3, TILE, TILE))


def write(model, folder, vision, example):
    """Writes the three sessions."""
    names = {"pixel_values": ["num_tiles", None, None, None]}
    encoder = graphs.export(graphs.Graph(model, vision), {"pixel_values": example}, names)
    graphs.save(encoder, folder.graph("vision_encoder"))
    graphs.save(graphs.embeddings(model), folder.graph("embed_tokens"))
    built = decoder.build(model.model.language_model, model.lm_head)
    graphs.save(built, folder.graph("decoder_model_merged"))


def cases():
    """Conversations that take each path through the canvases, the padding and the prompt."""
    wide = {"wide.png": picture(61, 29, seed=51)}
    tall = {"tall.png": picture(17, 53, seed=52)}
    small = {"small.png": picture(9, 7, seed=53)}
    square = {"square.png": picture(40, 40, seed=54)}
    flat = {"flat.png": picture(50, 31, seed=55)}
    return [
        Case("text_only", [said("system", "You see well. "), user("Hello, what is 12 + 30?")]),
        Case("padded_above", [user(None, "What is in the picture?")], wide),
        Case("padded_beside", [user("Describe this: ", None, " in 2 words.")], tall),
        Case("not_padded", [user(None, "Where is the text field?")], square),
        Case("padded_square", [user(None, "Say what you see. Ü, 語.")], flat),
        Case("enlarged", [user(None, "Click the red button, please.")], small),
        Case("two_images", [user(None, None, "Which of them shows a circle?")], {**tall, **small}),
        Case("later_turn", one_more(), {**wide, **square}),
    ]
