"""What training minimises: the reply, where the supervised heads look, and what the eye reads."""

import torch
import torch.nn.functional as F

from model import HEAD
from packing import COPY, GROUND, IMAGE_TOKENS, POINT, SELECT
from vocabulary import COORDINATES, STRUCTURE, TOOLS, vocabulary

ENTRIES = vocabulary()
WEIGHTS = {"reply": 2.0, "point": 1.0, "ground": 1.2, "select": 0.5, "copy": 0.8, "characters": 0.7, "reading": 1.0, "widgets": 0.3, "hops": 0.3}
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
        weights[ENTRIES[tool]] = 5.0
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


def character_loss(read, shown):
    """Cross-entropy of the character in each cell. Blank cells outnumber characters: unbalanced,
    reading never starts."""
    read, shown = read.flatten(0, 2), shown.flatten()
    return F.cross_entropy(read[shown > 0], shown[shown > 0]) + 0.5 * F.cross_entropy(read[shown == 0], shown[shown == 0])


def to_pixels(images):
    """[B, 208, 160, 3] bytes to [B, 3, 208, 160] in -1..1."""
    return images.permute(0, 3, 1, 2).float().div(127.5).sub(1).contiguous(memory_format=torch.channels_last)


def reading_loss(model, batch, device):
    """Reading alone: the eye up to its character head, a third of the work of a whole page."""
    features = model.eye.features(to_pixels(torch.from_numpy(batch["images"]).to(device)))
    shown = torch.from_numpy(batch["characters"]).to(device)
    return character_loss(model.read_characters(features).view(*shown.shape, -1), shown)


def all_losses(model, batch, device):
    """Every loss by name, and the model's outputs (with `scores` of each head) for evaluation."""
    put = lambda array: torch.from_numpy(array).to(device)  # noqa: E731
    outputs = model(to_pixels(put(batch["images"])), put(batch["ids"]), put(batch["segments"]), put(batch["positions"]))
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
    losses["characters"] = character_loss(outputs["characters"], put(batch["characters"]))
    losses["widgets"] = F.cross_entropy(outputs["widgets"].flatten(0, 2), put(batch["widgets"]).flatten())
    return losses, outputs
