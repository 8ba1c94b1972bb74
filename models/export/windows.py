"""Goldens of attention over a window: what transformers makes of a long text whose middle is masked.

The models are those of the tiny folders, which must be there. Every token sees the first few and its last few, by a mask
of four dimensions over the whole text at once, with no cache; positions are the text's own. A host that lets the middle
of its cache go must give the same.
"""

import importlib
import shutil

import numpy as np
import torch

import goldens
import qwen2_vl
import seeds
import verify
import videos
from folder import Folder

# How many tokens of a text, sinks, and recent ones: many blocks, no sinks, blocks of one token, and all of it.
CASES = [(150, 4, 32), (150, 0, 24), (90, 2, 6), (200, 1, 65), (60, 4, 64)]
# The last one tells time, height and width apart, and is shown text alone.
FAMILIES = ["qwen2", "qwen3", "qwen2_vl"]


def begins(position, sinks, recent):
    """The first position after the sinks that a token sees: they are let go an eighth of the recent ones at a time."""
    block = max(recent // 8, 1)
    return sinks + max(position - sinks - recent, 0) // block * block


def mask(tokens, sinks, recent):
    """What each token sees, `[1, 1, tokens, tokens]`: 0, or nearly minus infinity."""
    seen = np.zeros((tokens, tokens), bool)
    for position in range(tokens):
        seen[position, : min(sinks, position + 1)] = True
        seen[position, begins(position, sinks, recent) : position + 1] = True
    least = torch.finfo(torch.float32).min
    return torch.where(torch.from_numpy(seen), 0.0, least)[None, None]


def last_logits(model, ids, sinks, recent):
    """The scores after the last token."""
    positions = torch.arange(len(ids))[None]
    if hasattr(model.model, "language_model"):
        positions = positions.expand(3, 1, -1)
    with torch.no_grad():
        given = mask(len(ids), sinks, recent)
        return model(torch.tensor([ids]), attention_mask=given, position_ids=positions, use_cache=False).logits[0, -1]


def record(model, vocabulary, place, tokens, sinks, recent):
    """The golden of one text."""
    random = np.random.default_rng(place)
    ids = random.integers(0, vocabulary, tokens).tolist()
    whole = last_logits(model, ids, tokens, tokens)
    with torch.no_grad():
        usual = model(torch.tensor([ids])).logits[0, -1]
    assert (whole - usual).abs().max() < verify.TOLERANCE, "a mask over everything is another one"
    reply, logits = [], []
    for _ in range(goldens.REPLY):
        logits.append(last_logits(model, ids + reply, sinks, recent))
        reply.append(int(logits[-1].argmax()))
    margin = goldens.margin(torch.stack(logits))
    if margin <= seeds.MARGIN / 4:
        raise verify.Unclear(f"a margin of {margin:.1e}")
    if recent + sinks < tokens:
        assert (logits[0] - whole).abs().max() > verify.SEEN, "the window doesn't matter"
    return {
        "sinks": sinks,
        "recent": recent,
        "input_ids": ids,
        "first_logits": [float(f"{value:.9g}") for value in logits[0].tolist()],
        "greedy": reply,
    }


def make(path):
    """Writes each family's goldens."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    for name in FAMILIES:
        family = importlib.import_module(name)
        processor = family.processor()
        model = videos.same_model(family, name, Folder(path.parent / f"{name}-tiny"), processor)
        recorded, place = [], 0
        # Tokens that stand for what is shown come last.
        words = len(processor.tokenizer) - (len(qwen2_vl.LAST_TOKENS) if name == "qwen2_vl" else 0)
        for case in CASES:
            # Another text where the best token isn't clear.
            while True:
                place += 1
                try:
                    recorded.append(record(model, words, place, *case))
                    break
                except verify.Unclear:
                    continue
        goldens.write(recorded, path / f"{name}.json")
        print(f"windows/{name}.json: {len(recorded)} cases, {place} texts")
