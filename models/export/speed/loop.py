"""The bare loops that `bare.py` runs: see, read, write, with what the recipes check their folders with."""

import base64
import json

import numpy as np

from folder import Folder

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
        self.get_inputs = session.get_inputs

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

    def __init__(self, kind, path, bind):
        self.sessions = kind(Folder(path))
        self.golden = json.loads((path / "golden.json").read_text())[0]
        self.ids, self.places = self.golden["input_ids"], self.golden.get("position_ids")
        self.pixels = self.pixels_of(path)
        self.features = None
        if bind:
            self.sessions.decoder = Bound(self.sessions.decoder)

    def pixels_of(self, path):
        """What the picture was made into, if there is one."""
        pixels = self.golden["pixel_values"]
        return pixels and np.frombuffer(base64.b64decode(pixels["base64"]), "<f4").reshape(pixels["shape"])

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
