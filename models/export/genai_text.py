"""onnxruntime-genai's layout of the language models that see nothing, as its builder writes it: a folder a family, which
holds what the family's own has otherwise. The same weights, so that the fp32 graph is held to the same goldens; those of
the 4-bit one are what onnxruntime-genai itself replies."""

import importlib
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime_genai

import genai_builder
import goldens
import graphs
import seeds
import verify

# (Not Gemma 3: the builder can't read its configuration. Not Qwen2.5: the tiny one's heads are shorter than its operator
# takes.)
FAMILIES = ["llama", "mistral", "phi3", "qwen3"]
# What is changed in a configuration: the builder gives a window only to layers that are said to have one. There the
# operator keeps it in the cache by itself (`sliding_window_cache`).
CHANGED = {"mistral": {"layer_types": ["sliding_attention"] * 2}}
# Those that are there in 4 bits too: the weights of the others win too narrowly by then to be compared elsewhere.
PACKED = ["llama"]


def make(path):
    """Writes each family's folder into `path`, made anew."""
    shutil.rmtree(path, ignore_errors=True)
    for name in FAMILIES:
        source, target = path.parent / f"{name}-tiny", path / name
        target.mkdir(parents=True)
        recorded = json.loads((source / "golden.json").read_text(encoding="utf-8"))
        text = known(importlib.import_module(name), recorded)
        config = write(text, source, target / "model.onnx", "fp32", CHANGED.get(name, {}))
        (target / "genai_config.json").write_text(json.dumps(config, indent=4) + "\n", encoding="utf-8")
        replied = replies(source, target, recorded)
        furthest = max(distance(golden, reply) for golden, reply in zip(recorded, replied))
        print(f"genai_text/{name}: onnxruntime-genai's logits within {furthest:.1e} of torch's")
        if name in PACKED:
            write(text, source, target / "model_int4.onnx", "int4")
            packed = replies(source, target, recorded, "model_int4.onnx")
            assert all(goldens.margin(logits) > seeds.MARGIN / 4 for logits, _ in packed), f"{name}: int4 is unclear"
            goldens.write([
                {
                    "name": golden["name"],
                    "first_logits": [float(f"{value:.9g}") for value in logits[0].tolist()],
                    "greedy": tokens,
                }
                for golden, (logits, tokens) in zip(recorded, packed)
            ], target / "int4.json")


def known(family, recorded):
    """The model whose goldens these are: the search comes by it again."""
    processor, cases = family.processor(), family.cases()
    inputs = [goldens.prepare(case, processor)[1] for case in cases]
    for _, model in seeds.search(family, processor, cases):
        if all(goldens.reply(model, of)[1] == golden["greedy"] for of, golden in zip(inputs, recorded)):
            return model
    raise RuntimeError(f"no model of {family.__name__} gives its goldens")


def write(text, source, path, precision, changed=()):
    """Builds the graph, and returns the configuration beside it."""
    graph, config = genai_builder.built(text, source, precision, changed)
    graphs.save(graph, path)
    return config


def arrange(source, target, place, graph="model.onnx"):
    """The whole folder, as somebody would have it."""
    for file in source.iterdir():
        if file.is_file() and file.name not in ("config.json", "generation_config.json"):
            shutil.copy(file, place)
    shutil.copy(target / graph, Path(place, "model.onnx"))
    shutil.copy(target / "genai_config.json", place)


def replies(source, target, recorded, graph="model.onnx"):
    """What onnxruntime-genai itself replies to each prompt: logits of each step, and the tokens."""
    with tempfile.TemporaryDirectory() as place:
        arrange(source, target, place, graph)
        model = onnxruntime_genai.Model(place)
        return [reply(model, golden["input_ids"]) for golden in recorded]


def reply(model, ids):
    """The greedy reply. Nothing ends one early."""
    params = onnxruntime_genai.GeneratorParams(model)
    params.set_search_options(do_sample=False, max_length=len(ids) + goldens.REPLY + 1)
    generator = onnxruntime_genai.Generator(model, params)
    generator.append_tokens(ids)
    logits, tokens = [], []
    while len(tokens) < goldens.REPLY:
        rows = np.array(generator.get_logits())
        logits.append(rows.reshape(-1, rows.shape[-1])[-1])
        tokens.append(int(logits[-1].argmax()))
        generator.append_tokens([tokens[-1]])
    return np.array(logits), tokens


def distance(golden, replied):
    """How far the first logits are from a golden's, whose tokens must be the same."""
    logits, tokens = replied
    assert tokens == golden["greedy"], f"{golden['name']}: another reply"
    furthest = float(np.abs(logits[0] - np.array(golden["first_logits"], np.float32)).max())
    assert furthest <= verify.TOLERANCE, f"{golden['name']}: logits {furthest} off"
    return furthest
