"""SigLIP (Zhai et al. 2023): as CLIP, with a sigmoid a pair instead of a softmax over all."""

import math
import string
from collections import Counter

import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, SiglipConfig, SiglipModel, SiglipProcessor
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

import dual_encoder
import goldens
import tokens
from folder import Folder

SIDE, PATCH, LENGTH = 28, 7, 64
SEED, SCALE, BIAS = 16, 21.75, -6.5


def tokenizer():
    """A unigram tokenizer that treats text as SigLIP's does (`canonicalize_text`): lower case, no ASCII
    punctuation, single spaces; then the end. What follows is padded with the end, too."""
    small = Tokenizer(models.Unigram([("<unk>", 0.0), ("</s>", 0.0), *pieces()], unk_id=0))
    small.add_special_tokens(["<unk>", "</s>"])
    small.normalizer = normalizers.Sequence([
        normalizers.Lowercase(),
        normalizers.Replace(Regex("[" + "".join(f"\\{mark}" for mark in string.punctuation) + "]"), ""),
        normalizers.Replace(Regex(r"\s+"), " "),
        normalizers.Strip(),
    ])
    small.pre_tokenizer = pre_tokenizers.Metaspace()
    end = small.token_to_id("</s>")
    small.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", end)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=small,
        eos_token="</s>",
        pad_token="</s>",
        unk_token="<unk>",
        model_max_length=LENGTH,
        model_input_names=["input_ids"],
        clean_up_tokenization_spaces=False,
    )


def pieces(most=150, longest=5):
    """The pieces that are frequent for their length, and every letter, by the logarithm of their share.
    The library's trainer sums in another order each time, and so gives other scores."""
    words = [f"\u2581{word}" for word in " ".join(tokens.SENTENCES).lower().split()]
    counts = Counter(
        word[start:end]
        for word in words
        for start in range(len(word))
        for end in range(start + 1, min(start + longest, len(word)) + 1)
    )
    counts.update([*string.ascii_lowercase, *string.digits])
    ranked = sorted(counts, key=lambda piece: (len(piece) > 1, -counts[piece] * len(piece), piece))
    total = sum(counts.values())
    return [(piece, round(math.log(counts[piece] / total), 4)) for piece in ranked[:most]]


def processor():
    """The processor with its small tokenizer. Resizing is Pillow's."""
    square = {"height": SIDE, "width": SIDE}
    return SiglipProcessor(image_processor=SiglipImageProcessorPil(size=square), tokenizer=tokenizer())


def model(processor):
    """A tiny SigLIP with random weights."""
    words = processor.tokenizer
    tower = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    special = {"bos_token_id": None, "eos_token_id": words.eos_token_id, "pad_token_id": words.pad_token_id}
    config = SiglipConfig(
        text_config={**tower, **special, "vocab_size": len(words), "max_position_embeddings": LENGTH,
                     "projection_size": 32},
        vision_config={**tower, "image_size": SIDE, "patch_size": PATCH},
    )
    return dual_encoder.filled(SiglipModel(config), SEED, SCALE, BIAS)


def joint(model, input_ids, pixel_values):
    """Everything at once: similarities of each image to each text, and both normalised embeddings."""
    output = model(input_ids=input_ids, pixel_values=pixel_values)
    names = ["logits_per_image", "logits_per_text", "text_embeds", "image_embeds"]
    return {name: output[name] for name in names}


def text(model, input_ids):
    """The text tower, as `SiglipTextModel` gives it: not normalised."""
    output = model.text_model(input_ids=input_ids)
    return {"last_hidden_state": output.last_hidden_state, "pooler_output": output.pooler_output}


def vision(model, pixel_values):
    """The image tower, as `SiglipVisionModel` gives it."""
    output = model.vision_model(pixel_values=pixel_values)
    return {"last_hidden_state": output.last_hidden_state, "pooler_output": output.pooler_output}


def make(path):
    """Writes the folder: settings, three graphs, pictures and goldens."""
    folder = Folder.emptied(path)
    made = processor()
    small = model(made)
    folder.dual_encoder_settings(small, made)
    for file, image in dual_encoder.pictures().items():
        image.save(folder.path / file, optimize=True)
    example = {"input_ids": torch.randint(0, len(made.tokenizer), (2, LENGTH))}
    with torch.no_grad():
        dual_encoder.save(small, folder, joint, text, vision, example, SIDE)
    made.image_processor = SiglipImageProcessorPil.from_pretrained(folder.path)
    made.tokenizer = PreTrainedTokenizerFast.from_pretrained(folder.path)
    golden, inputs, output = dual_encoder.record(small, made, padding="max_length")
    dual_encoder.check(folder, inputs, output, "pooler_output", "pooler_output")
    goldens.write(golden, folder.path / "golden.json")
