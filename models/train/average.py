"""Averages a checkpoint with a shipped folder, weight by weight (model soups, Wortsman et al. 2022):
`python average.py CHECKPOINT FOLDER SHARE OUT` writes a checkpoint with SHARE of the folder in it."""

import argparse
from pathlib import Path

import torch

from shipped import weights


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("checkpoint", type=Path)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("share", type=float, help="of the folder's weights, 0 to 1")
    arguments.add_argument("out", type=Path)
    options = arguments.parse_args()
    before = {name: torch.from_numpy(value) for name, value in weights(options.folder).items()}
    saved = torch.load(options.checkpoint, map_location="cpu", weights_only=False)
    unknown = [name for name in before if name not in saved["average"]]
    if unknown:
        raise ValueError(f"another model: the checkpoint lacks {unknown}")
    for name, value in saved["average"].items():
        if name in before:  # the heads that only training uses aren't shipped
            saved["average"][name] = options.share * before[name] + (1 - options.share) * value
    torch.save(saved, options.out)
    print(f"{len(before)} weights averaged")


if __name__ == "__main__":
    main()
