"""Trains glance: `python train.py --out DIR --minutes 90` (again with the same DIR to go on).

Pages come as shards from `render.py`; more may be added while this runs. The checkpoint keeps the
weights, their running average (what is exported), the optimisers and the minutes spent, so a run
that was stopped goes on where it was. `--from FOLDER` starts from a shipped model folder instead.
"""

import argparse
import json
import os
import queue
import random
import signal
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy
import torch
import torch.nn.functional as F

from losses import WEIGHTS, all_losses, character_loss, reading_loss, to_pixels
from model import WIDGET_CLASSES, Glance
from muon import Muon
from packing import Packer, characters_and_widgets
from vocabulary import COORDINATES


def worth(page: dict) -> float:
    """How often a page is used. Pages that wait for typing are rare, and typing is learnt late."""
    if not page["elements"] and not page["result"]:
        return 0
    return 1 if any(element["kind"] == "field" and element["focused"] and not element["value"] for element in page["elements"]) else 0.7


def shard_pages(folder: Path, first: int, batch: int, packer: Packer, seed: int, batches: queue.Queue) -> None:
    """Reads shard after shard for ever, each in random order, and queues packed batches."""
    chance = random.Random(seed)
    number = first
    while True:
        shards = sorted(path for path in folder.glob("*.npy") if ".part" not in path.name)
        shard = shards[number % len(shards)]
        number += 1
        images, pages = numpy.load(shard), json.loads(shard.with_suffix(".json").read_text())
        order = [index for index in range(len(pages)) if chance.random() < worth(pages[index])]
        chance.shuffle(order)
        for start in range(0, len(order) - batch + 1, batch):
            chosen = order[start : start + batch]
            batches.put((number, packer.batch([pages[i] for i in chosen], images[chosen])))


def shard_reading(folder: Path, batch: int, seed: int, batches: queue.Queue) -> None:
    """Queues pictures of dense pages with the characters on them, for ever."""
    chance = random.Random(seed)
    while True:
        shard = chance.choice(sorted(path for path in folder.glob("*.npy") if ".part" not in path.name))
        images, pages = numpy.load(shard), json.loads(shard.with_suffix(".json").read_text())
        order = list(range(len(pages)))
        chance.shuffle(order)
        for start in range(0, len(order) - batch + 1, batch):
            chosen = order[start : start + batch]
            batches.put({"reading": True, "images": images[chosen], "characters": numpy.stack([characters_and_widgets(pages[i])[0] for i in chosen])})


class Workers:
    """Several single-threaded copies of the model that share its weights, each with its own gradients.

    On cores that other programs use too, copies that meet once a step get far more done than
    operators split over threads, which wait for the slowest at each of thousands of barriers.
    """

    def __init__(self, model: Glance, count: int, device: str):
        self.device = device
        self.copies = [model] + [Glance().to(device) for _ in range(count - 1)]
        for copy in self.copies[1:]:
            for own, shared in zip(copy.parameters(), model.parameters()):
                own.data = shared.data
        self.pool = ThreadPoolExecutor(count)

    def gradients(self, batches: list[dict]) -> dict[str, float]:
        """Adds the mean gradient over the batches to the first copy; returns the mean losses."""
        waiting: queue.SimpleQueue = queue.SimpleQueue()
        whole = sum("reading" not in batch for batch in batches)
        for batch in batches:
            waiting.put(batch)
        told = defaultdict(list)

        def work(copy: Glance) -> None:
            while not waiting.empty():
                try:
                    batch = waiting.get_nowait()
                except queue.Empty:
                    return
                if "reading" in batch:
                    losses = {"reading": reading_loss(copy, batch, self.device)}
                else:
                    losses, _ = all_losses(copy, batch, self.device)
                (sum(WEIGHTS[name] * loss for name, loss in losses.items()) / whole).backward()
                for name, loss in losses.items():
                    told[name].append(float(loss.detach()))

        list(self.pool.map(work, self.copies))
        for copy in self.copies[1:]:
            for own, other in zip(self.copies[0].parameters(), copy.parameters()):
                if other.grad is not None:
                    own.grad = other.grad if own.grad is None else own.grad.add_(other.grad)
                    other.grad = None
        return {name: float(numpy.mean(values)) for name, values in told.items()}


