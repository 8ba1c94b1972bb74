"""onnxruntime-genai's layout of `gemma3-tiny`, as `genai.py` has Qwen2.5-VL's: the embedding graph that puts features into
their places, and the configuration. The decoder is the folder's `_causal` one: genai tells none what is an image's."""

import json
import shutil

import onnx

import genai
import graphs


def make(path):
    """Writes both into `path`, made anew."""
    source = path.parent / "gemma3-tiny"
    config = json.loads((source / "config.json").read_text())
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    table = onnx.load(source / "onnx/embed_tokens.onnx")
    graphs.save(genai.scattering(table, config["image_token_index"]), path / "embedding.onnx")
    text = json.dumps(genai_config(config), indent=4) + "\n"
    (path / "genai_config.json").write_text(text, encoding="utf-8")


def genai_config(config):
    """The file, which names no image token: that is left to the tokenizer."""
    text = config["text_config"]
    usual = {name: name for name in ("inputs_embeds", "attention_mask", "position_ids")}
    return {
        "model": {
            "type": "gemma3",
            "bos_token_id": config["bos_token_id"],
            "eos_token_id": config["eos_token_id"],
            "pad_token_id": config["pad_token_id"],
            "context_length": text["max_position_embeddings"],
            "vocab_size": text["vocab_size"],
            "decoder": {
                "filename": "model.onnx",
                "head_size": text["head_dim"],
                "hidden_size": text["hidden_size"],
                "num_attention_heads": text["num_attention_heads"],
                "num_hidden_layers": text["num_hidden_layers"],
                "num_key_value_heads": text["num_key_value_heads"],
                "inputs": {
                    **usual,
                    "past_key_names": "past_key_values.%d.key",
                    "past_value_names": "past_key_values.%d.value",
                },
                "outputs": {
                    "logits": "logits",
                    "present_key_names": "present.%d.key",
                    "present_value_names": "present.%d.value",
                },
            },
            "embedding": {
                "filename": "embedding.onnx",
                "inputs": {"input_ids": "input_ids", "image_features": "image_features"},
                "outputs": {"inputs_embeds": "inputs_embeds"},
            },
            "vision": {
                "filename": "vision.onnx",
                "config_filename": "processor_config.json",
                "inputs": {"pixel_values": "pixel_values"},
                "outputs": {"image_features": "image_features"},
            },
        },
        "search": {"do_sample": False, "max_length": text["max_position_embeddings"]},
    }
