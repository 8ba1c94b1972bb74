"""glance at work, from a shipped folder: a screenshot and an instruction in, one call out.

Greedy decoding; each next token is the likeliest of those the reply's form allows, as in the Rust
runtime.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy
import onnxruntime
from tokenizers import Tokenizer

BINS_ACROSS, BINS_DOWN, BIN = 40, 52, 4
LONGEST_TEXT, LONGEST_THOUGHT = 40, 32


@dataclass
class Call:
    """One reply: `tool` is click (with `x`, `y` in CSS px), type_text (with `text`) or finish."""

    tool: str
    x: int = 0
    y: int = 0
    text: str = ""
    thought: str = ""


class Agent:
    """Three sessions, one thread each, and a cache that starts anew for every call."""

    def __init__(self, folder: Path, threads: int = 1):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        start = lambda name: onnxruntime.InferenceSession(folder / "onnx" / f"{name}.onnx", options, providers=["CPUExecutionProvider"])  # noqa: E731
        self.eye, self.embed, self.decoder = (start(name) for name in ("vision_encoder", "embed_tokens", "decoder_model_merged"))
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        config = json.loads((folder / "config.json").read_text())["text_config"]
        self.cache_shape = (1, config["num_key_value_heads"], 0, config["head_dim"])
        self.cache_names = [f"{layer}.{part}" for layer in range(config["num_hidden_layers"]) for part in ("key", "value")]
        self.id = self.tokenizer.token_to_id
        self.numbers = [self.id(str(number)) for number in range(BINS_DOWN)]
        # One byte each, and neither a quote nor a control character: what a JSON string may hold as it is.
        stand_ins = [token for token in self.tokenizer.get_vocab() if len(token) == 1 and token != '"' and self.tokenizer.decode([self.id(token)]) >= " "]
        self.letters = [self.id(token) for token in stand_ins]
        self.seconds: list[float] = []

    def act(self, screenshot: numpy.ndarray, task: str, think: bool = False) -> Call:
        """`screenshot` is [208, 160, 3] bytes."""
        started = time.time()
        pixels = screenshot.astype(numpy.float32).transpose(2, 0, 1)[None] / 127.5 - 1
        (image,) = self.eye.run(None, {"pixel_values": pixels})
        self.length, self.cache = 0, [numpy.zeros(self.cache_shape, numpy.float32)] * len(self.cache_names)
        prompt = self.tokenizer.encode(task.strip() + ("<think>" if think else "<act>")).ids
        self.feed(numpy.concatenate([self.embedded([self.id("<bos>")]), image, self.embedded(prompt)], 1))
        thought = self.think() if think else ""
        call = self.call()
        call.thought = thought
        self.seconds.append(time.time() - started)
        return call

    def embedded(self, ids: list[int]) -> numpy.ndarray:
        return self.embed.run(None, {"input_ids": numpy.array([ids], numpy.int64)})[0]

    def feed(self, embeddings: numpy.ndarray) -> None:
        self.length += embeddings.shape[1]
        past = dict(zip(("past_key_values." + name for name in self.cache_names), self.cache))
        logits, *self.cache = self.decoder.run(None, {"inputs_embeds": embeddings, "attention_mask": numpy.ones((1, self.length), numpy.int64), **past})
        self.logits = logits[0, -1]

    def choose(self, allowed: list[int]) -> int:
        """The likeliest allowed token; it is fed back at once."""
        token = allowed[int(numpy.argmax(self.logits[allowed]))]
        self.feed(self.embedded([token]))
        return token

    def think(self) -> str:
        ids = []
        act = self.id("<act>")
        free = [token for token in range(self.id("<act>"), self.tokenizer.get_vocab_size())]
        while len(ids) < LONGEST_THOUGHT:
            token = self.choose(free)
            if token == act:
                return self.tokenizer.decode(ids)
            ids.append(token)
        self.feed(self.embedded([act]))
        return self.tokenizer.decode(ids)

    def call(self) -> Call:
        self.choose([self.id('{"tool":"')])
        tool = self.tokenizer.id_to_token(self.choose([self.id(name) for name in ("click", "type_text", "finish")]))
        if tool == "finish":
            return Call(tool)
        if tool == "click":
            self.choose([self.id('","point":[')])
            x = self.numbers.index(self.choose(self.numbers[:BINS_ACROSS]))
            self.choose([self.id(",")])
            y = self.numbers.index(self.choose(self.numbers))
            return Call(tool, x=BIN * x + BIN // 2, y=BIN * y + BIN // 2)
        self.choose([self.id('","text":"')])
        ids, end = [], self.id('"}')
        while len(ids) < LONGEST_TEXT and (token := self.choose([*self.letters, end])) != end:
            ids.append(token)
        return Call(tool, text=self.tokenizer.decode(ids))
