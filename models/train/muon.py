"""Muon: momentum whose update is made orthogonal, for the matrices of the model.

After Keller Jordan's description; the scale 0.2 * sqrt(max side) follows Moonshot AI's report, so that
learning rates are of the size one would use with AdamW. Matrices of one shape are done together.
"""

import math
from collections import defaultdict

import torch


def orthogonal(matrices: torch.Tensor) -> torch.Tensor:
    """Five Newton-Schulz steps towards the nearest semi-orthogonal matrices, [n, a, b]."""
    flip = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if flip else matrices
    x = x / (x.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    for _ in range(5):
        square = x @ x.transpose(1, 2)
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return x.transpose(1, 2) if flip else x


class Muon:
    """One step at a time over matrices (convolution kernels count as [out, in * height * width])."""

    def __init__(self, parameters, rate: float, momentum: float = 0.95, decay: float = 0.01):
        self.groups = defaultdict(list)
        for parameter in parameters:
            self.groups[(parameter.shape[0], parameter[0].numel())].append(parameter)
        self.momenta = {shape: torch.zeros(len(group), *shape, device=group[0].device) for shape, group in self.groups.items()}
        self.rate, self.momentum, self.decay = rate, momentum, decay

    def step(self, scale: float, pool) -> None:
        """Updates every matrix; the shapes are shared out over a thread pool."""
        largest_first = sorted(self.groups, key=lambda shape: -len(self.groups[shape]) * shape[0] * shape[1])
        list(pool.map(lambda shape: self.step_shape(shape, scale), largest_first))

    @torch.no_grad()
    def step_shape(self, shape: tuple[int, int], scale: float) -> None:
        rate = self.rate * scale
        group = self.groups[shape]
        gradients = torch.stack([parameter.grad.reshape(shape) for parameter in group])
        momenta = self.momenta[shape].mul_(self.momentum).add_(gradients)
        updates = orthogonal(gradients + self.momentum * momenta)
        for parameter, update in zip(group, updates):
            parameter.mul_(1 - self.decay * rate)
            parameter.add_(update.reshape(parameter.shape), alpha=-rate * 0.2 * math.sqrt(max(shape)))

    def state(self) -> dict:
        return dict(self.momenta)

    def restore(self, state: dict) -> None:
        self.momenta.update(state)
