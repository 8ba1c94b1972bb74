"""What training minimises: the reply, where the supervised heads look, and what the eye reads."""

import torch
import torch.nn.functional as F

from model import HEAD
from packing import COPY, GROUND, IMAGE_TOKENS, POINT, SELECT
from vocabulary import COORDINATES, STRUCTURE, TOOLS, vocabulary

ENTRIES = vocabulary()
WEIGHTS = {"reply": 2.0, "point": 1.0, "ground": 0.8, "select": 0.5, "copy": 0.8, "characters": 0.7, "widgets": 0.3, "hops": 0.3}
# Neighbouring bins count as almost right, by this many bins (standard deviation).
BLUR = 0.8


def token_weights(size: int) -> torch.Tensor:
    """How much each target token matters: fixed syntax little, the tool and the place most."""
    weights = torch.full((size,), 0.8)
    for entry in STRUCTURE:
        weights[ENTRIES[entry]] = 0.3
    weights[ENTRIES['"}']] = 0.8
    weights[ENTRIES["<eos>"]] = 0.1
    for tool in TOOLS:
        weights[ENTRIES[tool]] = 1.2
    weights[torch.tensor(COORDINATES[10:])] = 1.2
    return weights


def reply_loss(logits, targets):
    """Cross-entropy of reply tokens; coordinates are blurred over their neighbours."""
    known = targets >= 0
    logits, targets = logits[known], targets[known]
    size = logits.shape[-1]
    log_probability = F.log_softmax(logits, -1)
    numbers = torch.tensor(COORDINATES, device=logits.device)
    bin_of = torch.full((size,), -1, device=logits.device)
    bin_of[numbers] = torch.arange(len(numbers), device=logits.device)
    after_comma = targets.new_zeros(targets.shape, dtype=torch.bool)
    after_comma[1:] = (targets[:-1] == ENTRIES['","point":[']) | (targets[:-1] == ENTRIES[","])
    is_place = after_comma & (bin_of[targets] >= 0)
    loss = F.nll_loss(log_probability, targets, reduction="none")
    place = bin_of[targets[is_place]]
    blurred = torch.exp(-0.5 * ((torch.arange(len(numbers), device=logits.device)[None] - place[:, None]) / BLUR) ** 2)
    blurred = blurred / blurred.sum(1, keepdim=True)
    loss = loss.masked_scatter(is_place, -(blurred * log_probability[is_place][:, numbers]).sum(1))
    weights = token_weights(size).to(logits.device)[targets]
    return (loss * weights).sum() / weights.sum()


def look_scores(outputs, head, chunks, queries):
    """Attention logits [P, prefix + CHUNK] of one decoder head at some queries, masked as in the model."""
    layer, number = head
    q, k = outputs["looks"][layer]
    scores = q[:, number] @ k[:, number].transpose(1, 2) / HEAD**0.5
    return scores[chunks, queries] + outputs["mask"][chunks, 0, queries]


def look_loss(scores, mask):
    """How far a head is from putting all its attention on a set of tokens."""
    return (torch.logsumexp(scores, 1) - torch.logsumexp(scores.masked_fill(~mask, -1e9), 1)).mean()


def all_losses(model, batch, device):
    """Every loss by name, and the model's outputs (with `scores` of each head) for evaluation."""
    put = lambda array: torch.from_numpy(array).to(device)  # noqa: E731
    pixels = put(batch["images"]).permute(0, 3, 1, 2).float().div(127.5).sub(1).contiguous(memory_format=torch.channels_last)
    outputs = model(pixels, put(batch["ids"]), put(batch["segments"]), put(batch["positions"]))
    losses = {"reply": reply_loss(outputs["logits"], put(batch["targets"]))}
    outputs["scores"] = {}
    for name, head in (("ground", GROUND), ("select", SELECT), ("point", POINT), ("copy", COPY)):
        rows, queries, mask = (put(array) for array in batch["looks"][head])
        if len(rows) == 0:
            continue
        scores = look_scores(outputs, head, rows, queries)
        outputs["scores"][name] = (scores.detach(), mask)
        losses[name] = look_loss(scores, mask)
    rows, queries, mask = (put(array) for array in batch["hops"])
    if len(rows):
        q, k = outputs["eye_looks"][-1]
        scores = (q[:, 0] @ k[:, 0].transpose(1, 2) / HEAD**0.5)[rows, queries]
        outputs["scores"]["hops"] = (scores.detach(), mask)
        losses["hops"] = look_loss(scores, mask.view(-1, IMAGE_TOKENS))
    shown = put(batch["characters"]).flatten()
    read = outputs["characters"].flatten(0, 2)
    # Blank cells outnumber characters: unbalanced, reading never starts.
    losses["characters"] = F.cross_entropy(read[shown > 0], shown[shown > 0]) + 0.5 * F.cross_entropy(read[shown == 0], shown[shown == 0])
    losses["widgets"] = F.cross_entropy(outputs["widgets"].flatten(0, 2), put(batch["widgets"]).flatten())
    return losses, outputs
