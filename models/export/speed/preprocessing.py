"""How fast images are prepared, beside Pillow and numpy, and resized, beside `fast_image_resize`.

    python models/export/speed/preprocessing.py > table.md

builds `cargo bench -p percept-models --bench processors` and has it and transformers' own processors prepare the same two
pictures in turns, each on one thread. What is printed are ratios of medians and, in brackets, of the shortest times. The
times are the processor's (Linux alone tells another process's), so that a machine's other work counts little. `--bench FILE`
takes a bench that is built already, `--rounds N` more or fewer turns (9).
"""

import argparse
import json
import statistics
import subprocess
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import (
    BlipImageProcessor,
    CLIPImageProcessor,
    GotOcr2ImageProcessor,
    Idefics3ImageProcessor,
    IdeficsImageProcessor,
    JanusImageProcessor,
    Lfm2VlImageProcessor,
    LlavaImageProcessor,
    LlavaNextImageProcessor,
    LlavaOnevisionImageProcessor,
    Qwen2VLImageProcessor,
    SiglipImageProcessor,
    SmolVLMImageProcessor,
    ViTImageProcessor,
)
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
from transformers.models.idefics.image_processing_pil_idefics import IdeficsImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.janus.image_processing_pil_janus import JanusImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
from transformers.models.llava_onevision.image_processing_pil_llava_onevision import LlavaOnevisionImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

PICTURES = [(1280, 720), (1920, 1080)]
# Name, the class with Pillow and the one with torchvision, settings: those of `models/benches/processors.rs`.
PROCESSORS = [
    ("CLIPImageProcessor", CLIPImageProcessorPil, CLIPImageProcessor, {}),
    ("SiglipImageProcessor", SiglipImageProcessorPil, SiglipImageProcessor, {}),
    ("ViTImageProcessor", ViTImageProcessorPil, ViTImageProcessor, {}),
    ("BlipImageProcessor", BlipImageProcessorPil, BlipImageProcessor, {}),
    ("IdeficsImageProcessor", IdeficsImageProcessorPil, IdeficsImageProcessor, {}),
    ("LlavaImageProcessor", LlavaImageProcessorPil, LlavaImageProcessor,
     {"do_pad": True, "size": {"shortest_edge": 336}, "crop_size": 336}),
    ("Idefics3ImageProcessor", Idefics3ImageProcessorPil, Idefics3ImageProcessor, {}),
    ("SmolVLMImageProcessor", SmolVLMImageProcessorPil, SmolVLMImageProcessor,
     {"size": {"longest_edge": 2048}, "max_image_size": {"longest_edge": 512}}),
    ("Qwen2VLImageProcessor", Qwen2VLImageProcessorPil, Qwen2VLImageProcessor,
     {"size": {"shortest_edge": 3136, "longest_edge": 12845056}}),
    ("Lfm2VlImageProcessor", None, Lfm2VlImageProcessor, {}),
    ("GotOcr2ImageProcessor", GotOcr2ImageProcessorPil, GotOcr2ImageProcessor,
     {"crop_to_patches": True, "size": {"height": 448, "width": 448}, "max_patches": 12}),
    ("LlavaNextImageProcessor", LlavaNextImageProcessorPil, LlavaNextImageProcessor,
     {"size": {"shortest_edge": 336}, "crop_size": 336}),
    ("LlavaOnevisionImageProcessor", LlavaOnevisionImageProcessorPil, LlavaOnevisionImageProcessor, {}),
    ("JanusImageProcessor", JanusImageProcessorPil, JanusImageProcessor, {}),
]
FILTERS = {
    "Bilinear": Image.Resampling.BILINEAR,
    "Bicubic": Image.Resampling.BICUBIC,
    "Lanczos": Image.Resampling.LANCZOS,
}
RESIZES = [(1288, 728), (398, 224), (384, 384), (2048, 1152)]


def main():
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bench", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    with Bench(arguments.bench or built()) as bench:
        pictures = {size: screenshot(*size) for size in PICTURES}
        processors(bench, pictures, arguments.rounds)
        resizes(bench, pictures, arguments.rounds)


