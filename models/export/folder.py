"""A model folder in the community's layout: settings at the top, graphs under `onnx/`."""

import json
import shutil
from pathlib import Path

from transformers import AutoTokenizer


class Folder:
    """The folder of one exported model."""

    def __init__(self, path: Path):
        self.path = path

    @classmethod
    def emptied(cls, path: Path):
        """The folder, new or emptied."""
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        return cls(path)

    def graph(self, session, suffix=""):
        """Where the graph of a session lies, e.g. `onnx/vision_encoder.onnx`."""
        return self.path / "onnx" / f"{session}{suffix}.onnx"

    @property
    def decoder(self):
        """What the decoder's session is called: one that reads token ids itself is the `model`."""
        return "model" if self.graph("model").exists() else "decoder_model_merged"

    def settings(self, model, processor, own_settings):
        """Writes everything but the graphs.

        The processor's own settings go into the two files that published checkpoints have:
        `preprocessor_config.json` is the image processor's, `processor_config.json` the rest."""
        model.config.save_pretrained(self.path)
        model.generation_config.save_pretrained(self.path)
        processor.tokenizer.save_pretrained(self.path)
        if processor.chat_template and getattr(processor, "writes_template", True):
            self.text("chat_template.jinja", processor.chat_template)
        if processor.image_processor is None:
            return
        images = processor.image_processor.to_dict()
        images["processor_class"] = type(processor).__name__
        self.json("preprocessor_config.json", images)
        self.json("processor_config.json", {"processor_class": type(processor).__name__, **own_settings})

    def dual_encoder_settings(self, model, processor):
        """Writes everything but the graphs of a model that matches images and texts."""
        model.config.save_pretrained(self.path)
        processor.tokenizer.save_pretrained(self.path)
        images = processor.image_processor.to_dict()
        images["processor_class"] = type(processor).__name__
        self.json("preprocessor_config.json", images)

    def load(self, processor):
        """Puts the image processor and the tokenizer that transformers reads from the folder into
        `processor`: what is recorded then is what the written files mean."""
        if processor.image_processor is not None:
            processor.image_processor = type(processor.image_processor).from_pretrained(self.path)
        processor.tokenizer = AutoTokenizer.from_pretrained(self.path)
        if processor.chat_template and getattr(processor, "writes_template", True):
            processor.chat_template = (self.path / "chat_template.jinja").read_text(encoding="utf-8")
        return processor

    def json(self, name, content):
        """Writes a settings file."""
        self.text(name, json.dumps(content, indent=2, ensure_ascii=False) + "\n")

    def text(self, name, content):
        """Writes a text file."""
        (self.path / name).write_text(content, encoding="utf-8")

    def size(self):
        """Bytes of everything in the folder."""
        return sum(file.stat().st_size for file in self.path.rglob("*") if file.is_file())