def fit_reading(model: Glance, pages: list[dict], device: str, steps: int = 400) -> str:
    """Fits the reading heads alone to the eye as it is. A shipped folder lacks them, and untrained
    they would teach the eye nonsense."""
    heads = [*model.read_characters.parameters(), *model.read_widgets.parameters()]
    adam = torch.optim.Adam(heads, 1e-2)
    with torch.no_grad():
        features = torch.cat([model.eye.features(to_pixels(torch.from_numpy(page["images"]).to(device))) for page in pages])
        tokens = torch.cat([model.eye.tokens(some)[0] for some in features.split(8)])
    shown = torch.cat([torch.from_numpy(page["characters"]) for page in pages]).to(device)
    widgets = torch.cat([torch.from_numpy(page["widgets"]) for page in pages]).to(device)
    for step in range(steps):
        chosen = torch.randint(len(features), (8,))
        characters = character_loss(model.read_characters(features[chosen]).view(*shown[chosen].shape, -1), shown[chosen])
        kinds = F.cross_entropy(model.read_widgets(tokens[chosen]).view(-1, WIDGET_CLASSES), widgets[chosen].flatten())
        adam.param_groups[0]["lr"] = 1e-2 * (1 - step / steps)
        adam.zero_grad()
        (characters + kinds).backward()
        adam.step()
    return f"reading heads fitted: characters {characters.item():.3f}, widgets {kinds.item():.3f}"