def processors(bench, pictures, rounds):
    """Prints how many times as fast as transformers each processor is."""
    columns = [f"{width}×{height}, {way}" for width, height in pictures for way in ("Pillow", "torchvision")]
    print("| processor, times as fast | " + " | ".join(columns) + " |")
    print("|---" * (1 + len(columns)) + "|")
    for name, *_ in PROCESSORS:
        row = [cell for picture in pictures.values() for cell in ratios(bench, name, picture, rounds)]
        print(f"| {name} | " + " | ".join(row) + " |", flush=True)


def ratios(bench, name, picture, rounds):
    """How many times as fast as transformers one processor is with Pillow, and with torchvision."""
    found = []
    _, *classes, settings = next(row for row in PROCESSORS if row[0] == name)
    for suffix, made in zip(("", "Fast"), classes):
        if made is None:
            found.append("–")
            continue
        processor = made(**settings)
        case = "{}{} {}×{}".format(name, suffix, *picture.size)
        ours, theirs = in_turns(rounds, [
            lambda: bench(case),
            timed(lambda: processor(picture, return_tensors="np")),
        ])
        found.append(ratio(theirs, ours))
    return found


def resizes(bench, pictures, rounds):
    """Prints how much longer than `fast_image_resize` a resize takes, and how many times as fast as Pillow it is."""
    print("\n| resize | filter | time, fast_image_resize's = 1 | times as fast as Pillow |\n|---|---|---|---|")
    for (width, height), picture in pictures.items():
        for wide, high in RESIZES:
            for name, resample in FILTERS.items():
                case = f"{name} {width}×{height} to {wide}×{high}"
                ours, fastest, pillow = in_turns(rounds, [
                    lambda: bench(f"resize {case}"),
                    lambda: bench(f"fast_image_resize {case}"),
                    timed(lambda: picture.resize((wide, high), resample)),
                ])
                size = f"{width}×{height} to {wide}×{high}"
                print(f"| {size} | {name} | {ratio(ours, fastest)} | {ratio(pillow, ours)} |", flush=True)


def in_turns(rounds, cases):
    """The median and the least of each case's times, taken in turns after one that doesn't count."""
    times = [[case() for case in cases] for _ in range(rounds + 1)][1:]
    return [(statistics.median(each), min(each)) for each in zip(*times)]


def ratio(one, other):
    """One case's times over another's."""
    median, least = (a / b for a, b in zip(one, other))
    return f"{median:.2f} ({least:.2f})"


def timed(work):
    """A case that does the work and gives its milliseconds of this process."""
    def case():
        begun = time.process_time()
        work()
        return (time.process_time() - begun) * 1e3
    return case


def screenshot(width, height):
    """A picture like a screenshot, the one of `models/benches/processors.rs`."""
    x = np.arange(width, dtype=np.int64)[None, :]
    y = np.arange(height, dtype=np.int64)[:, None]
    window = (x // 320 + y // 240) % 3
    mark = (window > 0) & (y % 18 < 11) & ((x * 7 + y // 18 * 13) % 29 < 9) & ((x // 3 * 5 + y) % 4 < 2)
    ground = np.where(window == 0, x // 8 + y // 8, 255 - window * 20)
    channels = [np.where(mark, 30 + 20 * channel, ground + channel) & 255 for channel in range(3)]
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


def built():
    """The bench, built."""
    command = ["cargo", "bench", "-p", "percept-models", "--bench", "processors", "--no-run", "--message-format=json"]
    root = Path(__file__).resolve().parents[3]
    lines = subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    found = [line["executable"] for line in map(json.loads, lines) if line.get("executable")]
    return Path(found[-1])


class Bench:
    """The bench at work: it is told a case, and says when it is done."""

    def __init__(self, path):
        self.process = subprocess.Popen([path, "--turns"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        # What `clock_getcpuclockid` gives for a process.
        self.clock = ~self.process.pid << 3 | 2

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()

    def __call__(self, case):
        begun = time.clock_gettime(self.clock)
        self.process.stdin.write(case + "\n")
        self.process.stdin.flush()
        float(self.process.stdout.readline())
        return (time.clock_gettime(self.clock) - begun) * 1e3


if __name__ == "__main__":
    main()
