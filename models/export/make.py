"""Makes every folder under `models/tests/data`, and `runtime/tests/data`, or those that are named: `python make.py
[NAME …]`; with `--large DIR NAME …` larger ones of the named families under another folder, to measure speed with
(`large.py`).

Each model is written, loaded back by transformers, recorded, and then run by ONNX Runtime, which
must give the same; a folder that fails a check gets no goldens.
"""

import importlib
import logging
import os
import sys
import warnings
from pathlib import Path

# Read while the libraries below are imported, so set before.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
warnings.filterwarnings("ignore")

import torch  # noqa: E402
import transformers  # noqa: E402

import goldens  # noqa: E402
import large  # noqa: E402
import seeds  # noqa: E402
import verify  # noqa: E402
from folder import Folder  # noqa: E402

DATA = Path(__file__).resolve().parent.parent / "tests" / "data"
# What converses, and what matches images and texts.
FAMILIES = [
    "smolvlm",
    "llava",
    "qwen2_vl",
    "qwen2_5_vl",
    "qwen3_vl",
    "qwen3_vl_moe",
    "qwen3_5",
    "lfm2_vl",
    "blip_2",
    "idefics",
    "internvl",
    "llava_next",
    "llava_onevision",
    "janus",
    "chameleon",
    "emu3",
    "llama",
    "qwen2",
    "qwen3",
    "paligemma",
    "gemma3",
    "gemma3_text",
    "mistral",
    "phi3",
    "phi3_v",
    "florence2",
]
DUAL_ENCODERS = ["clip", "siglip"]
# What has a folder of its own beside the models.
BESIDE = [
    "genai",
    "genai_gemma3",
    "genai_text",
    "idefics3",
    "processors",
    "resize",
    "templates",
    "videos",
    "windows",
]
# What lies elsewhere: the engine's own tests know no models.
ELSEWHERE = {"engine_decoders": DATA.parents[2] / "runtime" / "tests" / "data"}
# The most that a family may take in the repository.
LARGEST = 1_000_000


def make_family(name):
    """Writes one family's folder: settings, graphs, pictures and goldens."""
    family = importlib.import_module(name)
    processor = family.processor()
    cases = family.cases()
    # Traced examples are random too; from one seed, the files come out the same every time.
    torch.manual_seed(0)
    for seed, model in seeds.search(family, processor, cases):
        folder = Folder.emptied(DATA / f"{name}-tiny")
        try:
            recorded = write_family(family, folder, processor, model, cases)
        except verify.Unclear as unclear:
            print(f"{name}: seed {seed}: {unclear}, trying the next")
            continue
        size = folder.size()
        assert size <= LARGEST, f"{folder.path} takes {size} bytes, more than {LARGEST}"
        print(f"{folder.path.name}: seed {seed}, {len(recorded)} cases, {size} bytes")
        return


def write_family(family, folder, processor, model, cases):
    """Writes everything of one model, checks it, and returns its goldens."""
    folder.settings(model, processor, family.settings())
    for case in cases:
        for file, image in case.pictures.items():
            image.save(folder.path / file, optimize=True)
    with torch.no_grad():
        family.export(model, folder)
    written = folder.load(family.processor())
    recorded = [goldens.record(case, written, model) for case in cases]
    # What another of the folder's decoders is held to.
    if hasattr(family, "also"):
        for golden, case in zip(recorded, cases):
            golden.update(family.also(case, written, model))
    # A family that isn't merged into the prompt checks itself.
    kind = getattr(family, "Sessions", verify.Sessions)
    check = getattr(family, "check", lambda *given, **least: verify.check(*given, **least, kind=kind))
    check(folder, recorded, least_margin=seeds.MARGIN / 4)
    for golden, case in zip(recorded, cases):
        if case.hashed:
            golden["pixel_values"] = goldens.hashed(golden["pixel_values"])
    if hasattr(family, "draw"):
        family.draw(folder, written, model, kind(folder))
    goldens.write(recorded, folder.path / "golden.json")
    texts = goldens.tokenizer_goldens(written.tokenizer)
    goldens.write(texts, folder.path / "tokenizer_golden.json")
    return recorded


def main(names):
    """Makes the named folders, or all; after `--large` and a folder, the named families larger under it."""
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    for chatty in ("torch", "onnxruntime", "onnx_ir", None):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    if names[:1] == ["--large"]:
        # What the exporters note of every node.
        logging.disable(logging.WARNING)
        for name in names[2:]:
            large.make(name, Path(names[1]) / name)
        return
    for name in names or [*FAMILIES, *DUAL_ENCODERS, *BESIDE, *ELSEWHERE]:
        if name in FAMILIES:
            make_family(name)
        elif name in DUAL_ENCODERS:
            # Traced examples are random; from one seed, the files come out the same every time.
            torch.manual_seed(0)
            importlib.import_module(name).make(DATA / f"{name}-tiny")
        else:
            importlib.import_module(name).make(ELSEWHERE.get(name, DATA / name))


if __name__ == "__main__":
    main(sys.argv[1:])
