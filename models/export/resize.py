"""What Pillow makes of a few pictures at odd sizes, for every filter that image processors use.

Pillow resizes rows first, rounds to bytes, then columns. (Version 13 starts with the columns
where that is cheaper, so this must run with the pinned version.)
"""

import hashlib
import json
import shutil

import PIL
from PIL import Image

from pictures import picture

PINNED = "11.3.0"
SOURCES = {"wide.png": (97, 61, 21), "tall.png": (45, 83, 22)}
FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "hamming": Image.Resampling.HAMMING,
}
# Down, up, one each way, one side only, extreme, and not at all.
SIZES = [
    (48, 32), (31, 19), (7, 5), (1, 1), (64, 64), (120, 40), (97, 30), (45, 200), (201, 133),
    (3, 150), (224, 224), (97, 61),
]


def make(folder):
    """Writes the pictures and `golden.json`: a row for each picture, size and filter."""
    assert PIL.__version__ == PINNED, f"Pillow {PIL.__version__} may resize in another order"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rows = []
    for file, (width, height, seed) in SOURCES.items():
        image = picture(width, height, seed)
        image.save(folder / file, optimize=True)
        for size in SIZES:
            rows.extend(golden(file, image, size, name) for name in FILTERS)
    text = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    (folder / "golden.json").write_text(f"[\n{text}\n]\n")
    print(f"{folder.name}: {len(rows)} results of Pillow {PIL.__version__}")


def golden(file, image, size, name):
    """One result: its checksum, and the first pixels of its first and last row as bytes, so that
    a failing test shows what is wrong."""
    resized = image.resize(size, FILTERS[name])
    pixels = resized.tobytes()
    row = 3 * size[0]
    return {
        "source": file,
        "width": size[0],
        "height": size[1],
        "filter": name,
        "sha256": hashlib.sha256(pixels).hexdigest(),
        "first_row": list(pixels[: min(row, 48)]),
        "last_row": list(pixels[-row:][: min(row, 24)]),
    }
