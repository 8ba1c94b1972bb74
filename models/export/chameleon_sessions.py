"""Chameleon's sessions run by ONNX Runtime: its images have one size, and no token of one is written in a text."""

import numpy as np

import image_token_sessions


class Sessions(image_token_sessions.Sessions):
    """The sessions of one folder."""

    names = "IMGIMG"

    @staticmethod
    def code_of(name):
        """The code that a token's name spells."""
        return int("".join(str("ABCDEFGHIJ".index(letter)) for letter in name[len("IMGIMG"):-1]))

    def step(self, embeds, cache, places=None, scores="logits"):
        """Appends embeddings to the cache: logits and the new cache."""
        logits, cache = super().step(embeds, cache, places, scores)
        logits[:, self.codes] = np.finfo(np.float32).min
        return logits, cache

    def scored(self, embeds, cache):
        """What a step of a drawing scores each code with, and the new cache."""
        logits, cache = super().step(embeds, cache)
        return logits[-1][self.codes], cache
