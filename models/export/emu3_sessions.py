"""Emu3's sessions run by ONNX Runtime: an image becomes tokens, which stand in the prompt as any others do."""

import numpy as np

import sessions


class Sessions(sessions.Sessions):
    """The sessions of one folder."""

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
