"""onnxruntime-genai's layout of a folder that is there in the community's: what differs, and nothing else.

The graphs compute the same, so the goldens are the ones that the family's own folder has. What is
different is what a host must cope with: `genai_config.json` in the place of `config.json`, files
that lie anywhere, ports and caches of other names, and an embedding graph that puts the image's
features into their places itself. The other files (vision, tokenizer, processor, pictures) are the
family's; `arrange` puts them together.
"""

import json
import shutil

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import graphs

FAMILY = "qwen2_5_vl"
# How this folder's decoder calls what the community calls otherwise; `%d` is a layer.
INPUTS = {"past_key_names": "past.%d.k", "past_value_names": "past.%d.v", "inputs_embeds": "embeds"}
OUTPUTS = {"present_key_names": "now.%d.k", "present_value_names": "now.%d.v", "logits": "scores"}
COMMUNITY = {
    "past_key_names": "past_key_values.%d.key",
    "past_value_names": "past_key_values.%d.value",
    "inputs_embeds": "inputs_embeds",
    "present_key_names": "present.%d.key",
    "present_value_names": "present.%d.value",
    "logits": "logits",
}


def make(path):
    """Writes the graphs and the configuration into `path`, made anew."""
    source = path.parent / f"{FAMILY}-tiny"
    config = json.loads((source / "config.json").read_text())
    shutil.rmtree(path, ignore_errors=True)
    (path / "text").mkdir(parents=True)
    table = onnx.load(source / "onnx/embed_tokens.onnx")
    graphs.save(scattering(table, config["image_token_id"]), path / "embedding.onnx")
    decoder = onnx.load(source / "onnx/decoder_model_merged.onnx")
    graphs.save(renamed(decoder, config["text_config"]["num_hidden_layers"]), path / "text/model.onnx")
    text = json.dumps(genai_config(config, source), indent=4) + "\n"
    (path / "genai_config.json").write_text(text, encoding="utf-8")


def arrange(data, target):
    """The whole folder, as somebody would have it: for trying it with onnxruntime-genai itself."""
    source = data / f"{FAMILY}-tiny"
    shutil.copytree(data / "genai", target)
    for file in source.iterdir():
        if file.is_file() and file.name != "config.json":
            shutil.copy(file, target / file.name)
    shutil.copy(source / "onnx/vision_encoder.onnx", target / "vision.onnx")


def scattering(model, image_token):
    """The embedding graph with an input `image_features` `[rows, hidden]`, a row for each image token
    of `input_ids`, in their order."""
    graph = model.graph
    (embeds,) = graph.output
    for node in graph.node:
        node.output[:] = ["embedded" if name == embeds.name else name for name in node.output]
    token = numpy_helper.from_array(np.array(image_token, np.int64), "image_token")
    graph.initializer.append(token)
    graph.node.extend([
        helper.make_node("Equal", ["input_ids", "image_token"], ["is_image"]),
        helper.make_node("NonZero", ["is_image"], ["places_by_axis"]),
        helper.make_node("Transpose", ["places_by_axis"], ["places"], perm=[1, 0]),
        helper.make_node("ScatterND", ["embedded", "places", "image_features"], [embeds.name]),
    ])
    hidden = embeds.type.tensor_type.shape.dim[-1].dim_value
    graph.input.append(
        helper.make_tensor_value_info("image_features", TensorProto.FLOAT, ["num_image_tokens", hidden])
    )
    del graph.value_info[:]
    onnx.checker.check_model(model)
    return model


def renamed(model, layers):
    """The decoder with its ports called as `INPUTS` and `OUTPUTS` say."""
    pairs = {}
    for key, own in {**INPUTS, **OUTPUTS}.items():
        for layer in range(layers):
            pairs[COMMUNITY[key].replace("%d", str(layer))] = own.replace("%d", str(layer))
    for port in [*model.graph.input, *model.graph.output]:
        port.name = pairs.get(port.name, port.name)
    for node in model.graph.node:
        node.input[:] = [pairs.get(name, name) for name in node.input]
        node.output[:] = [pairs.get(name, name) for name in node.output]
    return model


def genai_config(config, source):
    """The file as onnxruntime-genai 0.18's builder writes it for a decoder, with the two sections that its
    examples add for a model that sees."""
    text = config["text_config"]
    ends = json.loads((source / "generation_config.json").read_text())["eos_token_id"]
    vision = config["vision_config"]
    head = text.get("head_dim") or text["hidden_size"] // text["num_attention_heads"]
    return {
        "model": {
            "bos_token_id": ends if isinstance(ends, int) else ends[0],
            "context_length": text["max_position_embeddings"],
            "decoder": {
                "session_options": {"log_id": "onnxruntime-genai", "provider_options": []},
                "filename": "text/model.onnx",
                "head_size": head,
                "hidden_size": text["hidden_size"],
                "inputs": {
                    "attention_mask": "attention_mask",
                    "position_ids": "position_ids",
                    **INPUTS,
                },
                "outputs": OUTPUTS,
                "num_attention_heads": text["num_attention_heads"],
                "num_hidden_layers": text["num_hidden_layers"],
                "num_key_value_heads": text["num_key_value_heads"],
            },
            "embedding": {
                "filename": "embedding.onnx",
                "inputs": {"input_ids": "input_ids", "image_features": "image_features"},
                "outputs": {"inputs_embeds": "inputs_embeds"},
            },
            "vision": {
                "filename": "vision.onnx",
                "config_filename": "processor_config.json",
                "spatial_merge_size": vision["spatial_merge_size"],
                "patch_size": vision["patch_size"],
                "window_size": vision["window_size"],
                "inputs": {"pixel_values": "pixel_values", "image_grid_thw": "image_grid_thw"},
                "outputs": {"image_features": "image_features"},
            },
            "eos_token_id": ends,
            "pad_token_id": config.get("pad_token_id") or 0,
            "image_token_id": config["image_token_id"],
            "vision_start_token_id": config["vision_start_token_id"],
            "video_token_id": config["video_token_id"],
            "type": FAMILY,
            "vocab_size": text["vocab_size"],
        },
        "search": {
            "do_sample": False,
            "early_stopping": True,
            "max_length": text["max_position_embeddings"],
            "min_length": 0,
            "num_beams": 1,
            "num_return_sequences": 1,
            "past_present_share_buffer": False,
            "repetition_penalty": 1.0,
            "temperature": 1.0,
            "top_k": 50,
            "top_p": 1.0,
        },
    }
