"""Renders practice pages: `python render.py FIRST LAST OUTDIR [--wanted JSON]` writes shards FIRST..LAST-1.

A shard is 1,000 pages: `NNNN.npy`, bytes [1000, 208, 160, 3], and `NNNN.json`, their annotations.
Pages are drawn many to a screenshot, which is what makes ~100 of them a second possible.
"""

import argparse
import json
import os
import time
from pathlib import Path

import numpy

from browser import open_page_maker

WIDTH, HEIGHT = 160, 208
COLUMNS, ROWS, SCREENSHOTS = 10, 10, 10


def cut(montage: numpy.ndarray, columns: int, rows: int) -> numpy.ndarray:
    """[rows*208, columns*160, 3] to [rows*columns, 208, 160, 3]."""
    cells = montage.reshape(rows, HEIGHT, columns, WIDTH, 3).transpose(0, 2, 1, 3, 4)
    return cells.reshape(rows * columns, HEIGHT, WIDTH, 3)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("first", type=int)
    arguments.add_argument("last", type=int)
    arguments.add_argument("out", type=Path)
    arguments.add_argument("--words", type=Path, default=Path("work/words.json"))
    arguments.add_argument("--wanted", default="{}", help="fix kind, look or fresh, as JSON")
    options = arguments.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    browser = open_page_maker(WIDTH * COLUMNS, HEIGHT * ROWS, json.loads(options.words.read_text()))
    for shard in range(options.first, options.last):
        started = time.time()
        images, notes = [], []
        for part in range(SCREENSHOTS):
            seed = shard * SCREENSHOTS + part + 1
            notes += json.loads(browser.evaluate(f"drawMontage({seed}, {COLUMNS}, {ROWS}, {options.wanted})"))
            images.append(cut(browser.screenshot(), COLUMNS, ROWS))
        (options.out / f"{shard:04}.json").write_text(json.dumps(notes))
        unfinished = options.out / f"{shard:04}.part.npy"
        numpy.save(unfinished, numpy.concatenate(images))
        os.rename(unfinished, options.out / f"{shard:04}.npy")
        print(f"shard {shard}: {len(notes) / (time.time() - started):.0f} pages a second", flush=True)
    browser.close()


if __name__ == "__main__":
    main()
