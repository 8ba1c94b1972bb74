"""Janus's sessions run by ONNX Runtime: one graph that sees and embeds, the language model without a head, a head for
text and a head for images, and what an image's tokens become on the way in and on the way out."""

import json

import numpy as np

import sessions
from sessions import open_session


class Sessions(sessions.Sessions):
    """The sessions of one folder."""

    # The graph of which there may be several.
    decoder_name = "language_model"

    def __init__(self, folder, suffix="", device=None):
        self.config = json.loads((folder.path / "config.json").read_text())
        self.prepare = open_session(folder.graph("prepare_inputs_embeds"))
        self.decoder = open_session(folder.graph("language_model", suffix), device)
        self.heads = {name: open_session(folder.graph(name)) for name in ("lm_head", "gen_head")}
        self.draws = open_session(folder.graph("gen_img_embeds"))
        self.paints = open_session(folder.graph("image_decode"))
        self.inputs = {value.name: value for value in self.decoder.get_inputs()}
        self.outputs = [value.name for value in self.decoder.get_outputs()]
        vision = self.config["vision_config"]
        self.side, self.rows = vision["image_size"], vision["num_image_tokens"]

    def run_prepare(self, ids, pixels):
        """Embeddings `[1, tokens, hidden]` of tokens that are all images', or none."""
        images = len(pixels)
        feed = {
            "input_ids": np.array([ids], np.int64),
            "pixel_values": np.asarray(pixels, np.float32)[None],
            "images_seq_mask": np.full((1, len(ids)), images > 0),
            "images_emb_mask": np.ones((1, images, self.rows), bool),
        }
        return self.prepare.run(["inputs_embeds"], feed)[0]

    def features(self, pixel_values, grids=None):
        """Image features, one row a placeholder token."""
        pixels = pixel_values.reshape(-1, 3, self.side, self.side)
        return self.run_prepare([self.config["image_token_id"]] * (self.rows * len(pixels)), pixels)[0]

    def embeddings(self, ids, features=None):
        """Embeddings `[1, tokens, hidden]`, those of image tokens replaced by the features."""
        embeds = self.run_prepare(ids, np.zeros((0, 3, self.side, self.side))).copy()
        if features is not None:
            places = np.array([ids]) == self.config["image_token_id"]
            assert places.sum() == len(features), f"{places.sum()} places, {len(features)} features"
            embeds[places] = features
        return embeds

    def step(self, embeds, cache, places=None, head="lm_head"):
        """Appends embeddings to the cache: logits `[positions, scored]` by a head, and the new cache."""
        hidden, cache = super().step(embeds, cache, places, scores="hidden_states")
        return self.heads[head].run(["logits"], {"hidden_states": hidden[None]})[0][0], cache

    def drawing(self, prompt, unconditional, guidance):
        """An image drawn greedily: the guided scores of each step, the tokens, and the pixels `[3, height, width]`,
        from −1 to 1."""
        scores, drawn = [], []
        branches = [(self.embeddings(ids), self.empty_cache()) for ids in (prompt, unconditional)]
        for _ in range(self.rows):
            steps = [self.step(embeds, cache, head="gen_head") for embeds, cache in branches]
            with_prompt, without = [rows[-1] for rows, _ in steps]
            scores.append(without + guidance * (with_prompt - without))
            drawn.append(int(scores[-1].argmax()))
            embeds = self.draws.run(["inputs_embeds"], {"image_ids": np.array([drawn[-1:]], np.int64)})[0]
            branches = [(embeds, cache) for _, cache in steps]
        pixels = self.paints.run(["decoded_image"], {"generated_tokens": np.array([drawn], np.int64)})[0]
        return np.array(scores), drawn, pixels[0]
