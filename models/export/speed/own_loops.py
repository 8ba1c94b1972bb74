"""Bare loops of families whose folders are run in a way of their own."""

import numpy as np
from PIL import Image

import phi3_v
from encoder_decoder import EncoderDecoder
from loop import REPLY, Loop


class Reading(Loop):
    """Florence-2's: an encoder reads the prompt, the decoder looks at what it found."""

    def __init__(self, path, bind):
        super().__init__(EncoderDecoder, path, bind)
        named = self.sessions.generation
        self.begin = [named["decoder_start_token_id"], named["forced_bos_token_id"]]

    def first(self):
        if self.features is None:
            self.features = self.sessions.features(self.pixels)
        self.states = self.sessions.encoded(self.ids, self.features)
        self.tokens = list(self.begin)
        rows, self.cache = self.sessions.step(self.begin, self.states, None)
        self.choose(rows)

    def rest(self):
        while len(self.tokens) < REPLY + len(self.begin):
            rows, self.cache = self.sessions.step(self.tokens[-1:], self.states, self.cache)
            self.choose(rows)
        self.tokens = self.tokens[len(self.begin):]

    def choose(self, rows):
        """Chooses the next token."""
        scores = rows[-1].copy()
        self.sessions.forbid_repeated(scores, self.tokens)
        self.tokens.append(int(scores.argmax()))


class Tiled(Loop):
    """Phi-3.5-vision's: its vision encoder is told each canvas's size and puts the tiles together itself."""

    def __init__(self, path, bind):
        super().__init__(phi3_v.Told, path, bind)

    def pixels_of(self, path):
        processor = phi3_v.Phi3VImageProcessor.from_pretrained(path)
        return [processor.pixels(Image.open(path / file)) for file in self.golden["images"]] or None

    def seen(self):
        if self.features is None:
            self.features = np.concatenate([self.sessions.seen(*given) for given in self.pixels])
        return self.sessions.embeddings(self.ids, self.features)
