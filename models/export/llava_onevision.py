"""LLaVA-OneVision (Li et al. 2024): LLaVA-NeXT's tiles on more canvases, with fewer features where they'd be too many."""

import torch
from transformers import LlavaOnevisionConfig, LlavaOnevisionForConditionalGeneration, LlavaOnevisionProcessor
from transformers import SiglipVisionConfig
from transformers.models.llava_onevision.image_processing_pil_llava_onevision import LlavaOnevisionImageProcessorPil
from transformers.models.llava_onevision.video_processing_llava_onevision import LlavaOnevisionVideoProcessor

import internvl
import llava_next
from goldens import Case, one_more, said, user
from pictures import picture

# Pixels of a tile's side and of a patch's side.
TILE, PATCH = 12, 4
SIDE = TILE // PATCH
# Heights and widths of the canvases: one to four tiles each way.
CANVASES = [[TILE * rows, TILE * columns] for rows in range(1, 5) for columns in range(1, 5)]
# From clearly more features than this many tiles have, fewer are made.
MOST = "anyres_max_4"

LAST_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>", "<video>"]

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }} "
    "{# Images come first, then videos, whatever their place among the parts #}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>' }}{% endfor %}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'video') %}{{ '<video>' }}{% endfor %}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{{ '\n' + part['text'] }}{% endfor %}<|im_end|>"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def processor():
    """The processor with its small tokenizer. Resizing is Pillow's."""
    return LlavaOnevisionProcessor(
        image_processor=LlavaOnevisionImageProcessorPil(
            size={"height": TILE, "width": TILE},
            image_grid_pinpoints=CANVASES,
            image_mean=[0.5, 0.5, 0.5],
            image_std=[0.5, 0.5, 0.5],
        ),
        tokenizer=internvl.tokenizer(LAST_TOKENS),
        video_processor=LlavaOnevisionVideoProcessor(),
        chat_template=CHAT_TEMPLATE,
        **settings(),
    )


def settings():
    """What `processor_config.json` says beside the class."""
    return {
        "num_image_tokens": SIDE**2,
        "vision_feature_select_strategy": "full",
        "vision_aspect_ratio": MOST,
        "image_token": "<image>",
        "video_token": "<video>",
    }


def model(seed, processor):
    """A tiny LLaVA-OneVision with random weights."""
    tokenizer = processor.tokenizer
    config = LlavaOnevisionConfig(
        vision_config=SiglipVisionConfig(
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=TILE,
            patch_size=PATCH,
            vision_use_head=False,
        ),
        text_config=internvl.text_config(tokenizer),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=CANVASES,
        vision_aspect_ratio=MOST,
        tie_word_embeddings=False,
    )
    return internvl.filled(LlavaOnevisionForConditionalGeneration(config), seed, tokenizer)


def vision(model, pixel_values):
    """Features `[tiles, patches, hidden]` of tiles `[tiles, 3, side, side]`: the tower's last layer before its last
    norm, projected; and the embedding that ends each row, as in `llava_next.py`."""
    layers = model.model.vision_tower(
        pixel_values, output_hidden_states=True, return_dict=True
    ).hidden_states
    features = model.model.multi_modal_projector(layers[model.config.vision_feature_layer])
    return {"image_features": features, "image_newline": model.model.image_newline.clone()}


def export(model, folder):
    """Writes the graphs."""
    llava_next.write(model, folder, vision, torch.randn(2, 3, TILE, TILE))


def cases():
    """Conversations that take each path through the canvases, the interpolation and the prompt."""
    wide = {"wide.png": picture(61, 23, seed=61)}
    tall = {"tall.png": picture(17, 53, seed=62)}
    small = {"small.png": picture(9, 7, seed=63)}
    exact = {"exact.png": picture(24, 24, seed=64)}
    large = {"large.png": picture(47, 44, seed=65)}
    return [
        Case("text_only", [said("system", "You see well."), user("Hello, what is 12 + 30?")]),
        Case("padded_above", [user(None, "What is in the picture?")], wide),
        Case("padded_beside", [user("Describe this: ", None, " in 2 words.")], tall),
        Case("not_padded", [user(None, "Where is the text field?")], exact),
        Case("interpolated", [user(None, "Say what you see. Ü, 語.")], large),
        Case("one_tile", [user(None, "Click the red button, please.")], small),
        Case("two_images", [user(None, None, "Which of them shows a circle?")], {**tall, **small}),
        Case("one_then_two", one_more(), {**large, **exact}),
        Case("later_turn", one_more(first=2), {**wide, **small, **tall}),
    ]
