"""What reading and writing cost outside of ONNX Runtime's library, in Percept and in the bare loops.

    python models/export/speed/outside.py [NAME …] > table.md

The library does the same work for both, but the time it takes for that differs by a tenth from process to process: where pages
lie, and who else uses the memory. What a host adds is far steadier, and is what it is answerable for: so Linux's `perf`, which
has to be installed, samples the processor while the words of `models.py` are obeyed, and what is printed is the share of the
samples outside of the library, ours and, in brackets, the lesser of the two bare loops'; then how long a host that adds ours
takes over one that adds theirs. The folders are those that `models.py` makes, which must have run before; `--bench FILE` takes
a bench that is built already. Of what Python's module holds beside the library, its bindings, all counts as the library's.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from models import HERE, Told, built, families

# Whose samples are counted: two stages of a turn.
STAGES = ["prefill", "decode"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--models", type=Path, default=Path.home() / ".cache" / "percept-speed")
    parser.add_argument("--bench", type=Path)
    parser.add_argument("--turns", type=int, default=4)
    arguments = parser.parse_args()
    bench = arguments.bench or built("models")
    print("| model | prefill: outside | over theirs | decode: outside | over theirs |\n|---|---|---|---|---|")
    for name in arguments.names or families():
        commands = [[bench, "--turns"], *([sys.executable, HERE / "bare.py", form] for form in ("run", "bind"))]
        found = [shares([*command, "1", arguments.models / name], arguments.turns) for command in commands]
        cells = []
        for stage in STAGES:
            ours, *bare = (share[stage] for share in found)
            cells += [f"{ours:.2%} ({min(bare):.2%})", f"{(1 - min(bare)) / (1 - ours):.3f}"]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def shares(command, turns):
    """The share of samples outside of the library, by the stage."""
    told = Told(command, on_the_wall=True)
    try:
        for word in ("load", "see", "first", "rest"):
            told(word)
        found = {}
        for stage in STAGES:
            with Sampled(told.process.pid) as sampled:
                for _ in range(turns):
                    told("again")
                    if stage == "prefill":
                        sampled.during(lambda: told("first"))
                        told("rest")
                    else:
                        told("first")
                        sampled.during(lambda: told("rest"))
            found[stage] = sampled.outside
        return found
    finally:
        told.close()


class Sampled:
    """A process that `perf` looks at now and then."""

    def __init__(self, process):
        self.process, self.outside = process, None

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.paths = [os.path.join(self.folder.name, name) for name in ("data", "control", "answers")]
        data, control, answers = self.paths
        os.mkfifo(control)
        os.mkfifo(answers)
        command = ["perf", "record", "-e", "cpu-clock", "-F", "4000", "-D", "-1", "-p", str(self.process), "-o", data]
        command.append(f"--control=fifo:{control},{answers}")
        self.perf = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.control, self.answers = open(control, "w"), open(answers)
        return self

    def during(self, work):
        """Looks at it while the work is done."""
        self.told("enable")
        work()
        self.told("disable")

    def told(self, word):
        self.control.write(word + "\n")
        self.control.flush()
        self.answers.readline()

    def __exit__(self, *failure):
        self.told("stop")
        self.perf.wait()
        command = ["perf", "report", "-i", self.paths[0], "--sort", "dso", "-g", "none", "--stdio"]
        lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
        parts = [(float(share), name) for share, name in re.findall(r"([\d.]+)%\s+(\S+)", lines)]
        assert parts, f"perf saw nothing: {lines}"
        self.outside = 1 - sum(share for share, name in parts if "onnxruntime" in name) / sum(share for share, _ in parts)
        self.control.close()
        self.answers.close()
        self.folder.cleanup()


if __name__ == "__main__":
    main()
