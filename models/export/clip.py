"""CLIP (Radford et al. 2021): a text's last token and a picture's class token, projected into one space."""

from collections import Counter

import torch
from transformers import CLIPConfig, CLIPModel, CLIPProcessor, CLIPTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

import dual_encoder
import goldens
import tokens
from folder import Folder

SIDE, PATCH = 28, 7
SEED, SCALE = 1, 37.5
START, END = "<|startoftext|>", "<|endoftext|>"


def tokenizer(merges=96):
    """CLIP's tokenizer with few merges. The alphabet comes twice, the second time with the mark of a
    word's end, then the merges, then the two special tokens: the order of the published vocabulary."""
    learnt = learn(merges)
    alphabet = sorted(tokens.pre_tokenizers.ByteLevel.alphabet())
    words = alphabet + [f"{letter}</w>" for letter in alphabet] + ["".join(pair) for pair in learnt]
    vocabulary = {word: number for number, word in enumerate(dict.fromkeys([*words, START, END]))}
    return CLIPTokenizer(vocab=vocabulary, merges=learnt, model_max_length=77)


def learn(merges):
    """The most frequent pairs, one after the other (Sennrich et al. 2016). The library's trainer breaks
    ties as its hash tables happen to lie, so that its merges come out in another order each time."""
    words = [[*word[:-1], f"{word[-1]}</w>"] for word in " ".join(tokens.SENTENCES).lower().split()]
    learnt = []
    while len(learnt) < merges:
        counts = Counter(pair for word in words for pair in zip(word, word[1:]))
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        learnt.append(best)
        words = [merged(word, best) for word in words]
    return learnt


def merged(word, pair):
    """The word with each occurrence of the pair as one piece."""
    pieces, place = [], 0
    while place < len(word):
        both = tuple(word[place: place + 2]) == pair
        pieces.append("".join(pair) if both else word[place])
        place += 2 if both else 1
    return pieces


def processor():
    """The processor with its small tokenizer. Resizing is Pillow's."""
    return CLIPProcessor(
        image_processor=CLIPImageProcessorPil(
            size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
        ),
        tokenizer=tokenizer(),
    )


def model(processor):
    """A tiny CLIP with random weights."""
    words = processor.tokenizer
    tower = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    special = {"bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id}
    config = CLIPConfig(
        text_config={**tower, **special, "vocab_size": len(words), "max_position_embeddings": 77},
        vision_config={**tower, "image_size": SIDE, "patch_size": PATCH},
        projection_dim=24,
    )
    return dual_encoder.filled(CLIPModel(config), SEED, SCALE)


def joint(model, input_ids, attention_mask, pixel_values):
    """Everything at once: similarities of each image to each text, and both normalised embeddings."""
    output = model(input_ids=input_ids, pixel_values=pixel_values, attention_mask=attention_mask)
    names = ["logits_per_image", "logits_per_text", "text_embeds", "image_embeds"]
    return {name: output[name] for name in names}


def text(model, input_ids, attention_mask):
    """The text tower with its projection, as `CLIPTextModelWithProjection` gives it: not normalised."""
    output = model.get_text_features(input_ids=input_ids, attention_mask=attention_mask)
    return {"text_embeds": output.pooler_output, "last_hidden_state": output.last_hidden_state}


def vision(model, pixel_values):
    """The image tower with its projection, as `CLIPVisionModelWithProjection` gives it."""
    output = model.get_image_features(pixel_values=pixel_values)
    return {"image_embeds": output.pooler_output, "last_hidden_state": output.last_hidden_state}


def make(path):
    """Writes the folder: settings, three graphs, pictures and goldens."""
    folder = Folder.emptied(path)
    made = processor()
    small = model(made)
    folder.dual_encoder_settings(small, made)
    for file, image in dual_encoder.pictures().items():
        image.save(folder.path / file, optimize=True)
    ids = torch.randint(0, len(made.tokenizer) - 2, (2, 9))
    ids[:, -1] = made.tokenizer.eos_token_id
    example = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    with torch.no_grad():
        dual_encoder.save(small, folder, joint, text, vision, example, SIDE)
    dual_encoder.save_quantized(folder)
    made.image_processor = CLIPImageProcessorPil.from_pretrained(folder.path)
    made.tokenizer = CLIPTokenizer.from_pretrained(folder.path)
    golden, inputs, output = dual_encoder.record(small, made, padding=True)
    dual_encoder.check(folder, inputs, output, "text_embeds", "image_embeds")
    goldens.write(golden, folder.path / "golden.json")
