"""The check that an exported folder gives the goldens back in ONNX Runtime, and nothing less."""

import numpy as np
from tokenizers import Tokenizer

import goldens
from sessions import COUNTS_FROM_ONE, Sessions

# How far a logit may be from torch's.
TOLERANCE = 1e-4
# How far the logits must move when the image is taken away: less means that it isn't looked at.
SEEN = 0.5


class Unclear(Exception):
    """A reply whose best token wins by too little to be compared elsewhere."""


def check(folder, recorded, least_margin, kind=Sessions, exact_q4=False):
    """Runs every case on every decoder of the folder, and adds to each golden what the 4-bit
    decoder replies, which has no counterpart in torch unless its weights are the model's own (`exact_q4`). `kind` is
    how the folder's graphs are run."""
    tokenizer = Tokenizer.from_file(str(folder.path / "tokenizer.json"))
    name = kind.decoder_name if kind is not Sessions else folder.decoder
    paths = sorted(folder.path.glob(f"onnx/{name}*.onnx"))
    assert paths, f"{folder.path} has no {name}"
    for path in paths:
        suffix = path.stem.removeprefix(name)
        sessions = kind(folder, suffix)
        furthest, closest = 0.0, np.inf
        for golden in recorded:
            embeds = prompt_embeddings(sessions, golden)
            places = golden.get("position_ids")
            logits, tokens = sessions.reply(embeds, goldens.REPLY, places)
            closest = min(closest, goldens.margin(logits))
            if suffix == "_q4" and not exact_q4:
                golden["q4"] = {
                    "first_logits": [float(f"{value:.9g}") for value in logits[0].tolist()],
                    "greedy": tokens,
                    "text": tokenizer.decode(tokens),
                }
                continue
            expected = golden.get(suffix.removeprefix("_"), golden)
            distance = np.abs(logits[0] - np.array(expected["first_logits"], np.float32)).max()
            furthest = max(furthest, float(distance))
            assert tokens == expected["greedy"], f"{path.name}, {golden['name']}: another reply"
            if sessions.config["model_type"] not in COUNTS_FROM_ONE:
                in_chunks(sessions, embeds, logits[0], places)
        assert furthest <= TOLERANCE, f"{path.name}: logits {furthest} off"
        if closest < least_margin:
            raise Unclear(f"{path.name}: a margin of {closest:.1e}")
        print(f"{path.name}: logits within {furthest:.1e}, least margin {closest:.1e}")


def prompt_embeddings(sessions, golden):
    """The merged embeddings of a golden's prompt. On the way: tiles encoded one by one must equal
    tiles encoded together, and the picture must matter."""
    if golden["pixel_values"] is None:
        return sessions.embeddings(golden["input_ids"])
    pixels = goldens.tensor_values(golden["pixel_values"])
    grids = golden.get("image_grid_thw") or golden.get("spatial_shapes")
    places = golden.get("position_ids")
    features = sessions.features(pixels, grids)
    single = [sessions.features(*part) for part in parts(pixels, grids)]
    assert np.abs(np.concatenate(single) - features).max() <= TOLERANCE, "tiles depend on each other"
    if golden.get("image_sizes"):
        features = sessions.packed(features, golden["image_sizes"])
    embeds = sessions.embeddings(golden["input_ids"], features)
    seeing, _ = sessions.step(embeds, sessions.empty_cache(), places)
    blind = sessions.embeddings(golden["input_ids"], np.zeros_like(features))
    guessing, _ = sessions.step(blind, sessions.empty_cache(), places)
    assert np.abs(seeing[-1] - guessing[-1]).max() > SEEN, f"{golden['name']}: the image isn't seen"
    return embeds


def parts(pixels, grids):
    """What the vision session is fed for each tile, or each image in patches, by itself."""
    if pixels.ndim == 3:
        return [(pixels[place : place + 1], grids[place : place + 1]) for place in range(len(pixels))]
    if grids is not None:
        ends = np.cumsum(np.prod(grids, axis=1))[:-1]
        return [(patches, [grid]) for patches, grid in zip(np.split(pixels, ends), grids)]
    tiles = pixels.reshape(-1, *pixels.shape[-3:])
    return [(tile[None, None] if pixels.ndim == 5 else tile[None], None) for tile in tiles]


def in_chunks(sessions, embeds, first_logits, places=None):
    """A prompt given in two pieces must give what it gives in one."""
    cut = sessions.cut(embeds)
    before, after = (None, None) if places is None else np.split(np.array(places), [cut], axis=1)
    _, cache = sessions.step(embeds[:, :cut], sessions.empty_cache(), before)
    logits, _ = sessions.step(embeds[:, cut:], cache, after)
    assert np.abs(logits[-1] - first_logits).max() <= TOLERANCE, "a prefill in chunks differs"
