"""Small synthetic pictures: colour gradients with a few shapes on them, from a seed.

Smooth slopes show a wrong resampling filter, hard edges a wrong offset, and the shapes' places
differ from quarter to quarter, so that swapped or shifted tiles can't go unnoticed.
"""

import numpy as np
from PIL import Image


def picture(width, height, seed, alpha=False):
    """An RGB picture, or RGBA with a transparent slope from left to right."""
    random = np.random.default_rng(seed)
    x = np.linspace(0.0, 1.0, width)[None, :]
    y = np.linspace(0.0, 1.0, height)[:, None]
    corners = random.uniform(30, 225, (4, 3))
    canvas = (
        ((1 - x) * (1 - y))[..., None] * corners[0]
        + (x * (1 - y))[..., None] * corners[1]
        + ((1 - x) * y)[..., None] * corners[2]
        + (x * y)[..., None] * corners[3]
    )
    for shape in range(6):
        centre, size = random.uniform(0.1, 0.9, 2), random.uniform(0.08, 0.22, 2)
        dx, dy = (x - centre[0]) / size[0], (y - centre[1]) / size[1]
        inside = dx**2 + dy**2 < 1 if shape % 2 else (abs(dx) < 1) & (abs(dy) < 1)
        canvas[inside] = random.uniform(0, 255, 3)
    pixels = np.round(canvas).astype(np.uint8)
    if not alpha:
        return Image.fromarray(pixels, "RGB")
    opacity = np.broadcast_to(np.round(80 + 175 * x), (height, width)).astype(np.uint8)
    return Image.fromarray(np.dstack([pixels, opacity]), "RGBA")
