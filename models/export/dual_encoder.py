"""Two towers and one space: what CLIP and SigLIP share. The graphs of both layouts, random weights
that tell inputs apart, what transformers makes of texts and pictures, and the check in ONNX Runtime.
"""

import numpy as np
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic

import goldens
import graphs
import weights
from pictures import picture
from sessions import open_session

# How far an embedding or a logit may be from torch's, as a share of the largest.
TOLERANCE = 1e-5
# Embeddings closer than this wouldn't show that an input was mixed up with another.
CLOSEST = 0.98

# What tokenizers get wrong, and a text that is too long for either family.
TEXTS = [
    "a photo of a cat",
    "A Photo of the RED Button!",
    "  two   spaces,\ta tab\nand a line ",
    "don't we'll I'm 3.14159 (2024-11-24)",
    "naïve café, Straße",
    "re\u0301sume\u0301 写真 🙂",
    "the quick brown fox jumps over the lazy dog " * 12,
]

LABELS = ["cat", "red button", "search field", "dog"]
TEMPLATES = ["a photo of a {}.", "the {} in the picture"]


def pictures():
    """The pictures by file: wide, tall, enlarged, square, and one with transparency."""
    return {
        "wide.png": picture(77, 45, seed=31),
        "tall.png": picture(33, 59, seed=32),
        "small.png": picture(17, 13, seed=33),
        "square.png": picture(28, 28, seed=34),
        "clear.png": picture(40, 31, seed=35, alpha=True),
    }


def filled(model, seed, scale, bias=None):
    """Random weights that keep the signal's size, and a temperature that is neither the one that
    training begins with nor the round one that it often ends with."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if parameter.numel() > 1:
                parameter.copy_(weights.random_like(name, parameter, generator, 1.6))
        model.logit_scale.fill_(float(np.log(scale)))
        if bias is not None:
            model.logit_bias.fill_(bias)
    return model.eval()


def save(model, folder, joint, text, vision, text_example, side):
    """Writes the joint graph and the two towers. Each is a function of the model and its inputs."""
    pixels = {"pixel_values": torch.randn(3, 3, side, side)}
    names = {name: ["text_batch_size", "sequence_length"] for name in text_example}
    names["pixel_values"] = ["image_batch_size", None, None, None]
    for session, compute, example in [
        ("model", joint, {**text_example, **pixels}),
        ("text_model", text, text_example),
        ("vision_model", vision, pixels),
    ]:
        graph = graphs.export(graphs.Graph(model, compute), example, names, fusions=None)
        graphs.save(graph, folder.graph(session))


def save_quantized(folder):
    """Writes both towers once more with 8-bit weights, as the community's `_quantized` files are."""
    for session in ["text_model", "vision_model"]:
        quantize_dynamic(
            folder.graph(session), folder.graph(session, "_quantized"), weight_type=QuantType.QUInt8
        )


def record(model, processor, padding):
    """What transformers makes of the texts and pictures, all with all, and of a zero-shot question."""
    shown = pictures()
    inputs = processor(
        text=TEXTS, images=list(shown.values()), padding=padding, truncation=True, return_tensors="pt"
    )
    assert set(inputs) <= {"input_ids", "attention_mask", "pixel_values"}
    with torch.no_grad():
        output = model(**inputs)
    golden = {
        "logit_scale": float(model.logit_scale.exp()),
        "logit_bias": float(model.logit_bias) if hasattr(model, "logit_bias") else 0.0,
        "texts": [
            {"text": text, "ids": ids.tolist(), "embedding": rounded(row)}
            for text, ids, row in zip(TEXTS, inputs["input_ids"], output.text_embeds)
        ],
        "images": [
            {"file": file, "pixel_values": goldens.tensor(pixels), "embedding": rounded(row)}
            for file, pixels, row in zip(shown, inputs["pixel_values"], output.image_embeds)
        ],
        "logits_per_image": [rounded(row) for row in output.logits_per_image],
        "probabilities": [rounded(row) for row in probabilities(model, output.logits_per_image)],
        "zero_shot": zero_shot(model, processor, padding, output.image_embeds),
    }
    distinct(output.text_embeds)
    distinct(output.image_embeds)
    return golden, inputs, output


def zero_shot(model, processor, padding, image_embeds):
    """Labels in templates: the mean of a label's normalised embeddings, normalised again
    (Radford et al. 2021, section 3.1.4)."""
    classes = []
    for label in LABELS:
        texts = [template.replace("{}", label) for template in TEMPLATES]
        inputs = processor(text=texts, padding=padding, truncation=True, return_tensors="pt")
        with torch.no_grad():
            pooled = model.get_text_features(**inputs).pooler_output
        each = pooled / pooled.norm(dim=-1, keepdim=True)
        mean = each.mean(dim=0)
        classes.append(mean / mean.norm())
    classes = torch.stack(classes)
    logits = image_embeds @ classes.T * model.logit_scale.exp().detach()
    if hasattr(model, "logit_bias"):
        logits = logits + model.logit_bias.detach()
    return {
        "labels": LABELS,
        "templates": TEMPLATES,
        "logits": [rounded(row) for row in logits],
        "probabilities": [rounded(row) for row in probabilities(model, logits)],
    }


def probabilities(model, logits):
    """A softmax over the texts for CLIP, a sigmoid a pair for SigLIP."""
    return torch.sigmoid(logits) if hasattr(model, "logit_bias") else logits.softmax(dim=-1)


def distinct(embeds):
    """No two embeddings may be nearly the same, or a mix-up wouldn't be noticed."""
    cosines = embeds @ embeds.T - 2 * torch.eye(len(embeds))
    assert cosines.max() < CLOSEST, f"two embeddings are alike: {cosines.max():.3f}"


def check(folder, inputs, output, text_output, image_output):
    """Runs the written graphs in ONNX Runtime: all at once, one by one, and both layouts."""
    feed = {name: value.numpy() for name, value in inputs.items()}
    texts = {name: value for name, value in feed.items() if name != "pixel_values"}
    images = {"pixel_values": feed["pixel_values"]}
    joint = open_session(folder.graph("model"))
    names = [value.name for value in joint.get_outputs()]
    assert names == ["logits_per_image", "logits_per_text", "text_embeds", "image_embeds"], names
    found = dict(zip(names, joint.run(None, feed)))
    furthest = max(off(found[name], output[name]) for name in names)
    for session, given, key, expected in [
        ("text_model", texts, text_output, output.text_embeds),
        ("vision_model", images, image_output, output.image_embeds),
    ]:
        tower = open_session(folder.graph(session))
        whole = normalised(tower.run([key], given)[0])
        count = len(next(iter(given.values())))
        single = [
            normalised(tower.run([key], {name: value[row: row + 1] for name, value in given.items()})[0])
            for row in range(count)
        ]
        furthest = max(furthest, off(whole, expected), off(np.concatenate(single), expected))
    assert furthest <= TOLERANCE, f"{folder.path.name}: {furthest:.1e} off"
    print(f"{folder.path.name}: within {furthest:.1e}, {folder.size()} bytes")


def off(found, expected):
    """The greatest difference, as a share of the largest value."""
    expected = expected.detach().numpy()
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def normalised(rows):
    """Rows of length 1."""
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def rounded(row):
    """The numbers with as many digits as a 32-bit float has."""
    return [float(f"{value:.9g}") for value in row.tolist()]
