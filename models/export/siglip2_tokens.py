"""SigLIP 2's texts: what `Siglip2Tokenizer` makes of capitals with a small tokenizer in Gemma's form.

    python models/export/siglip2_tokens.py

writes `models/tests/data/siglip2/`: `tokenizer.json` as it is published, which keeps capitals, and `golden.json`."""

import json
import string
import tempfile
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import Siglip2Tokenizer

FOLDER = Path(__file__).parents[1] / "tests/data/siglip2"
SPECIAL = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
WORDS = ["red", "button", "the"]
TEXTS = ["the red button", "The RED Button", "Red  BUTTON, Q", "\u00c9t\u00e9 <B>", "<eos> Red"]


def tokenizer():
    """Words out of letters, large ones too, with spaces as a letter of their own."""
    known = [*SPECIAL, "\u2581", *string.ascii_letters, ",", "<", ">"]
    merges = []
    for word in WORDS:
        for end in range(2, len(word) + 1):
            if word[:end] not in known:
                known.append(word[:end])
                merges.append((word[: end - 1], word[end - 1]))
    vocabulary = {token: place for place, token in enumerate(known)}
    small = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    small.add_special_tokens(SPECIAL)
    small.normalizer = normalizers.Replace(" ", "\u2581")
    small.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    small.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])
    small.post_processor = processors.TemplateProcessing(
        single="$A <eos>", pair="$A <eos> $B <eos>", special_tokens=[("<eos>", 1)]
    )
    return small


def main():
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "tokenizer.json").write_text(tokenizer().to_str(pretty=False))
    settings = {"tokenizer_class": "Siglip2Tokenizer", "add_bos_token": False, "add_eos_token": True,
                "eos_token": "<eos>", "pad_token": "<pad>", "padding_side": "right", "model_max_length": 64}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "tokenizer.json").write_text((FOLDER / "tokenizer.json").read_text())
        Path(folder, "tokenizer_config.json").write_text(json.dumps(settings))
        theirs = Siglip2Tokenizer.from_pretrained(folder)
        whole = {"padding": "max_length", "truncation": True, "split_special_tokens": True}
        golden = [{"text": text, "ids": theirs(text, **whole)["input_ids"]} for text in TEXTS]
    (FOLDER / "golden.json").write_text(json.dumps({"tokenizer": settings, "texts": golden}) + "\n")


if __name__ == "__main__":
    main()
