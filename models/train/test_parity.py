"""Checks that the exported graphs compute what the model computes, and the tokenizer what it should.

`python -m pytest test_parity.py` (needs requirements.txt; not part of the workspace's own tests).
Weights are drawn at random, rounded to fp16 as shipped ones are, and made large enough to matter.
"""

import numpy
import onnxruntime
import pytest
import torch

import shipped
import vocabulary
from export import write_folder
from model import HEAD, HEADS, LAYERS, POSITIONS, Glance
from packing import CHUNK, CHUNKS, IMAGE_TOKENS, PREFIX

TOLERANCE = 2e-4


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A random model and the folder it was exported to."""
    torch.manual_seed(3)
    model = Glance().eval()
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name.endswith((".o.weight", ".down.weight")):
                value.normal_(std=0.05)
            value.copy_(value.half().float())
    folder = tmp_path_factory.mktemp("glance")
    weights = {name: value.numpy() for name, value in model.state_dict().items() if not name.startswith("read_")}
    write_folder(weights, folder)
    return model, folder


def session(folder, name):
    return onnxruntime.InferenceSession(folder / "onnx" / f"{name}.onnx", providers=["CPUExecutionProvider"])


def torch_logits(model, pixels, ids):
    """The model's own logits for one instruction, through the packed form that training uses."""
    padded = torch.zeros(1, CHUNK * CHUNKS, dtype=torch.long)
    padded[0, : len(ids)] = torch.tensor(ids)
    segments = torch.full_like(padded, -1)
    segments[0, : len(ids)] = 0
    positions = PREFIX + torch.arange(CHUNK * CHUNKS)[None].clamp(max=CHUNK)
    with torch.no_grad():
        return model(pixels, padded, segments, positions)["logits"][0, : len(ids)].numpy()


def test_the_eye_sees_the_same(pair):
    model, folder = pair
    pixels = torch.randn(2, 3, 208, 160)
    with torch.no_grad():
        wanted = model.eye(pixels).numpy()
    (got,) = session(folder, "vision_encoder").run(None, {"pixel_values": pixels.numpy()})
    assert got.shape == (2, IMAGE_TOKENS, 192)
    assert numpy.abs(got - wanted).max() < TOLERANCE


@pytest.mark.parametrize("shared", [False, True], ids=["growing cache", "shared buffer"])
def test_prefill_then_decoding_gives_the_same_logits(pair, shared):
    model, folder = pair
    pixels = torch.randn(1, 3, 208, 160)
    ids = vocabulary.build().encode('Click the "Save" button.<act>{"tool":"click","point":[12,34]}<eos>').ids
    wanted = torch_logits(model, pixels, ids)
    (image,) = session(folder, "vision_encoder").run(None, {"pixel_values": pixels.numpy()})
    embed, decoder = session(folder, "embed_tokens"), session(folder, "decoder_model_merged")
    embedded = lambda tokens: embed.run(None, {"input_ids": numpy.array([tokens], numpy.int64)})[0]  # noqa: E731
    names = [f"{layer}.{part}" for layer in range(LAYERS) for part in ("key", "value")]
    first = 9
    pieces = [numpy.concatenate([embedded([vocabulary.BOS]), image, embedded(ids[:first])], 1)] + [embedded([token]) for token in ids[first:]]
    length, got = 0, []
    cache = [numpy.zeros((1, HEADS, POSITIONS if shared else 0, HEAD), numpy.float32) for _ in names]
    held = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in cache]
    for piece in pieces:
        length += piece.shape[1]
        feeds = {"inputs_embeds": piece, "attention_mask": numpy.ones((1, length), numpy.int64)}
        if shared:
            binding = decoder.io_binding()
            for name, value in feeds.items():
                binding.bind_cpu_input(name, value)
            for name, value in zip(names, held):
                binding.bind_ortvalue_input("past_key_values." + name, value)
                binding.bind_ortvalue_output("present." + name, value)
            binding.bind_output("logits")
            decoder.run_with_iobinding(binding)
            logits = binding.get_outputs()[-1].numpy()
        else:
            logits, *cache = decoder.run(None, {**feeds, **dict(zip(("past_key_values." + name for name in names), cache))})
        got.append(logits[0])
    got = numpy.concatenate(got)[PREFIX:]
    assert numpy.abs(got - wanted).max() < TOLERANCE * max(1.0, numpy.abs(wanted).max())


def test_a_shipped_folder_gives_its_weights_back(pair):
    model, folder = pair
    again = Glance()
    shipped.load_weights(again, folder)
    own = dict(model.named_parameters())
    for name, value in again.named_parameters():
        if not name.startswith("read_"):
            assert torch.equal(value, own[name]), name


CASES = [
    ('Click the "Save changes" button.', ["Click", "Ġthe", "Ġ", '"', *"Save", "Ġ", *"changes", '"', "Ġbutton", "."]),
    ("Log in as ada.", ["Log", "Ġin", "Ġas", "Ġ", *"ada", "."]),
    ('{"tool":"click","point":[12,34]}', ['{"tool":"', "click", '","point":[', "12", ",", "34", "]}"]),
    ('{"tool":"type_text","text":"my password 12"}', ['{"tool":"', "type_text", '","text":"', *"my", "Ġ", *"password", "Ġ", *"12", '"}']),
]


@pytest.mark.parametrize(("text", "tokens"), CASES)
def test_a_text_becomes_the_tokens_it_should_and_comes_back(text, tokens):
    tokenizer = vocabulary.build()
    encoded = tokenizer.encode(text)
    assert encoded.tokens == tokens
    assert tokenizer.decode(encoded.ids) == text
