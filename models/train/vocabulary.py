"""The tokenizer of glance: single characters, plus whole words for the glue of instructions.

Captions and values are always spelled out, so that reading a screen and copying a text are matters
of characters; only words that say what to do ("Click", " field", " password") are whole tokens.
`python vocabulary.py FOLDER` writes tokenizer.json and tokenizer_config.json.
"""

import json
import sys
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

SPECIAL = ["<pad>", "<bos>", "<eos>", "<image>", "<think>", "<act>"]
PAD, BOS, EOS, IMAGE, THINK, ACT = range(6)

# Parts of a reply that never vary are one token each.
STRUCTURE = ['{"tool":"', '","point":[', '","text":"', '"}', "]}"]
TOOLS = ["click", "double_click", "type_text", "finish", "press_key", "scroll"]

STARTS = """Click Press Push Hit Tap Choose Select Open Follow Go Type Enter Write Put Fill Set Tick Check Mark Log Sign
Use Close Dismiss Focus Username Password User In For Find Turn Please Now Login"""
GLUE = """the button link field box boxes checkbox text into in to on and then press click hit push tap with password
username user as tick check mark by it this dialog window named labelled called option options item items form page
type enter write put fill set choose select use log sign for of a name x close open first second account your my
is empty focused not ticked all done ready typed turn follow input area area inside login value be should"""

# Quotes ahead of a position, up to the end: an even number of them means outside quotes.
OUTSIDE_QUOTES = r'(?=[^"]*(?:"[^"]*"[^"]*)*\z)'
PATTERN = "|".join(
    [
        r"\{\"tool\":\"",
        r"\",\"point\":\[",
        r"\",\"text\":\"",
        r"\"\}",
        r"\]\}",
        r"(?<=\{\"tool\":\")[a-z_]+",  # the tool's name
        r"(?<=[\[,])\d+",  # a coordinate
        r"(?> ?[A-Za-z]+)" + OUTSIDE_QUOTES,  # a word of the instruction itself
        r"[\s\S]",  # everything else, one character at a time
    ]
)


def byte_characters() -> list[str]:
    """The 256 printable stand-ins of byte-level tokenizers, in byte order."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spare = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(spare)) for byte in range(256)]


def vocabulary() -> dict[str, int]:
    entries = SPECIAL + byte_characters() + STRUCTURE + TOOLS + [str(number) for number in range(10, 52)]
    entries += STARTS.split() + ["Ġ" + word for word in GLUE.split()]
    return {entry: index for index, entry in enumerate(dict.fromkeys(entries))}


def build() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary(), merges=[], ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in SPECIAL])
    return tokenizer


# One row an entry, filled up to a multiple of eight.
SIZE = (len(vocabulary()) + 7) // 8 * 8
COORDINATES = [vocabulary()[str(number)] for number in range(52)]
POINT_ROWS, POINT_COLUMNS = 52, 40
BIN = 4  # CSS px a bin


def write(folder: Path) -> None:
    build().save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<bos>",
        "eos_token": "<eos>",
        "pad_token": "<pad>",
        "clean_up_tokenization_spaces": False,
        "model_max_length": 640,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
