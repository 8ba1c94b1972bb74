"""The same recipes with larger sizes: models of 60 to 120 MB with random weights, to measure speed and memory with.

A recipe names its sizes where it makes configurations and image processors. Here what it names is replaced: by the role
of a configuration (`TEXT`, `VISION`), by a class (`OWN`), and for numbers that stand above the recipe's functions by
`CONSTANTS`. What a recipe doesn't name is left alone, so that a new family needs lines here only where its names are its
own. Such a folder has one golden of a long prompt, which `percept models verify` and `speed/models.py` go by.
"""

import contextlib
import importlib
import inspect
from unittest import mock

import numpy as np
import torch
from transformers import PreTrainedConfig
from transformers.image_processing_utils import BaseImageProcessor

import goldens
import tokens
from folder import Folder
from goldens import Case, user
from pictures import picture

# Numbers of a language model's embedding.
WIDTH = 640
# Sizes of language models, and of vision towers, wherever a recipe names them.
TEXT = {
    "hidden_size": WIDTH,
    "word_embed_proj_dim": WIDTH,
    "intermediate_size": 1728,
    "ffn_dim": 2560,
    "num_hidden_layers": 4,
    "num_attention_heads": 10,
    "num_key_value_heads": 2,
    "head_dim": 64,
    "max_position_embeddings": 2048,
}
VISION = {
    "hidden_size": 384,
    "embed_dim": 384,
    "intermediate_size": 1536,
    "num_hidden_layers": 3,
    "depth": 3,
    "num_attention_heads": 6,
    "num_heads": 6,
    "out_hidden_size": WIDTH,
    "projection_dim": WIDTH,
    "num_position_embeddings": 1024,
}

# Beside these, what each family's classes are given: settings by the class's name.
QWEN_ROPE = {"text_config": {"rope_parameters": {"mrope_section": [8, 12, 12]}}}
QWEN_VL_TOWER = {"vision_config": {"hidden_size": WIDTH, "mlp_ratio": 4}}
QWEN3_ROPE = {"rope_parameters": {"mrope_section": [12, 10, 10]}}
QWEN3_TOWER = {"patch_size": 16}
GEMMA_LAYERS = [*["sliding_attention"] * 3, "full_attention"]
OWN = {
    "qwen2_vl": {"Qwen2VLConfig": {**QWEN_ROPE, **QWEN_VL_TOWER}},
    "qwen2_5_vl": {"Qwen2_5_VLConfig": QWEN_ROPE},
    "qwen3_vl": {"Qwen3VLConfig": {"text_config": QWEN3_ROPE, "vision_config": QWEN3_TOWER}},
    "qwen3_vl_moe": {"Qwen3VLMoeConfig": {
        "text_config": {**QWEN3_ROPE, "num_experts": 8, "moe_intermediate_size": 256}, "vision_config": QWEN3_TOWER,
    }},
    "qwen3_5": {"Qwen3_5Config": {"text_config": {
        "layer_types": [*["linear_attention"] * 3, "full_attention"],
        "linear_key_head_dim": 64, "linear_value_head_dim": 64, "linear_num_key_heads": 4, "linear_num_value_heads": 8,
        "rope_parameters": {"mrope_section": [8, 4, 4]},
    }}},
    "lfm2_vl": {
        "Lfm2VlConfig": {
            "text_config": {"layer_types": ["conv", "full_attention"] * 2},
            "vision_config": {"num_patches": 256},
            "projector_hidden_size": WIDTH,
        },
        "Lfm2VlImageProcessor": {"min_image_tokens": 64, "max_image_tokens": 256, "max_tiles": 4},
    },
    "blip_2": {"Blip2QFormerConfig": {
        "hidden_size": 384, "intermediate_size": 1536, "num_attention_heads": 6, "encoder_hidden_size": 384,
    }},
    "janus": {"JanusConfig": {
        "vision_config": {"mlp_ratio": 4.0}, "vq_config": {"projection_dim": WIDTH, "image_token_embed_dim": WIDTH},
    }},
    "paligemma": {"PaliGemmaConfig": {"projection_dim": WIDTH, "hidden_size": WIDTH}},
    "gemma3": {"Gemma3Config": {"text_config": {"layer_types": GEMMA_LAYERS}}},
    "gemma3_text": {"Gemma3TextConfig": {"layer_types": GEMMA_LAYERS}},
    "chameleon": {"ChameleonConfig": {"vq_config": {"base_channels": 64, "num_res_blocks": 2}}},
    "emu3": {
        "Emu3Config": {"vq_config": {"base_channels": 64, "hidden_size": 64}},
        "Emu3ImageProcessor": {"min_pixels": 32**2, "max_pixels": 36**2},
    },
    "phi3_v": {"Phi3VConfig": {"num_key_value_heads": TEXT["num_attention_heads"]}},
    "florence2": {
        "Florence2Config": {"vision_config": {
            "depths": [1, 1, 2], "embed_dim": [96, 192, 384], "num_heads": [3, 6, 12], "num_groups": [3, 6, 12],
            "window_size": 7, "mlp_ratio": 4.0,
        }},
        "BartConfig": {
            "d_model": WIDTH, "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 1728, "decoder_ffn_dim": 1728,
            "encoder_attention_heads": 10, "decoder_attention_heads": 10,
        },
    },
}

