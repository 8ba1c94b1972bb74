"""Writes a checkpoint as a model folder in the community's layout: `python export.py CHECKPOINT FOLDER`.

Three graphs (`onnx/vision_encoder`, `embed_tokens`, `decoder_model_merged`), the tokenizer, the chat
template and the configuration files. The card (README.md) is written by hand beside them.
"""

import json
import shutil
import sys
from pathlib import Path

import numpy
import torch
from onnx import TensorProto

import vocabulary
from graph import MICROSOFT, Graph
from model import HEAD, HEADS, INNER, LAYERS, NORM_EPSILON, POSITIONS, WIDTH, Glance, rotary_tables
from packing import HEIGHT, IMAGE_COLUMNS, IMAGE_ROWS, IMAGE_TOKENS
from packing import WIDTH as SCREEN_WIDTH

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def eye_block(g: Graph, x: str, name: str) -> str:
    """Attention of all image tokens to all, as `model.EyeBlock`."""
    y = g.layer_norm(x, name + ".norm_1")

    def heads(kind: str) -> str:
        z = g.reshape(g.linear(y, f"{name}.{kind}"), [-1, IMAGE_TOKENS, HEADS, HEAD])
        return z if kind == "v" else g.rms_norm(z, f"{name}.{kind}_norm", NORM_EPSILON)

    q, v = g.swap(heads("q"), [0, 2, 1, 3]), g.swap(heads("v"), [0, 2, 1, 3])
    k = g.swap(heads("k"), [0, 2, 3, 1])
    scores = g.op("Mul", g.op("MatMul", q, k), g.constant(HEAD**-0.5))
    seen = g.op("MatMul", g.op("Softmax", scores, axis=-1), v)
    seen = g.reshape(g.swap(seen, [0, 2, 1, 3]), [-1, IMAGE_TOKENS, WIDTH])
    x = g.op("Add", x, g.linear(seen, name + ".o"))
    y = g.linear(g.gelu(g.linear(g.layer_norm(x, name + ".norm_2"), name + ".up")), name + ".down")
    return g.op("Add", x, y)


def write_eye(weights: dict, path: Path) -> None:
    """pixel_values [N, 3, 208, 160] to image_features [N, 260, 192]."""
    g = Graph(weights)
    stride = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
    to_last, to_first = [0, 2, 3, 1], [0, 3, 1, 2]
    x = g.gelu(g.conv("pixel_values", "eye.stem_1", **stride))
    x = g.layer_norm(g.swap(g.conv(x, "eye.stem_2", **stride), to_last), "eye.stem_norm_2")
    x = g.swap(g.gelu(x), to_first)
    x = g.gelu(g.op("Add", x, g.conv(x, "eye.stem_3", kernel_shape=[3, 3], pads=[1, 1, 1, 1])))
    x = g.layer_norm(g.swap(g.conv(x, "eye.stem_4", **stride), to_last), "eye.stem_norm_4")
    for number in range(3):
        name = f"eye.mixers.{number}"
        y = g.conv(g.swap(x, to_first), name + ".look", kernel_shape=[3, 7], pads=[1, 3, 1, 3], group=WIDTH)
        y = g.layer_norm(g.swap(y, to_last), name + ".norm")
        x = g.op("Add", x, g.linear(g.gelu(g.linear(y, name + ".up")), name + ".down"))
    x = g.reshape(x, [-1, IMAGE_TOKENS, 2 * WIDTH])

    def codes(prefix: str) -> str:
        rows = g.reshape(g.weight(prefix + "row_code"), [IMAGE_ROWS, 1, WIDTH])
        columns = g.reshape(g.weight(prefix + "column_code"), [1, IMAGE_COLUMNS, WIDTH])
        return g.reshape(g.op("Add", rows, columns), [1, IMAGE_TOKENS, WIDTH])

    x = g.op("Add", g.linear(g.layer_norm(x, "eye.merge_norm"), "eye.merge"), codes("eye."))
    for number in range(2):
        x = eye_block(g, x, f"eye.blocks.{number}")
    g.op("Add", g.layer_norm(x, "eye.out_norm"), codes("eye.out_"), name="image_features")
    g.save(path, "vision_encoder", [("pixel_values", FLOAT, ["images", 3, HEIGHT, SCREEN_WIDTH])], [("image_features", FLOAT, ["images", IMAGE_TOKENS, WIDTH])])


def write_embedding(weights: dict, path: Path) -> None:
    """input_ids [B, S] to inputs_embeds [B, S, 192]."""
    g = Graph(weights)
    g.op("Gather", g.weight("embed.weight"), "input_ids", name="inputs_embeds", axis=0)
    g.save(path, "embed_tokens", [("input_ids", INT64, ["batch", "sequence"])], [("inputs_embeds", FLOAT, ["batch", "sequence", WIDTH])])


