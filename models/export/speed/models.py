"""How fast models load, see, read and write, beside a bare loop in Python over the same graphs, and what memory they take.

    python models/export/speed/models.py [NAME …] > table.md

makes models of some 100 MB with random weights (`make.py --large`) in the folder of `--models` where they are missing,
builds `cargo bench -p percept-models --bench models`, and has it and `bare.py` ask each model the same question in turns:
the same graphs, the same tokens, the same threads, and the replies must be equal. Where a process's pages come to lie makes
the very same loop a tenth slower or faster as long as it lives; so all are started anew `--starts` times, and take
`--rounds` turns each time. `--bench FILE` takes a bench that is built already, `--threads N` more than one, `--wall` the clock
on the wall in place of the processor's (which other work on a machine disturbs less), `--no-preprocessing` leaves images
out. On a machine with several cores `taskset -c 1` before the command makes the numbers steadier.

First come the folder's graphs in MB, and the memory that loading added over their size: resident pages, but for those of
ONNX Runtime's library, of which the first model that is loaded needs more than starting it. Then ratios of
times, of which more than 1 means slower than the faster of the two bare loops: until the first token with the image to be
seen, the same with the image's features remembered, and the other 63 tokens; medians over the starts of medians over the
turns. In brackets stands what a bare loop comes to in the same way beside itself, which would be 1 could it be measured
exactly. The last are the times that Pillow and numpy, and torchvision, take to prepare a screenshot, over ours.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
RECIPES = HERE.parent
# Who asks: the last is the one before it once more.
TURNS = ["ours", "run", "bind", "again"]
# What is timed of a turn.
SEEING, READING, WRITING = range(3)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--models", type=Path, default=Path.home() / ".cache" / "percept-speed")
    parser.add_argument("--bench", type=Path)
    parser.add_argument("--processors", type=Path)
    parser.add_argument("--starts", type=int, default=9)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--wall", action="store_true")
    parser.add_argument("--no-preprocessing", action="store_true")
    arguments = parser.parse_args()
    names = arguments.names or families()
    missing = [name for name in names if not (arguments.models / name / "golden.json").exists()]
    for name in missing:
        # One process each, so that the memory of one is free before the next.
        command = [sys.executable, RECIPES / "make.py", "--large", arguments.models, name]
        subprocess.run(command, check=True, stdout=sys.stderr)
    bench = arguments.bench or built("models")
    images = None if arguments.no_preprocessing else Images(arguments.processors or built("processors"))
    print("| model | MB | memory | first token | prefill | decode | preparing: Pillow | torchvision |\n|---|---|---|---|---|---|---|---|")
    for name in names:
        folder = arguments.models / name
        row = measured(bench, folder, arguments)
        row += images.of(folder) if images else ["", ""]
        print(f"| {name} | " + " | ".join(row) + " |", flush=True)


def families():
    """Every family with a recipe."""
    command = [sys.executable, "-c", "import make; print(*make.FAMILIES)"]
    return subprocess.run(command, cwd=RECIPES, check=True, stdout=subprocess.PIPE, text=True).stdout.split()


def built(name):
    """A bench, built."""
    command = ["cargo", "bench", "-p", "percept-models", "--bench", name, "--no-run", "--message-format=json"]
    lines = subprocess.run(command, cwd=HERE.parents[2], check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    return Path([line["executable"] for line in map(json.loads, lines) if line.get("executable")][-1])


def measured(bench, folder, arguments):
    """One model's size, memory and ratios, in words."""
    size = sum(file.stat().st_size for file in (folder / "onnx").iterdir())
    starts = [started(bench, folder, arguments) for _ in range(arguments.starts)]
    memory = statistics.median(added for added, _ in starts) / size
    times = {
        name: [statistics.median(found[name][stage] for _, found in starts) for stage in (SEEING, READING, WRITING)]
        for name in TURNS
    }
    ratios = []
    for ours, run, bind, again in zip(*times.values()):
        ratios.append(f"{ours / min(run, bind):.2f} ({again / bind:.2f})")
    return [f"{size / 1e6:.0f}", f"{memory:.2f}", *ratios]


def started(bench, folder, arguments):
    """The bytes that loading added to ours, and everybody's three times, medians over turns, in processes of their own."""
    commands = {name: [sys.executable, HERE / "bare.py", "run" if name == "run" else "bind"] for name in TURNS}
    commands["ours"] = [bench, "--turns"]
    at_work = {name: Told([*commands[name], str(arguments.threads), folder], arguments.wall) for name in TURNS}
    try:
        before = at_work["ours"].resident()
        for told in at_work.values():
            told("load")
        added = at_work["ours"].resident() - before
        times = {name: [[], [], []] for name in TURNS}
        for turn in range(arguments.rounds + 1):
            # Who comes first changes, and the first turn doesn't count.
            first = turn % len(TURNS)
            order = TURNS[first:] + TURNS[:first]
            replies = {name: one_turn(at_work[name], times[name], counts=turn > 0) for name in order}
            assert len({json.dumps(reply) for reply in replies.values()}) == 1, f"{folder}: other tokens: {replies}"
    finally:
        for told in at_work.values():
            told.close()
    return added, {name: list(map(statistics.median, stages)) for name, stages in times.items()}


def one_turn(told, times, counts):
    """Has one of them see, read and write, and notes the times; gives the reply."""
    told("see")
    seeing, _ = told("first")
    told("again")
    reading, _ = told("first")
    writing, reply = told("rest")
    if counts:
        for noted, taken in zip(times, (seeing, reading, writing)):
            noted.append(taken)
    return json.loads(reply)


class Told:
    """A process that does what each line says, and tells when it is done."""

    def __init__(self, command, on_the_wall):
        environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1"}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        # What `clock_getcpuclockid` gives for a process.
        self.clock = time.CLOCK_MONOTONIC if on_the_wall else ~self.process.pid << 3 | 2
        self.answer()

    def __call__(self, word):
        """The milliseconds that a word took, and its answer."""
        begun = time.clock_gettime(self.clock)
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        answer = self.answer()
        return (time.clock_gettime(self.clock) - begun) * 1e3, answer

    def answer(self):
        line = self.process.stdout.readline()
        assert line, f"{self.process.args} ended"
        return line

    def resident(self):
        """Bytes of its pages that are in memory, those of files too, but for the program's and its libraries'."""
        program = str(Path(self.process.args[0]).resolve())
        total, counts = 0, True
        for line in Path(f"/proc/{self.process.pid}/smaps").read_text().splitlines():
            first, *words = line.split()
            if not first.endswith(":"):
                # Where a mapping begins: addresses, rights, place, device, node, and the file's path if it is one's.
                path = words[4] if len(words) > 4 else ""
                counts = ".so" not in path and path != program
            elif first == "Rss:" and counts:
                total += int(words[0]) * 1024
        return total

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Images:
    """Image processors beside transformers' own."""

    def __init__(self, bench):
        import preprocessing

        self.parts, self.bench, self.known = preprocessing, preprocessing.Bench(bench), {}
        self.picture = preprocessing.screenshot(*preprocessing.PICTURES[0])

    def of(self, folder):
        """How many times as fast the folder's class is as with Pillow, and as with torchvision."""
        settings = folder / "preprocessor_config.json"
        if not settings.exists():
            return ["–", "–"]
        name = json.loads(settings.read_text())["image_processor_type"].removesuffix("Pil").removesuffix("Fast")
        if name not in self.known:
            self.known[name] = self.parts.ratios(self.bench, name, self.picture, rounds=7)
        return self.known[name]


if __name__ == "__main__":
    main()
