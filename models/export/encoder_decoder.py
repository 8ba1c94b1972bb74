"""The check of a folder whose prompt is read by an encoder of its own: the decoder sees it by cross-attention, and makes
keys and values of it once."""

import json

import numpy as np

import goldens
import verify
from sessions import open_session


class EncoderDecoder:
    """The sessions of such a folder, run the way a host runs them."""

    def __init__(self, folder):
        self.config = json.loads((folder.path / "config.json").read_text())
        self.generation = json.loads((folder.path / "generation_config.json").read_text())
        names = ["vision_encoder", "embed_tokens", "encoder_model", "decoder_model_merged"]
        self.vision, self.embed, self.encoder, self.decoder = [open_session(folder.graph(name)) for name in names]
        self.outputs = [value.name for value in self.decoder.get_outputs()]

    def embeddings(self, ids):
        """Embeddings `[1, tokens, hidden]`."""
        return self.embed.run(["inputs_embeds"], {"input_ids": np.array([ids], np.int64)})[0]

    def features(self, pixels):
        """Features `[tokens, hidden]` of one image."""
        return self.vision.run(["image_features"], {"pixel_values": pixels})[0][0]

    def encoded(self, ids, features):
        """What the encoder makes of a prompt, features in the places of image tokens."""
        embeds = self.embeddings(ids)
        embeds[np.array([ids]) == self.config["image_token_id"]] = features
        mask = np.ones(embeds.shape[:2], np.int64)
        return self.encoder.run(["last_hidden_state"], {"inputs_embeds": embeds, "attention_mask": mask})[0]

    def step(self, ids, states, cache):
        """Appends tokens to the cache, None at first: logits `[tokens, vocabulary]`, and the new cache."""
        begins = cache is None
        feed = {
            "inputs_embeds": self.embeddings(ids),
            "encoder_hidden_states": states,
            "encoder_attention_mask": np.ones(states.shape[:2], np.int64),
            "use_cache_branch": np.array([not begins]),
        }
        for value in self.decoder.get_inputs():
            if value.name.startswith("past_key_values."):
                empty = np.zeros((1, value.shape[1], 0, value.shape[3]), np.float32)
                feed[value.name] = empty if begins else cache[value.name]
        given = dict(zip(self.outputs, self.decoder.run(None, feed)))
        logits = given.pop("logits")[0]
        now = {name.replace("present", "past_key_values"): value for name, value in given.items()}
        if not begins:
            now.update({name: value for name, value in cache.items() if ".encoder." in name})
        return logits, now

    def forbid_repeated(self, scores, tokens):
        """Takes away what would make a run of so many tokens as the configuration says come twice."""
        size = self.generation["no_repeat_ngram_size"]
        for end in range(size - 1, len(tokens)):
            if tokens[end - size + 1:end] == tokens[len(tokens) - size + 1:]:
                scores[tokens[end]] = -np.inf

    def reply(self, states, length, begins):
        """The greedy reply: logits of each step as they were chosen from, those of the first before, and the tokens."""
        tokens, logits, first = list(begins), [], None
        rows, cache = self.step(begins, states, None)
        while len(tokens) < length + len(begins):
            scores = rows[-1].copy()
            first = scores.copy() if first is None else first
            self.forbid_repeated(scores, tokens)
            logits.append(scores)
            tokens.append(int(scores.argmax()))
            rows, cache = self.step(tokens[-1:], states, cache)
        return np.array(logits), first, tokens[len(begins):]


def check(folder, recorded, least_margin):
    """Runs every case on the folder."""
    sessions = EncoderDecoder(folder)
    begins = [sessions.generation["decoder_start_token_id"], sessions.generation["forced_bos_token_id"]]
    furthest, closest = 0.0, np.inf
    for golden in recorded:
        ids, pixels = golden["input_ids"], goldens.tensor_values(golden["pixel_values"])
        features = sessions.features(pixels)
        states = sessions.encoded(ids, features)
        logits, first, tokens = sessions.reply(states, goldens.REPLY, begins)
        closest = min(closest, goldens.margin(logits))
        furthest = max(furthest, float(np.abs(first - np.array(golden["first_logits"])).max()))
        assert tokens == golden["greedy"], f"{golden['name']}: another reply"
        _, cache = sessions.step(begins[:1], states, None)
        pieces, _ = sessions.step(begins[1:], states, cache)
        assert np.abs(pieces[-1] - first).max() <= verify.TOLERANCE, "a beginning in pieces differs"
        guessing, _ = sessions.step(begins, sessions.encoded(ids, 0 * features), None)
        assert np.abs(guessing[-1] - first).max() > verify.SEEN, f"{golden['name']}: the image isn't seen"
    assert furthest <= verify.TOLERANCE, f"logits {furthest} off"
    if closest < least_margin:
        raise verify.Unclear(f"a margin of {closest:.1e}")
    print(f"decoder_model_merged.onnx: logits within {furthest:.1e}, least margin {closest:.1e}")