def write_decoder(weights: dict, path: Path) -> None:
    """inputs_embeds, attention_mask and the cache to logits and the grown cache."""
    g = Graph(weights)
    cos, sin = (table.numpy() for table in rotary_tables())
    cos, sin = g.table("cos_cache", cos), g.table("sin_cache", sin)
    total = g.op("ReduceSum", "attention_mask", g.constant([1], numpy.int64), keepdims=0)
    lengths = g.op("Cast", g.op("Sub", total, g.constant([1], numpy.int64)), to=TensorProto.INT32)
    shape = g.op("Gather", g.op("Shape", "attention_mask"), g.constant(1, numpy.int64), axis=0)
    longest = g.op("Cast", shape, to=TensorProto.INT32)
    x = "inputs_embeds"
    inputs = [("inputs_embeds", FLOAT, ["batch", "sequence", WIDTH]), ("attention_mask", INT64, ["batch", "total_sequence"])]
    outputs = [("logits", FLOAT, ["batch", "sequence", vocabulary.SIZE])]
    for number in range(LAYERS):
        name = f"layers.{number}"
        y = g.rms_norm(x, name + ".input_norm", NORM_EPSILON)

        def heads(kind: str) -> str:
            z = g.linear(y, f"{name}.{kind}")  # noqa: B023
            if kind == "v":
                return z
            z = g.rms_norm(g.reshape(z, [0, 0, HEADS, HEAD]), f"{name}.{kind}_norm", NORM_EPSILON)  # noqa: B023
            return g.reshape(z, [0, 0, WIDTH])

        cache = [f"{number}.key", f"{number}.value"]
        seen = g.op(
            "GroupQueryAttention", heads("q"), heads("k"), heads("v"), *(f"past_key_values.{part}" for part in cache), lengths, longest, cos, sin,
            outputs=[f"seen_{number}", *(f"present.{part}" for part in cache)], domain=MICROSOFT,
            num_heads=HEADS, kv_num_heads=HEADS, do_rotary=1, rotary_interleaved=0,
        )
        x = g.op("Add", x, g.linear(seen, name + ".o"))
        y = g.rms_norm(x, name + ".post_norm", NORM_EPSILON)
        gate = g.linear(y, name + ".gate")
        gate = g.op("Mul", gate, g.op("Sigmoid", gate))
        x = g.op("Add", x, g.linear(g.op("Mul", gate, g.linear(y, name + ".up")), name + ".down"))
        inputs += [(f"past_key_values.{part}", FLOAT, ["batch", HEADS, "past_sequence", HEAD]) for part in cache]
        outputs += [(f"present.{part}", FLOAT, ["batch", HEADS, "present_sequence", HEAD]) for part in cache]
    transposed = g.op("Transpose", g.weight("lm_head.weight"), perm=[1, 0])
    g.op("MatMul", g.rms_norm(x, "norm", NORM_EPSILON), transposed, name="logits")
    g.save(path, "decoder_model_merged", inputs, outputs)


def configuration() -> dict[str, dict]:
    """The JSON files, as the community names and fills them."""
    text = {
        "model_type": "qwen3", "hidden_size": WIDTH, "intermediate_size": INNER, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS, "head_dim": HEAD, "vocab_size": vocabulary.SIZE, "max_position_embeddings": POSITIONS,
        "rms_norm_eps": NORM_EPSILON, "hidden_act": "silu", "tie_word_embeddings": False,
    }
    ids = {"bos_token_id": vocabulary.BOS, "eos_token_id": vocabulary.EOS, "pad_token_id": vocabulary.PAD}
    vision = {"model_type": "glance_eye", "image_size": [HEIGHT, SCREEN_WIDTH], "patch_size": [8, 16], "hidden_size": WIDTH}
    model = {
        "model_type": "llava", "architectures": ["LlavaForConditionalGeneration"], "image_token_index": vocabulary.IMAGE, "image_seq_length": IMAGE_TOKENS,
        **ids, "text_config": text, "vision_config": vision,
    }
    pixels = {
        "image_processor_type": "ViTImageProcessor", "do_resize": True, "size": {"height": HEIGHT, "width": SCREEN_WIDTH}, "resample": 3,
        "do_rescale": True, "rescale_factor": 0.00392156862745098, "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
    }
    return {"config.json": model, "generation_config.json": {**ids, "max_new_tokens": 64, "do_sample": False}, "preprocessor_config.json": pixels}


def averaged(checkpoint: Path) -> dict[str, numpy.ndarray]:
    """The shipped weights: the running average, without the heads that only training uses."""
    saved = torch.load(checkpoint, map_location="cpu", weights_only=False)
    return {name: value.float().numpy() for name, value in saved["average"].items() if not name.startswith("read_")}


def write_folder(weights: dict, folder: Path) -> None:
    (folder / "onnx").mkdir(parents=True, exist_ok=True)
    write_eye(weights, folder / "onnx" / "vision_encoder.onnx")
    write_embedding(weights, folder / "onnx" / "embed_tokens.onnx")
    write_decoder(weights, folder / "onnx" / "decoder_model_merged.onnx")
    for name, content in configuration().items():
        (folder / name).write_text(json.dumps(content, indent=2) + "\n")
    vocabulary.write(folder)
    for extra in (Path(__file__).parent / "folder").iterdir():
        shutil.copy(extra, folder / extra.name)


def main() -> None:
    checkpoint, folder = Path(sys.argv[1]), Path(sys.argv[2])
    if str(checkpoint) == "untrained":
        weights = {name: value.numpy() for name, value in Glance().state_dict().items() if not name.startswith("read_")}
    else:
        weights = averaged(checkpoint)
    write_folder(weights, folder)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{sum(value.size for value in weights.values())} parameters, {size / 1e6:.2f} MB in {folder}")


if __name__ == "__main__":
    main()
