"""Qwen2-VL (Wang et al. 2024): an image of any size is as many features as it needs, and every token of the prompt
has a place in time, height and width."""

import transformers
from tokenizers import Regex, normalizers, pre_tokenizers
from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration, Qwen2VLProcessor
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX, Qwen2Tokenizer
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.qwen2_vl.video_processing_qwen2_vl import Qwen2VLVideoProcessor

import graphs
import qwen_tower
import tokens
import weights
from goldens import Case, one_more, said, user
from pictures import picture

# Pixels of a patch's side, patches of a feature's side, frames of a patch.
PATCH, MERGE, FRAMES = 4, 2, 2
# The area of an image, in pixels: from 4 to 20 features.
LEAST, MOST = 4 * (PATCH * MERGE) ** 2, 20 * (PATCH * MERGE) ** 2

LAST_TOKENS = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
    "<|image_pad|>", "<|video_pad|>",
]

CHAT_TEMPLATE = (
    "{% set pictures = namespace(seen=0) %}"
    "{% for message in messages %}"
    "{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' or 'image' in part or 'image_url' in part %}"
    "{% set pictures.seen = pictures.seen + 1 %}"
    "{% if add_vision_id %}Picture {{ pictures.seen }}: {% endif %}"
    "<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif part['type'] == 'video' or 'video' in part %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% elif 'text' in part %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tokenizer():
    """A small tokenizer that takes text apart as Qwen's does."""
    steps = [
        pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ]
    trained = tokens.tokenizer([], LAST_TOKENS, steps=steps, normalizer=normalizers.NFC())
    return Qwen2Tokenizer(
        tokenizer_object=trained,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        unk_token=None,
        clean_up_tokenization_spaces=False,
    )


def processor():
    """The processor with its small tokenizer. Resizing is Pillow's."""
    return Qwen2VLProcessor(
        image_processor=Qwen2VLImageProcessorPil(
            size={"shortest_edge": LEAST, "longest_edge": MOST},
            patch_size=PATCH,
            merge_size=MERGE,
            temporal_patch_size=FRAMES,
        ),
        tokenizer=tokenizer(),
        video_processor=Qwen2VLVideoProcessor(),
        chat_template=CHAT_TEMPLATE,
    )


def settings():
    """What `processor_config.json` says beside the class."""
    return {}


def text_config(tokenizer):
    """The language model's sizes."""
    return {
        "hidden_size": 48,
        "intermediate_size": 80,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "num_key_value_heads": 1,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 512,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]},
        "bos_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


def special_ids(tokenizer):
    """The tokens that the configuration names."""
    names = ["image_token_id:image_pad", "video_token_id:video_pad", "vision_start_token_id:vision_start",
             "vision_end_token_id:vision_end"]
    pairs = [name.split(":") for name in names]
    return {key: tokenizer.convert_tokens_to_ids(f"<|{token}|>") for key, token in pairs}


def filled(result, seed, tokenizer):
    """The model with random weights, and the tokens that end its replies."""
    result.generation_config = transformers.GenerationConfig(
        bos_token_id=tokenizer.pad_token_id,
        eos_token_id=[tokenizer.eos_token_id, tokenizer.pad_token_id],
        pad_token_id=tokenizer.pad_token_id,
    )
    silent = tokens.silent_tokens(tokenizer.backend_tokenizer)
    return weights.fill(result, seed, result.lm_head, silent)


def model(seed, processor):
    """A tiny Qwen2-VL with random weights."""
    tokenizer = processor.tokenizer
    config = Qwen2VLConfig(
        vision_config={
            "depth": 2,
            "embed_dim": 32,
            "hidden_size": 48,
            "num_heads": 2,
            "mlp_ratio": 2,
            "patch_size": PATCH,
            "spatial_merge_size": MERGE,
            "temporal_patch_size": FRAMES,
        },
        text_config=text_config(tokenizer),
        **special_ids(tokenizer),
    )
    return filled(Qwen2VLForConditionalGeneration(config), seed, tokenizer)


def export(model, folder):
    """Writes the graphs: the three sessions, and the decoder once more without any fused operator."""
    traced = write(model, folder, qwen_tower.Tower(model.model.visual), "grid_thw")
    plain = graphs.decoder(traced, fusions=None, position_rows=3)
    graphs.save(plain, folder.graph("decoder_model_merged", "_plain"))


def write(model, folder, tower, grid_input):
    """Writes the three sessions with this tower, and returns the decoder that was traced."""
    visual = model.model.visual
    qwen_tower.check(visual, lambda pixels, grids: tower(pixels, grids)["image_features"])
    path = folder.graph("vision_encoder")
    graphs.save(qwen_tower.export(tower, 3 * FRAMES * PATCH**2, grid_input), path)
    qwen_tower.check_graph(visual, path, lambda grids: {grid_input: grids})
    graphs.save(graphs.embeddings(model), folder.graph("embed_tokens"))
    traced = graphs.Decoder(model.model.language_model, model.lm_head)
    graphs.save(graphs.decoder(traced, fusions="cpu", position_rows=3), folder.graph("decoder_model_merged"))
    return traced


def cases():
    """Conversations that take each path through the resize, the prompt and the positions."""
    wide = {"wide.png": picture(61, 29, seed=31)}
    tall = {"tall.png": picture(17, 43, seed=32)}
    small = {"small.png": picture(9, 7, seed=33)}
    exact = {"exact.png": picture(32, 24, seed=34)}
    half = {"half.png": picture(36, 20, seed=35)}
    return [
        Case("text_only", [user("Hello, what is 12 + 30?")]),
        Case("system", [said("system", "You see well."), user("Say what you see. Ü, 語.")]),
        Case("shrunk", [user(None, "What is in the picture?")], wide),
        Case("as_it_is", [user("Describe this: ", None, " in 2 words.")], exact),
        Case("half_to_even", [user(None, "Where is the text field?")], half),
        Case("enlarged", [user(None, "Click the red button, please.")], small),
        Case("two_images", [user(None, None, "Which of them shows a circle?")], {**tall, **small}),
        Case("later_turn", one_more(), {**tall, **exact}),
    ]
