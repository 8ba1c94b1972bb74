"""A small byte-level BPE tokenizer, trained on a few sentences that stand here.

Every byte has a token, so any text can be written; the merges are few, so that the vocabulary,
and with it the model's embeddings, stays small.
"""

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

SENTENCES = [
    "Look at the picture and say what you see in it.",
    "The red button is to the right of the text field, the blue link is below it.",
    "Click the button, type the name, tick the box, then press enter and wait.",
    "What is the colour of the largest shape in this image? Describe it in detail.",
    "There are two pictures here: which of them shows the circle on the left side?",
    "User: where is the search field? Assistant: it is at the top of the page.",
    "The quick brown fox jumps over the lazy dog, and the dog does not mind at all.",
]


def tokenizer(first, last, merges=64, digits=False, bos=None, steps=None, normalizer=None):
    """Trains the tokenizer.

    `first` are the special tokens with the lowest ids, `last` those after the merges, where a
    vision-language model's own are. `digits` splits numbers into digits, and `bos` is a special
    token put before every text. `steps` take the place of how text is cut otherwise, and
    `normalizer` comes before them."""
    result = Tokenizer(models.BPE())
    if normalizer:
        result.normalizer = normalizer
    steps = steps or [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
    if digits:
        steps.insert(0, pre_tokenizers.Digits(individual_digits=True))
    result.pre_tokenizer = pre_tokenizers.Sequence(steps)
    result.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=len(first) + 256 + merges,
        special_tokens=first,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    result.train_from_iterator(SENTENCES, trainer)
    result.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in last])
    if bos:
        result.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, result.token_to_id(bos))]
        )
    return result


def silent_tokens(result: Tokenizer):
    """Ids that no golden may generate: special tokens, and those that aren't plain ASCII text."""
    special = {number for number, token in result.get_added_tokens_decoder().items() if token.special}
    silent = set(special)
    for number in range(result.get_vocab_size()):
        text = result.decode([number], skip_special_tokens=False)
        if not (text.isascii() and text.isprintable()):
            silent.add(number)
    return sorted(silent)
