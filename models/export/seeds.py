"""The search for a seed whose replies can be compared on any machine.

Rounding differs between processors and libraries, so a step where two tokens are almost equally
likely would make a golden fail for no reason; and a reply that repeats one token shows little.
"""

import goldens

# How clearly the best token must win at every step, in logits.
MARGIN = 2e-2
# How many different tokens a reply of `goldens.REPLY` must have.
VARIED = 14


def search(family, processor, cases, attempts=2000):
    """Yields each seed whose model answers every case clearly and variedly, with that model. A family's `clear` says
    whether what else it does is as clear."""
    prepared = [goldens.prepare(case, processor)[1] for case in cases]
    for seed in range(1, attempts):
        model = family.model(seed, processor)
        if not clear_and_varied(model, prepared, getattr(family, "VARIED", VARIED)):
            continue
        if not hasattr(family, "clear") or family.clear(model, processor):
            yield seed, model
    raise RuntimeError(f"none of {attempts} seeds gives replies that are clear and varied")


def clear_and_varied(model, prepared, varied):
    """Whether each reply is clear and varied, and none equals another."""
    replies = []
    for inputs in prepared:
        logits, tokens = goldens.reply(model, inputs)
        if goldens.margin(logits) < MARGIN or len(set(tokens)) < varied:
            return False
        replies.append(tuple(tokens))
    # Two cases with one reply would mean that the picture or the question doesn't matter.
    return len(set(replies)) == len(replies)
