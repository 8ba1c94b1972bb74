"""What Emu3 draws by transformers' own `generate`, as its documentation has it: rows of image tokens with an end each, then
the image's end, the words against a negative prompt."""

import contextlib
import tempfile
from pathlib import Path

import numpy as np
import torch
from transformers import Emu3ForConditionalGeneration, UnbatchedClassifierFreeGuidanceLogitsProcessor

import drawings
import graphs
import verify
from emu3_sessions import Sessions
from sessions import open_session

# Words, by how much they count, what the picture is to be unlike, the ratio of its sides and the area in pixels. Without a
# negative prompt the words count more than the last token before the picture.
PROMPTS = [
    ("A red circle on a white page.", 3.0, "blurry, low quality: Ü.", "3:2", 96),
    ("Two blue squares,\nside by side: Ü, 語!", 2.0, None, "1:1", 96),
    ("A house by the sea.", 1.0, None, "1:3", 75),
    ("A house by the sea.", 4.0, "", "5:3", 60),
]
# The blocks that published models have, narrower: more than a small folder holds.
DEEP = {"base_channels": 32, "channel_multiplier": [1, 2, 2, 4], "num_res_blocks": 2, "attn_resolutions": [3], "hidden_size": 128}


def decoded(vq, codes):
    """Pixels `[batch, 3, height, width]`, from −1 to 1 for the most part, of codes `[batch, rows, columns]`.

    An image is a video of which the first picture is taken: the others are left out as soon as pictures have nothing to do
    with each other any more."""
    decoder = vq.decoder
    entries = vq.quantize.embedding(codes).unsqueeze(1).permute(0, 4, 1, 2, 3)
    both = torch.cat([vq.post_quant_conv(entries), entries])
    for layer in decoder.time_res_stack:
        both = layer(both)
    for layer in decoder.time_conv:
        both = layer(both)
        both = both * torch.sigmoid(both)
    hidden, entries = both[:, :, 0].chunk(2)
    hidden = decoder.middle_block(decoder.conv_in(hidden), entries)
    hidden = decoder.norm_out(decoder.up_block(hidden, entries), entries)
    return decoder.conv_out(hidden * torch.sigmoid(hidden))


def painter(vq):
    """The graph from codes to pixels, whatever the number of rows and columns."""
    graph = graphs.Graph(vq, lambda vq, generated_tokens: {"decoded_image": decoded(vq, generated_tokens)})
    example = {"generated_tokens": torch.ones(2, 6, 8, dtype=torch.long)}
    names = {"generated_tokens": ["batch_size", "rows", "columns"], "decoded_image": ["batch_size", None, "height", "width"]}
    # Not fused: fused attention has one number of squares.
    return graphs.export(graph, example, names, fusions=None)


def clear(model, processor):
    """Whether any machine would draw the same of every prompt."""
    try:
        drawn = [by_transformers(model, processor, *prompt) for prompt in PROMPTS]
        for prompt, one in zip(PROMPTS, drawn):
            drawings.check_clear(one["scores"], one["codes"], prompt[0])
    except verify.Unclear:
        return False
    return len({tuple(one["codes"]) for one in drawn}) == len(drawn)


def draw(folder, processor, model, sessions):
    """Draws each prompt by transformers, and again in ONNX Runtime, and writes the goldens."""
    recorded, furthest, pixels_off = [], 0.0, 0.0
    check_deep(model.config)
    for text, guidance, negative, ratio, area in PROMPTS:
        one = by_transformers(model, processor, text, guidance, negative, ratio, area)
        again, codes, pixels = sessions.drawing(one["ids"], one["unconditional"], guidance, one["size"])
        assert codes == one["codes"], f"{text!r}: another picture"
        furthest = max(furthest, float(np.abs(again - one["scores"]).max() / np.abs(one["scores"]).max()))
        pixels_off = max(pixels_off, float(np.abs(pixels - one["pixels"].numpy()).max()))
        picture = torch.from_numpy(np.array(processor.postprocess([one["pixels"]])["pixel_values"][0]))
        golden = drawings.golden(
            text, guidance, one["ids"], one["unconditional"], codes, one["scores"][0], picture.permute(2, 0, 1)
        )
        recorded.append({**golden, "negative": negative, "ratio": [int(side) for side in ratio.split(":")], "area": area})
    drawings.write(folder, recorded, furthest, pixels_off, " of the largest")


