"""What transformers itself makes of a conversation: the prompt, the pixels, the logits, the reply.

A golden is a dict; README.md lists its keys.
"""

import base64
import hashlib
import json
import math
import re

import numpy as np
import torch

import anyres

# How many tokens every reply has. Nothing ends one early.
REPLY = 24


class Case:
    """One conversation to record.

    `pictures` maps file names to PIL images, in the order of the conversation's image parts.
    `processor` overrides settings of the image processor for this case. Of the pixels of one that is `hashed` the checksum
    is kept alone, where numbers would take too much room."""

    def __init__(self, name, messages, pictures=None, processor=None, hashed=False):
        self.name = name
        self.messages = messages
        self.pictures = pictures or {}
        self.processor = processor or {}
        self.hashed = hashed


def user(*parts):
    """A user's message: None stands for an image, a string for text."""
    content = [{"type": "image"} if part is None else {"type": "text", "text": part} for part in parts]
    return {"role": "user", "content": content}


def said(role, text):
    """A message of text alone."""
    return {"role": role, "content": [{"type": "text", "text": text}]}


def one_more(first=1):
    """Two turns: images, an answer, and another image."""
    return [
        user(*[None] * first, "What is on the left side?"),
        said("assistant", "A blue circle."),
        user("And here? ", None, "Look to the right of it."),
    ]


def prepare(case, processor):
    """The prompt as rendered, and the model's inputs. A family without a chat template writes it itself."""
    if hasattr(processor, "asked"):
        return processor.asked(case)
    prompt = processor.apply_chat_template(case.messages, add_generation_prompt=True, tokenize=False)
    images = list(case.pictures.values()) or None
    # A conversation's images come as one list in a list from transformers' own chat template.
    if images and "batch_num_images" in processor.image_processor.model_input_names:
        images = [images]
    inputs = processor(
        text=prompt,
        images=images,
        return_tensors="pt",
        **case.processor,
    )
    return prompt, {name: value for name, value in inputs.items() if torch.is_tensor(value)}


def reply(model, inputs):
    """The greedy reply: logits of each step `[REPLY, vocabulary]` and the tokens they chose."""
    with torch.no_grad():
        output = model.generate(
            **inputs,
            do_sample=False,
            max_new_tokens=REPLY,
            eos_token_id=None,
            pad_token_id=0,
            return_dict_in_generate=True,
            output_logits=True,
        )
    logits = torch.cat(output.logits).float()
    tokens = output.sequences[0, inputs["input_ids"].shape[1]:].tolist()
    return logits, tokens


def margin(logits):
    """By how much the best token beats the second, at the closest step."""
    best = torch.as_tensor(np.asarray(logits)).topk(2, dim=-1).values
    return float((best[:, 0] - best[:, 1]).min())


def record(case, processor, model):
    """The golden of one case."""
    prompt, inputs = prepare(case, processor)
    logits, tokens = reply(model, inputs)
    ids = inputs["input_ids"][0].tolist()
    pixels = inputs.get("pixel_values")
    # Sizes of images in tiles; Emu3 has them too, of images that come whole.
    if "image_sizes" in inputs and pixels.dim() == 5 and not hasattr(processor, "kept"):
        pixels = real_tiles(pixels, inputs, processor.image_processor)
    golden = {
        "name": case.name,
        "image": next(iter(case.pictures), None),
        "images": list(case.pictures),
        "processor": case.processor,
        "messages": case.messages,
        "prompt": prompt,
        "expanded_prompt": expanded(processor, prompt, ids),
        "input_ids": ids,
        "pixel_values": None if pixels is None or not case.pictures else tensor(pixels),
        "pixel_attention_mask": None,
        "first_logits": [float(f"{value:.9g}") for value in logits[0].tolist()],
        "greedy": tokens,
        "text": processor.tokenizer.decode(tokens),
    }
    if hasattr(processor, "kept") and case.pictures:
        golden["pixel_values"] = checksum(processor.kept(inputs))
    if "pixel_attention_mask" in inputs:
        mask = inputs["pixel_attention_mask"]
        golden["pixel_attention_mask"] = {"shape": list(mask.shape), "ones": int(mask.sum())}
    if "spatial_shapes" in inputs:
        golden["spatial_shapes"] = inputs["spatial_shapes"].tolist()
    if "image_sizes" in inputs and inputs["pixel_values"].dim() == 5:
        golden["image_sizes"] = inputs["image_sizes"].tolist()
    if hasattr(getattr(model, "model", None), "get_rope_index"):
        golden.update(places(model, inputs))
    return golden