# Numbers above a recipe's functions, by the module that has them.
QWEN_PATCHES = {"PATCH": 14, "LEAST": 4 * 28**2, "MOST": 256 * 28**2}
QWEN3_PATCHES = {"PATCH": 16, "LEAST": 4 * 32**2, "MOST": 256 * 32**2}
PHI3 = {
    "HIDDEN": WIDTH, "HEADS": TEXT["num_attention_heads"], "TURN": 1536, "CONTEXT": 2048,
    "NEAR": np.linspace(1.0, 3.0, TEXT["head_dim"] // 2),
}
CONSTANTS = {
    "smolvlm": {"smolvlm": {"TILE": 256, "PATCH": 16, "FEATURES": 64, "LONGEST": 512}},
    "llava": {"llava": {"SIDE": 224, "PATCH": 14, "FEATURES": 256}},
    "llava_next": {
        "llava": {"PATCH": 14},
        "llava_next": {"TILE": 168, "PATCH": 14, "CANVASES": [[168, 336], [336, 168], [336, 336]]},
    },
    "llava_onevision": {"llava_onevision": {
        "TILE": 160, "PATCH": 16, "SIDE": 10, "CANVASES": [[160, 320], [320, 160], [320, 320]],
    }},
    "internvl": {"internvl": {"TILE": 224, "PATCH": 14, "SIDE": 16, "FEATURES": 64, "MOST": 4}},
    "qwen2_vl": {"qwen2_vl": QWEN_PATCHES},
    "qwen2_5_vl": {"qwen2_vl": QWEN_PATCHES, "qwen2_5_vl": {"PATCH": 14, "WINDOW": 4}},
    "qwen3_vl": {"qwen2_vl": QWEN3_PATCHES, "qwen3_vl": QWEN3_PATCHES},
    "qwen3_vl_moe": {"qwen2_vl": QWEN3_PATCHES, "qwen3_vl": QWEN3_PATCHES},
    "qwen3_5": {"qwen2_vl": QWEN3_PATCHES, "qwen3_5": QWEN3_PATCHES},
    "lfm2_vl": {"lfm2_vl": {"PATCH": 16, "TILE": 256}},
    "blip_2": {"blip_2": {"SIDE": 224, "PATCH": 14, "QUERIES": 32}},
    "idefics": {"idefics": {"SIDE": 224, "PATCH": 14, "LATENTS": 64, "WIDTH": 384}},
    "janus": {"janus": {"SIDE": 224, "PATCH": 14, "FEATURES": 256}},
    "paligemma": {"paligemma": {"SIDE": 224, "PATCH": 14, "FEATURES": 256}},
    "gemma3": {"gemma3": {"SIDE": 224, "PATCH": 14, "FEATURES": 64}, "gemma3_text": {"WINDOW": 128}},
    "gemma3_text": {"gemma3_text": {"WINDOW": 128}},
    "chameleon": {"chameleon": {"SIDE": 32, "FEATURES": 256}},
    "phi3": {"phi3_v": PHI3},
    "phi3_v": {"phi3_v": {"WIDTH": VISION["hidden_size"], **PHI3}},
    "florence2": {"florence2": {"SIDE": 224, "FEATURES": 197}},
}

# What the model is shown and asked: about 256 tokens in words.
PICTURE = {"screen.png": (640, 400)}
QUESTION = " ".join([*tokens.SENTENCES, "What is in the picture?"])


def make(name, path):
    """Writes one family's folder, larger."""
    family = importlib.import_module(name)
    with larger(family):
        processor = family.processor()
        torch.manual_seed(0)
        model = family.model(1, processor)
        folder = Folder.emptied(path)
        case = asked(family, processor)
        folder.settings(model, processor, family.settings())
        for file, image in case.pictures.items():
            image.save(folder.path / file)
        # Before the graphs are traced: what a model works out once and keeps would be the tracer's symbols.
        recorded = [goldens.record(case, folder.load(family.processor()), model)]
        with torch.no_grad():
            family.export(model, folder)
        for suffix in ("_plain", "_indexed", "_q4"):
            # What else a graph can be written as is of no use here, and large.
            for other in folder.path.glob(f"onnx/*{suffix}.onnx"):
                other.unlink()
    goldens.write(recorded, folder.path / "golden.json")
    length = len(recorded[0]["input_ids"])
    print(f"{folder.path.name}: a prompt of {length} tokens, {folder.size()} bytes")


def asked(family, processor):
    """The conversation that is measured. A recipe whose cases aren't made of messages alone has an `ask` of its own."""
    pictures = {}
    if processor.image_processor is not None:
        pictures = {file: picture(*size, seed=1) for file, size in PICTURE.items()}
    if hasattr(family, "ask"):
        return family.ask("large", QUESTION, pictures)
    return Case("large", [user(*[None] * len(pictures), QUESTION)], pictures)


@contextlib.contextmanager
def larger(family):
    """Within it the recipe's sizes are the larger ones."""
    name = family.__name__
    own = OWN.get(name, {})
    with contextlib.ExitStack() as stack:
        for module, constants in CONSTANTS.get(name, {}).items():
            module = importlib.import_module(module)
            for constant, value in constants.items():
                stack.enter_context(mock.patch.object(module, constant, value))
        for attribute, made in list(vars(family).items()):
            if inspect.isclass(made) and issubclass(made, (PreTrainedConfig, BaseImageProcessor)):
                factory = sized(made, own.get(attribute, {}))
                stack.enter_context(mock.patch.object(family, attribute, factory))
        yield


def sized(made, own):
    """A function that makes what the class makes, larger."""
    def make(**named):
        if issubclass(made, PreTrainedConfig):
            named = replaced(named, VISION if "Vision" in made.__name__ else TEXT)
        return made(**merged(named, own))
    return make


def replaced(named, sizes):
    """The settings with those sizes that they name, and those of the configurations within them by their roles."""
    roles = {"vision_config": VISION, "text_config": TEXT}
    result = {}
    for key, value in named.items():
        if key in roles and isinstance(value, dict):
            # One that was a configuration of its own is larger already.
            result[key] = replaced(value, roles[key])
        else:
            result[key] = sizes.get(key, value)
    return result


def merged(named, own):
    """The settings with others put over them, dicts within dicts too."""
    result = dict(named)
    for key, value in own.items():
        within = result.get(key)
        result[key] = merged(within, value) if isinstance(value, dict) and isinstance(within, dict) else value
    return result
