"""The check of a folder whose decoder looks at images by cross-attention: no feature stands in the
prompt, and each token sees the last image before it."""

import numpy as np
from tokenizers import Tokenizer

import goldens
import verify
from sessions import Sessions


class Looking(Sessions):
    """The sessions of such a folder. Between runs they know what there is to see."""

    def look(self, pixels, ids):
        """Takes in the images of a prompt `[1, images, 3, side, side]`, or None, and the prompt's tokens."""
        if pixels is None:
            # Nothing to see, once, and nobody sees it.
            width = self.inputs["image_hidden_states"].shape[3]
            self.states = np.zeros((1, 1, 1, width), np.float32)
        else:
            self.states = self.vision.run(["image_hidden_states"], {"pixel_values": pixels})[0]
        self.latest = np.cumsum(np.array(ids) == self.image_token) - 1

    def beside(self, past, new):
        """The states, and for each new token the image that it sees; a written one sees the prompt's last."""
        latest = self.latest[np.minimum(np.arange(past, past + new), len(self.latest) - 1)]
        seen = latest[:, None] == np.arange(self.states.shape[1])
        return {"image_hidden_states": self.states, "image_attention_mask": seen[None].astype(np.int64)}


def check(folder, recorded, least_margin):
    """Runs every case on the decoder of the folder."""
    sessions = Looking(folder)
    # Such a folder's configuration doesn't name it.
    sessions.image_token = Tokenizer.from_file(str(folder.path / "tokenizer.json")).token_to_id("<image>")
    furthest, closest = 0.0, np.inf
    for golden in recorded:
        ids = golden["input_ids"]
        pixels = None if golden["pixel_values"] is None else goldens.tensor_values(golden["pixel_values"])
        sessions.look(pixels, ids)
        embeds = sessions.embeddings(ids)
        logits, tokens = sessions.reply(embeds, goldens.REPLY)
        closest = min(closest, goldens.margin(logits))
        distance = np.abs(logits[0] - np.array(golden["first_logits"])).max()
        furthest = max(furthest, float(distance))
        assert tokens == golden["greedy"], f"{golden['name']}: another reply"
        verify.in_chunks(sessions, embeds, logits[0])
        if pixels is not None:
            each_is_seen(sessions, pixels, embeds, logits[0])
    assert furthest <= verify.TOLERANCE, f"logits {furthest} off"
    if closest < least_margin:
        raise verify.Unclear(f"a margin of {closest:.1e}")
    print(f"decoder_model_merged.onnx: logits within {furthest:.1e}, least margin {closest:.1e}")


def each_is_seen(sessions, pixels, embeds, first_logits):
    """Images encoded one by one are those encoded together, and taking the last away is noticed."""
    for number in range(pixels.shape[1]):
        alone = sessions.vision.run(["image_hidden_states"], {"pixel_values": pixels[:, number:number + 1]})[0]
        apart = np.abs(alone[0, 0] - sessions.states[0, number]).max()
        assert apart <= verify.TOLERANCE, "images depend on each other"
    sessions.states = sessions.states.copy()
    sessions.states[0, -1] = 0.0
    blind, _ = sessions.step(embeds, sessions.empty_cache())
    assert np.abs(blind[-1] - first_logits).max() > verify.SEEN, "the last image isn't seen"
