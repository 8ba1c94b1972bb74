"""Chameleon's sessions run by ONNX Runtime: an image becomes tokens, which stand in the prompt as any others do."""

import json

import numpy as np

import sessions
from sessions import open_session


class Sessions(sessions.Sessions):
    """The sessions of one folder."""

    def __init__(self, folder, suffix="", device=None):
        super().__init__(folder, suffix, device)
        self.paints = open_session(folder.graph("image_decode"))
        vocabulary = self.config["vocabulary_map"]
        self.image_token = vocabulary["<image>"]
        names = {name: token for name, token in vocabulary.items() if name.startswith("IMGIMG")}
        # In the order of the codes, which the names spell.
        self.codes = np.array([token for _, token in sorted(names.items(), key=lambda pair: code_of(pair[0]))])
        self.count = json.loads((folder.path / "processor_config.json").read_text())["image_seq_length"]

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

    def step(self, embeds, cache, places=None, scores="logits", silent=True):
        """Appends embeddings to the cache: logits and the new cache. No token of an image is written in a text."""
        logits, cache = super().step(embeds, cache, places, scores)
        if silent:
            logits[:, self.codes] = np.finfo(np.float32).min
        return logits, cache

    def drawing(self, prompt, unconditional, guidance):
        """An image drawn greedily: the guided scores of each code at each step, the codes, and the pixels
        `[3, height, width]`, from −1 to 1."""
        scores, drawn = [], []
        branches = [(self.embeddings(ids), self.empty_cache()) for ids in (prompt, unconditional)]
        for _ in range(self.count):
            steps = [self.step(embeds, cache, silent=False) for embeds, cache in branches]
            with_prompt, without = [rows[-1][self.codes] for rows, _ in steps]
            scores.append(without + guidance * (with_prompt - without))
            drawn.append(int(scores[-1].argmax()))
            embeds = self.embeddings([self.codes[drawn[-1]]])
            branches = [(embeds, cache) for _, cache in steps]
        pixels = self.paints.run(["decoded_image"], {"generated_tokens": np.array([drawn], np.int64)})[0]
        return np.array(scores), drawn, pixels[0]


def code_of(name):
    """The code that a token's name spells."""
    return int("".join(str("ABCDEFGHIJ".index(letter)) for letter in name[len("IMGIMG"):-1]))