def real_tiles(pixels, inputs, processor):
    """The tiles `[tiles, 3, side, side]` of all images, without those that fill up an image that has fewer."""
    if inputs.get("batch_num_images", torch.ones(1)).max() > 1:
        # Each is seen as a whole.
        return pixels.flatten(0, 1)
    side, sizes = pixels.shape[-1], inputs["image_sizes"].tolist()
    counts = [math.prod(anyres.tiles(size, processor.image_grid_pinpoints, side)) for size in sizes]
    return torch.cat([tiles[:1 + count] for tiles, count in zip(pixels, counts)])


def places(model, inputs):
    """Where the tokens of a prompt stand in time, height and width, and how far behind its length the reply
    goes on; and the grids of the images' patches."""
    ids = inputs["input_ids"]
    grids = inputs.get("image_grid_thw")
    rows, delta = torch.arange(ids.shape[1]).expand(3, 1, -1), torch.zeros(1, dtype=torch.long)
    # Without an image transformers counts.
    if grids is not None:
        rows, delta = model.model.get_rope_index(
            ids, mm_token_type_ids=inputs["mm_token_type_ids"], image_grid_thw=grids
        )
    return {
        "image_grid_thw": None if grids is None else grids.tolist(),
        "position_ids": rows[:, 0].tolist(),
        "rope_delta": int(delta.flatten()[0]),
    }


def expanded(processor, prompt, ids):
    """The prompt after each image's placeholder became as many as it has features.

    The tokenizer's own first token, if it puts one there that the template didn't write, isn't part of it."""
    tokenizer = processor.tokenizer
    if hasattr(processor, "kept"):
        # One stands before each text.
        return tokenizer.decode([token for token in ids if token != tokenizer.bos_token_id])
    if hasattr(processor, "asked"):
        return tokenizer.decode(ids, clean_up_tokenization_spaces=False)
    first = tokenizer.bos_token_id is not None and ids[0] == tokenizer.bos_token_id
    if first and not prompt.startswith(tokenizer.bos_token):
        if tokenizer("").input_ids[:1] == [tokenizer.bos_token_id]:
            ids = ids[1:]
    return tokenizer.decode(ids, clean_up_tokenization_spaces=False)


def tensor(values):
    """A float tensor as its shape and the base64 of its little-endian f32 values."""
    array = values.numpy().astype("<f4")
    return {"shape": list(array.shape), "base64": base64.b64encode(array.tobytes()).decode()}


def checksum(values):
    """A float tensor of many numbers as its shape and the checksum of its little-endian f32 values."""
    array = np.ascontiguousarray(values.numpy(), "<f4")
    return {"shape": list(array.shape), "sha256": hashlib.sha256(array.tobytes()).hexdigest()}


def hashed(golden):
    """What `checksum` writes of the array that `tensor` wrote."""
    return {"shape": golden["shape"], "sha256": hashlib.sha256(base64.b64decode(golden["base64"])).hexdigest()}


def tensor_values(golden):
    """The array that `tensor` wrote."""
    return np.frombuffer(base64.b64decode(golden["base64"]), "<f4").reshape(golden["shape"])


def tokenizer_goldens(tokenizer):
    """Texts that tokenizers get wrong, with their ids and what these decode to."""
    special = tokenizer.all_special_tokens[0]
    texts = [
        "", " ", "the button", " The Button", "two  spaces and\ttab", "line\nbreak\n\nand more\n",
        "2024-11-24, 3.14159", "naïve café, Straße", "日本語の画面", "🙂👍🏽", "don't we'll I'm",
        f"a{special}b", f"  {special}  ", "<not_special>", "a\u0000b\u00a0c",
    ]
    if tokenizer.backend_tokenizer.normalizer:
        # Letters and their accents apart, which normalisation puts together.
        texts.append("cafe\u0301 u\u0308ber")
    rows = []
    for text in texts:
        ids = tokenizer(text).input_ids
        rows.append({
            "text": text,
            "ids": ids,
            "ids_without_special": tokenizer(text, add_special_tokens=False).input_ids,
            "decoded": tokenizer.decode(ids),
            "decoded_without_special": tokenizer.decode(ids, skip_special_tokens=True),
        })
    return rows


def write(goldens, path):
    """Writes the goldens as JSON, the long lists of numbers on one line each."""
    text = json.dumps(goldens, indent=1, ensure_ascii=False)
    path.write_text(one_line_lists(text) + "\n", encoding="utf-8")


def one_line_lists(text):
    """Joins every list of plain numbers that `json.dumps` spread over lines."""
    number = r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?"
    spread = re.compile(rf"\[\s*{number}(?:,\s*{number})*\s*\]")
    return spread.sub(lambda found: re.sub(r"\s+", "", found.group()), text)
