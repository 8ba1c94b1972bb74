"""A bare loop over a folder's graphs: what `models.py` compares the runtime with.

    python models/export/speed/bare.py run|bind THREADS FOLDER

It obeys the same words on its input as `cargo bench -p percept-models --bench models -- --turns`, and answers each when it
is done. `run` calls `session.run` with numpy's arrays; `bind` leaves the decoder's cache in ONNX Runtime's own values
and binds them from run to run.
"""

import base64
import json
import os
import sys
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np  # noqa: E402

import sessions  # noqa: E402
from folder import Folder  # noqa: E402

# Tokens of a reply, as many as `models/benches/models.rs` writes.
REPLY = 64


class Kept:
    """A value of ONNX Runtime's, whose shape can be asked for as an array's."""

    def __init__(self, value):
        self.value, self.shape = value, value.shape()


class Bound:
    """A session whose outputs but the first stay where they are, and go in again bound."""

    def __init__(self, session):
        self.session, self.binding = session, session.io_binding()
        self.names = [value.name for value in session.get_outputs()]

    def run(self, _, feed):
        binding = self.binding
        binding.clear_binding_inputs()
        binding.clear_binding_outputs()
        for name, value in feed.items():
            if isinstance(value, Kept):
                binding.bind_ortvalue_input(name, value.value)
            else:
                binding.bind_cpu_input(name, np.ascontiguousarray(value))
        for name in self.names:
            binding.bind_output(name)
        self.session.run_with_iobinding(binding)
        first, *others = binding.get_outputs()
        return [first.numpy(), *map(Kept, others)]


class Loop:
    """One conversation asked again and again."""

    def __init__(self, path, bind):
        self.sessions = kind(path)(Folder(path))
        self.golden = json.loads((path / "golden.json").read_text())[0]
        self.ids, self.places = self.golden["input_ids"], self.golden.get("position_ids")
        pixels = self.golden["pixel_values"]
        self.pixels = pixels and np.frombuffer(base64.b64decode(pixels["base64"]), "<f4").reshape(pixels["shape"])
        self.features = None
        if bind:
            self.sessions.decoder = Bound(self.sessions.decoder)

    def see(self):
        """What was seen is forgotten."""
        self.features = None

    def first(self):
        """Sees, reads, and chooses the first token."""
        embeds = self.seen() if self.pixels is not None else self.sessions.embeddings(self.ids)
        scores, self.cache = self.sessions.step(embeds, self.sessions.empty_cache(), self.places)
        self.tokens = [int(scores[-1].argmax())]

    def seen(self):
        """The prompt's embeddings with what was seen, now or before."""
        run, golden = self.sessions, self.golden
        if hasattr(run, "look"):
            # What is seen goes beside the prompt.
            if self.features is None:
                run.look(self.pixels, self.ids)
                self.features = run.states
            return run.embeddings(self.ids)
        if self.features is None:
            self.features = run.features(self.pixels, golden.get("image_grid_thw") or golden.get("spatial_shapes"))
            if golden.get("image_sizes"):
                self.features = run.packed(self.features, golden["image_sizes"])
        return run.embeddings(self.ids, self.features)

    def rest(self):
        """Chooses the other tokens."""
        places = self.places
        if places is not None:
            places = np.full((len(places), 1), np.max(places))
        while len(self.tokens) < REPLY:
            places = None if places is None else places + 1
            scores, self.cache = self.sessions.step(self.sessions.embeddings(self.tokens[-1:]), self.cache, places)
            self.tokens.append(int(scores[-1].argmax()))


def kind(path):
    """How the folder's graphs are run."""
    model = json.loads((path / "config.json").read_text())["model_type"]
    if model == "janus":
        import janus_sessions

        return janus_sessions.Sessions
    if model == "idefics":
        import cross_attention
        from tokenizers import Tokenizer

        looking = cross_attention.Looking
        looking.image_token = Tokenizer.from_file(str(path / "tokenizer.json")).token_to_id("<image>")
        return looking
    return sessions.Sessions


def main(form, threads, path):
    """Does what it is told."""
    sessions.THREADS = int(threads)
    loop = None
    print("ready", flush=True)
    for word in map(str.strip, sys.stdin):
        answer = "done"
        if word == "load":
            loop = Loop(Path(path), form == "bind")
        elif word == "see":
            loop.see()
        elif word == "first":
            loop.first()
        elif word == "rest":
            loop.rest()
            answer = json.dumps(loop.tokens)
        elif word != "again":
            raise ValueError(f"{word} isn't known")
        print(answer, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
