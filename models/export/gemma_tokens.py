"""A small tokenizer with what those of the Gemma family have: their special tokens first, `<bos>` before a text, and
for PaliGemma a token for each of 1024 places along an image's side and each of 128 shapes."""

from transformers import PreTrainedTokenizerFast

import tokens

FIRST = ["<pad>", "<eos>", "<bos>", "<unk>"]


def tokenizer(last, **named):
    """The tokenizer; `last` are the special tokens behind the merges, `named` those that have a role."""
    return PreTrainedTokenizerFast(
        tokenizer_object=tokens.tokenizer(FIRST, last, bos="<bos>"),
        bos_token="<bos>",
        eos_token="<eos>",
        pad_token="<pad>",
        unk_token="<unk>",
        clean_up_tokenization_spaces=False,
        **named,
    )
