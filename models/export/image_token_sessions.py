"""A folder whose images are tokens of the text's own vocabulary, run by ONNX Runtime: an image becomes tokens, which stand in
the prompt as any others do, and tokens that are written become an image."""

import numpy as np

import sessions
from sessions import open_session


class Sessions(sessions.Sessions):
    """The sessions of one folder. A family says what its image tokens' names begin with, and which code a name spells."""

    names = None
    # What ends a row of an image, where images have rows.
    end_of_row = None

    def __init__(self, folder, suffix="", device=None):
        super().__init__(folder, suffix, device)
        self.paints = open_session(folder.graph("image_decode"))
        vocabulary = self.config["vocabulary_map"]
        self.image_token = vocabulary["<image>"]
        names = sorted((name for name in vocabulary if name.startswith(self.names)), key=self.code_of)
        self.codes = np.array([vocabulary[name] for name in names])

    @staticmethod
    def code_of(name):
        """The code that a token's name spells, or what stands in the order of the codes."""
        return name

    def features(self, pixel_values, grids=None):
        """The tokens of images, one after another."""
        return self.vision.run(["image_tokens"], {"pixel_values": pixel_values})[0].reshape(-1)

    def embeddings(self, ids, features=None):
        """Embeddings `[1, tokens, hidden]` of a prompt, each placeholder's token that of an image."""
        ids = np.array(ids, np.int64)
        if features is not None:
            places = ids == self.image_token
            assert places.sum() == len(features), f"{places.sum()} places, {len(features)} tokens"
            ids[places] = features
        return super().embeddings(ids.tolist())

    def scored(self, embeds, cache):
        """What a step of a drawing scores each code with, and the new cache."""
        logits, cache = self.step(embeds, cache)
        return logits[-1][self.codes], cache

    def drawing(self, prompt, unconditional, guidance, size):
        """An image of `size` (rows, columns; or tokens alone) drawn greedily: the guided scores of each code wherever there is
        a choice, the codes, and the pixels `[3, height, width]`, from −1 to 1. Nothing is taken off where `unconditional` is
        empty."""
        scores, drawn = [], []
        branches = [(self.embeddings(ids), self.empty_cache()) for ids in (prompt, unconditional) if ids]
        while len(drawn) < np.prod(size):
            steps = [self.scored(embeds, cache) for embeds, cache in branches]
            rows = [row for row, _ in steps]
            scores.append(rows[-1] + guidance * (rows[0] - rows[-1]) if len(rows) > 1 else rows[0])
            drawn.append(int(scores[-1].argmax()))
            written = [self.codes[drawn[-1]]]
            if self.end_of_row and len(drawn) % size[-1] == 0:
                written.append(self.config["vocabulary_map"][self.end_of_row])
            embeds = self.embeddings(written)
            branches = [(embeds, cache) for _, cache in steps]
        codes = np.array(drawn, np.int64).reshape(1, *size)
        return np.array(scores), drawn, self.paints.run(["decoded_image"], {"generated_tokens": codes})[0][0]
