"""Emu3's sessions run by ONNX Runtime: an image becomes tokens, which stand in the prompt as any others do, and tokens that
are written become an image."""

import numpy as np

import sessions
from sessions import open_session

NAMES, END_OF_ROW = "<|visual token ", "<|extra_200|>"


class Sessions(sessions.Sessions):
    """The sessions of one folder."""

    def __init__(self, folder, suffix="", device=None):
        super().__init__(folder, suffix, device)
        self.paints = open_session(folder.graph("image_decode"))
        vocabulary = self.config["vocabulary_map"]
        # Names spell codes with as many digits, so their order is that of the codes.
        self.codes = np.array([vocabulary[name] for name in sorted(vocabulary) if name.startswith(NAMES)])

    def features(self, pixel_values, grids=None):
        """The tokens of images, one after another."""
        return self.vision.run(["image_tokens"], {"pixel_values": pixel_values})[0].reshape(-1)

    def embeddings(self, ids, features=None):
        """Embeddings `[1, tokens, hidden]` of a prompt, each placeholder's token that of an image."""
        ids = np.array(ids, np.int64)
        if features is not None:
            places = ids == self.config["vocabulary_map"]["<image>"]
            assert places.sum() == len(features), f"{places.sum()} places, {len(features)} tokens"
            ids[places] = features
        return super().embeddings(ids.tolist())

    def drawing(self, prompt, unconditional, guidance, size):
        """An image of `size` (rows, columns) drawn greedily: the guided scores of each code wherever there is a choice, the
        codes, and the pixels `[3, height, width]`, from −1 to 1. Nothing is taken off where `unconditional` is empty."""
        scores, drawn = [], []
        branches = [(self.embeddings(ids), self.empty_cache()) for ids in (prompt, unconditional) if ids]
        for _ in range(size[0]):
            for column in range(size[1]):
                steps = [self.step(embeds, cache) for embeds, cache in branches]
                rows = [logits[-1][self.codes] for logits, _ in steps]
                scores.append(rows[-1] + guidance * (rows[0] - rows[-1]) if len(rows) > 1 else rows[0])
                drawn.append(int(scores[-1].argmax()))
                written = [self.codes[drawn[-1]]]
                if column + 1 == size[1]:
                    written.append(self.config["vocabulary_map"][END_OF_ROW])
                embeds = self.embeddings(written)
                branches = [(embeds, cache) for _, cache in steps]
        codes = np.array(drawn, np.int64).reshape(1, *size)
        return np.array(scores), drawn, self.paints.run(["decoded_image"], {"generated_tokens": codes})[0][0]