def by_transformers(model, processor, text, guidance, negative, ratio, area):
    """What `generate` draws: its prompts, the guided scores `[steps, codes]` of each step that has a choice, the codes that
    it takes, and the pixels.

    Guidance there is of logarithms of probabilities, which are the scores but for a number that all share at a step; the
    scores given are those of the logits, and are checked to be the others but for that."""
    inputs = processor(text=[text], return_for_image_generation=True, ratio=ratio, image_area=area, return_tensors="pt")
    (height, width), = inputs.pop("image_sizes")
    length = inputs["input_ids"].shape[1]
    against = {}
    if negative is not None:
        other = processor(text=[negative], return_tensors="pt")
        against = {"negative_prompt_ids": other.input_ids, "negative_prompt_attention_mask": other.attention_mask}
    tokenizer = processor.tokenizer
    ends = [tokenizer.eof_token_id, tokenizer.eoi_token_id, tokenizer.eos_token_id]
    visual, end_of_row = model.vocabulary_mapping.image_tokens, tokenizer.convert_tokens_to_ids(Sessions.end_of_row)

    def allowed(_, ids):
        done = len(ids) - length
        if done >= height * (width + 1):
            return [ends[done - height * (width + 1)]]
        return [end_of_row] if (done + 1) % (width + 1) == 0 else visual

    with torch.no_grad(), unconditional_scores() as without:
        out = model.generate(
            **inputs, **against, do_sample=False, guidance_scale=guidance, prefix_allowed_tokens_fn=allowed,
            max_new_tokens=height * (width + 1) + len(ends), return_dict_in_generate=True, output_logits=True,
            output_scores=True,
        )
        drawn = out.sequences[:, length:]
        pixels = model.decode_image_tokens(image_tokens=drawn, height=height, width=width)[0]
    assert drawn[0, -len(ends):].tolist() == ends
    codes = model.vocabulary_mapping.img2bpe_mapping_tensor.long()
    choices = [step for step in range(height * (width + 1)) if (step + 1) % (width + 1)]
    scores = torch.stack([out.logits[step][0, codes] for step in choices])
    if guidance > 1:
        blind = torch.stack([without[step][codes] for step in choices])
        scores = blind + guidance * (scores - blind)
    apart = torch.stack([out.scores[step][0, codes] for step in choices]) - scores
    apart = (apart - apart.mean(dim=1, keepdim=True)).abs().max()
    assert apart <= verify.TOLERANCE * scores.abs().max(), f"{text!r}: other guidance, by {apart}"
    ids = inputs["input_ids"][0].tolist()
    unconditional = against["negative_prompt_ids"][0].tolist() if against else ids[-1:]
    return {
        "ids": ids,
        "unconditional": unconditional if guidance > 1 else [],
        "size": (height, width),
        "scores": scores.numpy(),
        "codes": model.vocabulary_mapping.bpe2img_mapping_tensor[drawn[0, choices]].tolist(),
        "pixels": pixels,
    }


@contextlib.contextmanager
def unconditional_scores():
    """Keeps the logits of what guidance is taken from, step by step."""
    kept, own = [], UnbatchedClassifierFreeGuidanceLogitsProcessor.get_unconditional_logits

    def kept_too(self, input_ids):
        logits = own(self, input_ids)
        kept.append(logits[0, -1].float())
        return logits

    UnbatchedClassifierFreeGuidanceLogitsProcessor.get_unconditional_logits = kept_too
    try:
        yield kept
    finally:
        UnbatchedClassifierFreeGuidanceLogitsProcessor.get_unconditional_logits = own


def check_deep(config):
    """The graph of a model with the blocks that published ones have paints what transformers does, in several shapes."""
    config = type(config)(**{**config.to_dict(), "vq_config": {**config.vq_config.to_dict(), **DEEP}})
    vq = Emu3ForConditionalGeneration(config).eval().model.vqmodel
    with torch.no_grad(), tempfile.TemporaryDirectory() as place:
        path = Path(place) / "image_decode.onnx"
        graphs.save(painter(vq), path)
        session, furthest = open_session(path), 0.0
        for shape in [(1, 3, 5), (1, 6, 2), (2, 4, 4)]:
            codes = torch.randint(0, config.vq_config.codebook_size, shape)
            expected = vq.decode(codes).numpy()
            found = session.run(["decoded_image"], {"generated_tokens": codes.numpy()})[0]
            furthest = max(furthest, float(np.abs(found - expected).max() / np.abs(expected).max()))
    assert furthest <= verify.TOLERANCE, f"a deep painter is {furthest} off"
    print(f"a deep painter: within {furthest:.1e} of the largest")
