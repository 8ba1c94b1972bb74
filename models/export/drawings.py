"""What transformers itself draws: a prompt, the tokens that it becomes, and the picture's bytes.

A golden is a dict; README.md lists its keys.
"""

import base64

import numpy as np
import torch
from transformers import ClassifierFreeGuidanceLogitsProcessor, JanusImageProcessor, LogitsProcessor
from transformers import LogitsProcessorList

import goldens
import verify

# How clearly the best token must win at every step, and how many different ones a picture must have.
MARGIN, VARIED = 2e-2, 6
# Prompts, and by how much the prompt counts more than none.
PROMPTS = [("A red circle on a white page.", 5.0), ("Two blue squares,\nside by side: Ü, 語!", 2.0)]


def janus(folder, processor, model, sessions):
    """Draws each prompt by transformers' own `generate`, and again in ONNX Runtime, and gives the goldens.

    Raises `verify.Unclear` where the pictures can't be compared elsewhere."""
    recorded, furthest, pixels_off = [], 0.0, 0.0
    # Pillow's class takes a finished picture's rows for its channels.
    finish = JanusImageProcessor.from_pretrained(folder.path)
    for text, guidance in PROMPTS:
        messages = [goldens.user(text)]
        prompt = processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        inputs = processor(text=prompt, generation_mode="image", return_tensors="pt")
        scores = Scores()
        with torch.no_grad():
            drawn = model.generate(
                **inputs, generation_mode="image", do_sample=False, guidance_scale=guidance, logits_processor=scores.last()
            )
            decoded = model.decode_image_tokens(drawn)
        picture = finish.postprocess(list(decoded.float()), return_tensors="pt")["pixel_values"][0]
        check_clear(scores.guided(guidance), drawn[0].tolist(), text)
        ids = inputs["input_ids"][0].tolist()
        begin = model.generation_config.generation_kwargs["boi_token_id"]
        kept = {model.generation_config.bos_token_id, begin}
        pad = model.generation_config.pad_token_id
        unconditional = [token if token in kept else pad for token in ids]
        again, tokens, pixels = sessions.drawing(ids, unconditional, guidance)
        assert tokens == drawn[0].tolist(), f"{text!r}: another picture"
        furthest = max(furthest, float(np.abs(again - scores.guided(guidance)).max()))
        pixels_off = max(pixels_off, float(np.abs(pixels - decoded[0].permute(2, 0, 1).numpy()).max()))
        recorded.append(golden(text, guidance, ids, unconditional, tokens, scores.guided(guidance)[0], picture))
    write(folder, recorded, furthest, pixels_off)


class Scores(LogitsProcessor):
    """Keeps what both branches scored at each step, before guidance."""

    def __init__(self):
        self.steps = []

    def last(self):
        """A list that `generate` takes, and puts guidance behind."""
        return LogitsProcessorList([self])

    def __call__(self, input_ids, scores):
        self.steps.append(scores.float().clone())
        return scores

    def guided(self, guidance):
        """The guided scores `[steps, codes]`."""
        guide = ClassifierFreeGuidanceLogitsProcessor(guidance)
        return torch.cat([guide(torch.zeros(1, 1), step) for step in self.steps]).numpy()


def check_clear(scores, tokens, text):
    """Any machine must draw the same."""
    margin = goldens.margin(scores)
    if margin < MARGIN or len(set(tokens)) < VARIED:
        raise verify.Unclear(f"{text!r}: a margin of {margin:.1e}, {len(set(tokens))} different tokens")


def check_codes(file, found, expected, states, entries, near):
    """A picture's tokens must be those expected, and every state must lie so much nearer to its entry of the codebook than to
    the next: any machine must find the same."""
    assert found == expected, f"{file}: other tokens"
    nearest = torch.cdist(states, entries).topk(2, largest=False).values
    gap = float((nearest[:, 1] - nearest[:, 0]).min())
    if gap < near or len(set(expected)) < VARIED:
        raise verify.Unclear(f"{file}: codes {gap:.1e} apart, {len(set(expected))} different ones")


def write(folder, recorded, furthest, pixels_off, of=""):
    """Writes the goldens, once ONNX Runtime's drawings are known to be no further off than this."""
    assert furthest <= verify.TOLERANCE and pixels_off <= verify.TOLERANCE, f"{furthest} and {pixels_off} off"
    if len({tuple(row["tokens"]) for row in recorded}) < len(recorded):
        raise verify.Unclear("two prompts, one picture")
    print(f"drawings: guided scores within {furthest:.1e}{of}, pixels within {pixels_off:.1e} of −1 to 1")
    goldens.write(recorded, folder.path / "drawn.json")


def golden(text, guidance, ids, unconditional, tokens, first_scores, picture):
    """One drawing; the picture is bytes `[3, height, width]`."""
    picture = picture.permute(1, 2, 0).contiguous().numpy()
    assert picture.dtype == np.uint8
    return {
        "prompt": text,
        "guidance": guidance,
        "input_ids": ids,
        "unconditional_ids": unconditional,
        "first_scores": [float(f"{value:.9g}") for value in first_scores.tolist()],
        "tokens": tokens,
        "width": picture.shape[1],
        "height": picture.shape[0],
        "rgb": base64.b64encode(picture.tobytes()).decode(),
    }
