"""Random weights that make a tiny model behave like something worth comparing.

The initial weights of a fresh model are so small that every prompt gets nearly the same logits.
These keep the signal's size from layer to layer, so that each token, each position and each pixel
of the prompt moves the logits, and the best token wins by a clear margin.
"""

import torch


def fill(model, seed, head, silent_tokens, gain=1.6, logit_scale=4.0):
    """Fills every parameter of `model` from `seed`, and returns the model ready to run.

    `head` is the output layer. The rows of `silent_tokens` are zeroed in it: their logits are 0,
    below the winner's by far, so that no special token or half of a character is ever generated
    and the goldens' text is readable."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            parameter.copy_(random_like(name, parameter, generator, gain))
        head.weight.mul_(logit_scale / gain)
        head.weight[silent_tokens] = 0.0
    return model.eval()


def random_like(name, parameter, generator, gain):
    """Random values of a size that fits the parameter's role."""
    noise = torch.randn(parameter.shape, generator=generator)
    if parameter.dim() == 1:
        # Norm weights sit around 1, biases around 0, neither exactly: a forgotten one must show.
        centre = 1.0 if "norm" in name and name.endswith("weight") else 0.0
        return centre + 0.2 * noise
    if "embed" in name and parameter.dim() == 2:
        return noise
    inputs = parameter[0].numel()
    return noise * gain / inputs**0.5