def measure(model: Glance, folder: Path, words: dict, device: str, batches: int, batch: int) -> dict:
    """Teacher-forced scores on held-out shards: the share of whole replies right (points within 8 px)."""
    model.eval()
    report = {}
    places = torch.tensor(COORDINATES)
    for shard in sorted(folder.glob("*.npy")):
        images, pages = numpy.load(shard), json.loads(shard.with_suffix(".json").read_text())
        usable = [index for index in range(len(pages)) if pages[index]["elements"]]
        packer, scores = Packer(words, seed=5), defaultdict(list)
        for start in range(0, batches * batch, batch):
            chosen = usable[start : start + batch]
            packed = packer.batch([pages[i] for i in chosen], images[chosen])
            with torch.no_grad():
                _, outputs = all_losses(model, packed, device)
            guesses, targets = outputs["logits"].argmax(-1).cpu(), torch.from_numpy(packed["targets"])
            for row, kind, first, length in packed["kinds"]:
                guess, target = guesses[row, first : first + length], targets[row, first : first + length]
                both = torch.isin(guess, places) & torch.isin(target, places) & (target.ge(0))
                near = both & ((guess - target).abs() <= 2) & torch.tensor("click" in kind.rsplit("/", 1)[-1])
                scores[kind].append(float(((guess == target) | near).all()))
            for name, (score, mask) in outputs["scores"].items():
                hit = mask.gather(1, score.argmax(1, keepdim=True)).float()
                scores["look " + name].append(float(hit.mean()))
            shown, read = torch.from_numpy(packed["characters"]), outputs["characters"].argmax(-1).cpu()
            scores["read"].append(float((read == shown)[shown > 0].float().mean()))
        report[shard.stem] = {name: (round(float(numpy.mean(values)), 3), len(values)) for name, values in sorted(scores.items())}
    model.train()
    return report


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--data", type=Path, default=Path("work/data"))
    arguments.add_argument("--reading", type=Path, help="shards of dense pages (`render.py --wanted '{\"kind\":\"dense\"}'`) to read beside the others")
    arguments.add_argument("--reading-batch", type=int, default=5)
    arguments.add_argument("--reading-until", type=float, default=0.6, help="share of the time")
    arguments.add_argument("--validation", type=Path, default=Path("work/val"))
    arguments.add_argument("--words", type=Path, default=Path("work/words.json"))
    arguments.add_argument("--minutes", type=float, default=220)
    arguments.add_argument("--cool", type=float, default=0.5, help="share of the time over which the rates fall to nothing")
    arguments.add_argument("--batch", type=int, default=2, help="pages a copy of the model takes at once")
    arguments.add_argument("--batches", type=int, default=4, help="batches a step")
    arguments.add_argument("--rate", type=float, default=4e-3, help="of Muon, for matrices")
    arguments.add_argument("--fine-rate", type=float, default=2e-3, help="of AdamW, for everything else")
    arguments.add_argument("--device", default="cpu")
    arguments.add_argument("--workers", type=int, default=2, help="copies at work, one thread each; 1 on a GPU")
    arguments.add_argument("--first-shard", type=int, default=0)
    arguments.add_argument("--measure-every", type=float, default=15, help="minutes")
    arguments.add_argument("--from", dest="start", type=Path, help="a shipped model folder to start from")
    options = arguments.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    words = json.loads(options.words.read_text())
    model = Glance().to(options.device)
    matrices = [p for name, p in model.named_parameters() if p.ndim >= 2 and not name.startswith(("embed", "lm_head", "read_")) and "code" not in name and ".look." not in name]
    chosen = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in chosen]
    muon, adam = Muon(matrices, options.rate), torch.optim.AdamW(rest, options.fine_rate, betas=(0.9, 0.98), weight_decay=0.0)
    average = {name: value.detach().clone() for name, value in model.state_dict().items()}
    state = {"seconds": 0.0, "steps": 0, "pages": 0, "instructions": 0, "shard": options.first_shard}
    checkpoint = options.out / "checkpoint.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint, map_location=options.device, weights_only=False)
        model.load_state_dict(saved["model"])
        average, state = saved["average"], saved["state"]
        muon.restore(saved["muon"])
        adam.load_state_dict(saved["adam"])
        print("going on from", state, flush=True)
    elif options.start:
        from shipped import load_weights

        print(load_weights(model, options.start), flush=True)

    readings: queue.Queue = queue.Queue(2)
    if options.reading:
        threading.Thread(target=shard_reading, args=(options.reading, options.reading_batch, state["steps"], readings), daemon=True).start()
    workers = Workers(model, options.workers, options.device)
    batches: queue.Queue = queue.Queue(12)
    packer = Packer(words, seed=11 + state["steps"])
    threading.Thread(target=shard_pages, args=(options.data, state["shard"], options.batch, packer, state["steps"], batches), daemon=True).start()

    if options.start and not state["steps"]:
        print(fit_reading(model, [batches.get()[1] for _ in range(60)], options.device), flush=True)
        average = {name: value.detach().clone() for name, value in model.state_dict().items()}

    def save() -> None:
        unfinished = checkpoint.with_suffix(".part")
        torch.save({"model": model.state_dict(), "average": average, "state": state, "muon": muon.state(), "adam": adam.state_dict()}, unfinished)
        os.rename(unfinished, checkpoint)

    def report(count: int) -> None:
        now = {name: value.clone() for name, value in model.state_dict().items()}
        model.load_state_dict(average)
        scores = measure(model, options.validation, words, options.device, count, 10)
        model.load_state_dict(now)
        line = {**state, "scores": scores}
        with (options.out / "log.jsonl").open("a") as log:
            log.write(json.dumps(line) + "\n")
        print("MEASURED", json.dumps(line), flush=True)

    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    recent: dict[str, list] = defaultdict(list)
    last, told, measured = time.time(), time.time(), time.time()
    while (share := state["seconds"] / 60 / options.minutes) < 1:
        scale = min(1, (state["steps"] + 1) / 30) * min(1, max(0.02, (1 - share) / options.cool))
        drawn = [batches.get() for _ in range(options.batches)]
        state["shard"] = drawn[-1][0]
        reading = [readings.get()] if options.reading and share < options.reading_until else []
        losses = workers.gradients(reading + [batch for _, batch in drawn])
        torch.nn.utils.clip_grad_norm_(rest, 1.0)
        for group in adam.param_groups:
            group["lr"] = options.fine_rate * scale
        adam.step()
        muon.step(scale, workers.pool)
        model.zero_grad(set_to_none=True)
        keep = min(0.99, (1 + state["steps"]) / (10 + state["steps"]))
        with torch.no_grad():
            for name, value in model.state_dict().items():
                average[name].lerp_(value, 1 - keep)
        state["steps"] += 1
        state["pages"] += options.batch * options.batches
        state["instructions"] += sum(len(batch["kinds"]) for _, batch in drawn)
        for name, loss in losses.items():
            recent[name].append(loss)
        state["seconds"] += time.time() - last
        last = time.time()
        if stopping.is_set():
            save()
            return
        if last - told > 30:
            means = " ".join(f"{name} {numpy.mean(values):.3f}" for name, values in recent.items())
            print(f"{state['seconds'] / 60:.1f} min, step {state['steps']}, {state['pages']} pages, {state['pages'] / state['seconds']:.2f}/s, {state['instructions']} instructions: {means}", flush=True)
            recent.clear()
            told = last
        if last - measured > 60 * options.measure_every:
            save()
            report(3)
            last = measured = time.time()
    save()
    report(20)


if __name__ == "__main__":
    main()
