"""An exported folder run by ONNX Runtime, the way a host runs it: features, embeddings, merge,
prefill from an empty cache, then one token at a time. Nothing of transformers takes part."""

import json

import numpy as np
import onnxruntime

import anyres


# Names of what has one size however long the text is.
STATES = ("past_conv.", "past_recurrent.")
# Families whose positions begin at 1; their prompts are read in one run, because all of one sees all of it.
COUNTS_FROM_ONE = ["paligemma"]
# Threads that an operator may use; None leaves it to ONNX Runtime.
THREADS = None


class Sessions:
    """The sessions of one folder. `suffix` picks the decoder's file, `device` an execution
    provider's device for it (none: the CPU)."""

    # The graph of which there may be several.
    decoder_name = "decoder_model_merged"
    # Whether the decoder looks embeddings up itself.
    reads_tokens = False

    def __init__(self, folder, suffix="", device=None):
        self.folder = folder.path
        self.config = json.loads((folder.path / "config.json").read_text())
        self.reads_tokens = folder.decoder == "model"
        if not self.reads_tokens:
            self.vision = open_session(folder.graph("vision_encoder"))
            self.embed = open_session(folder.graph("embed_tokens"))
        self.decoder = open_session(folder.graph(folder.decoder, suffix), device)
        self.inputs = {value.name: value for value in self.decoder.get_inputs()}
        self.outputs = [value.name for value in self.decoder.get_outputs()]

    def features(self, pixel_values, grids=None):
        """Image features, one row a placeholder token. `grids` are those of images in patches, or rows and columns of
        patches in each padded picture."""
        feed = {"pixel_values": pixel_values}
        for value in self.vision.get_inputs():
            if value.name in ("grid_thw", "image_grid_thw"):
                feed[value.name] = np.array(grids, np.int64)
        if any(value.name == "spatial_shapes" for value in self.vision.get_inputs()):
            feed["spatial_shapes"] = np.array(grids, np.int64)
            real = np.prod(feed["spatial_shapes"], axis=1, keepdims=True)
            feed["pixel_attention_mask"] = (np.arange(pixel_values.shape[1]) < real).astype(np.int64)
        elif any(value.name == "pixel_attention_mask" for value in self.vision.get_inputs()):
            batch, tiles, _, height, width = pixel_values.shape
            feed["pixel_attention_mask"] = np.ones((batch, tiles, height, width), bool)
        # What the decoder takes beside the embeddings comes out under the same names, and is laid behind.
        names = ["image_features", *self.side_inputs()]
        outputs = self.vision.run(names, feed)
        return np.concatenate([output.reshape(-1, output.shape[-1]) for output in outputs], axis=-1)

    def side_inputs(self):
        """The decoder's inputs that have a row a token beside the embeddings."""
        return [name for name in self.inputs if name.startswith("deepstack")]

    def packed(self, features, sizes):
        """The features of images in tiles, put together by the images' sizes (height, width)."""
        settings = json.loads((self.folder / "preprocessor_config.json").read_text())
        tile = settings["size"].get("height") or settings["size"]["shortest_edge"]
        most = self.config.get("vision_aspect_ratio", "").removeprefix("anyres_max_")
        side = self.config["vision_config"]["image_size"] // self.config["vision_config"]["patch_size"]
        features = features.reshape(-1, side**2, features.shape[-1])
        newline = self.newline(tile)
        if len(features) == len(sizes):
            # Each image as a whole, which is a line of its own.
            return np.concatenate([part for whole in features for part in (whole, newline[None])])
        rows, begin = [], 0
        for size in sizes:
            grid = anyres.tiles(size, settings["image_grid_pinpoints"], tile)
            end = begin + 1 + grid[0] * grid[1]
            limit = int(most) if most else None
            rows.append(anyres.packed(features[begin:end], newline, size, grid, limit))
            begin = end
        return np.concatenate(rows)

    def newline(self, tile):
        """The embedding that ends a line of features, whatever is seen; `tile` is the side of a picture."""
        return self.vision.run(["image_newline"], {"pixel_values": np.zeros((1, 3, tile, tile), np.float32)})[0]

    def embeddings(self, ids, features=None):
        """Embeddings `[1, sequence, hidden]`, those of image tokens replaced by the features; the
        ids themselves for a decoder that reads them.

        Behind each lies what goes beside it into the decoder: zeros but for an image's tokens."""
        ids = np.array([ids], np.int64)
        if self.reads_tokens:
            return ids
        embeds = self.embed.run(["inputs_embeds"], {"input_ids": ids})[0]
        beside = np.zeros((*ids.shape, sum(self.inputs[name].shape[-1] for name in self.side_inputs())), np.float32)
        embeds = np.concatenate([embeds, beside], axis=-1)
        if features is not None:
            image_token = self.config.get("image_token_id", self.config.get("image_token_index"))
            places = ids == image_token
            assert places.sum() == len(features), f"{places.sum()} places, {len(features)} features"
            embeds[places] = features
        return embeds

    def empty_cache(self):
        """A cache of no positions, and states of zeros, by the shapes that the graph declares."""
        cache = {
            name: np.zeros((1, value.shape[1], 0, value.shape[3]), np.float32)
            for name, value in self.inputs.items()
            if name.endswith((".key", ".value"))
        }
        states = {
            name: np.zeros((1, *value.shape[1:]), np.float32)
            for name, value in self.inputs.items()
            if name.startswith(STATES)
        }
        return {**cache, **states}

    def step(self, embeds, cache, places=None, scores="logits"):
        """Appends embeddings to the cache: logits `[positions, vocabulary]`, and the new cache.

        `places` are the new positions' rows `[rows, positions]`; they are counted where none are given."""
        past = next(value.shape[2] for name, value in cache.items() if name.endswith(".key"))
        new = embeds.shape[1]
        first = past + (self.config["model_type"] in COUNTS_FROM_ONE)
        positions = np.arange(first, first + new, dtype=np.int64)[None]
        if places is not None:
            positions = np.array(places, np.int64)[:, None]
        parts = [] if self.reads_tokens else ["inputs_embeds", *self.side_inputs()]
        ends = np.cumsum([self.inputs[name].shape[-1] for name in parts])[:-1]
        offered = {
            **({"input_ids": embeds} if self.reads_tokens else dict(zip(parts, np.split(embeds, ends, axis=-1)))),
            "attention_mask": np.ones((1, past + new), np.int64),
            "position_ids": positions,
            "num_logits_to_keep": np.array(1, np.int64),
            **self.beside(past, new),
            **cache,
        }
        feed = {name: offered[name] for name in self.inputs}
        output = dict(zip(self.outputs, self.decoder.run(None, feed)))
        logits = output.pop(scores)[0]
        return logits, {past_of(name): value for name, value in output.items()}

    def beside(self, past, new):
        """What a decoder is fed beside the embeddings of `new` tokens after `past` ones: nothing, for most."""
        return {}

    def cut(self, embeds):
        """Where a prompt is cut to be given in two pieces."""
        return embeds.shape[1] // 2

    def reply(self, embeds, length, places=None):
        """The greedy reply: logits of each step `[length, vocabulary]`, and the tokens.

        It goes on after the greatest of the prompt's places, in every row of them."""
        logits, tokens, cache = [], [], self.empty_cache()
        while len(tokens) < length:
            rows, cache = self.step(embeds, cache, places)
            if places is not None:
                places = np.full((len(places), 1), np.max(places) + 1)
            logits.append(rows[-1])
            tokens.append(int(rows[-1].argmax()))
            embeds = self.embeddings(tokens[-1:])
        return np.array(logits), tokens


def past_of(present):
    """The name under which what a run gave goes into the next."""
    if present.startswith("present_"):
        return present.replace("present_", "past_", 1)
    return present.replace("present", "past_key_values", 1)


def open_session(path, device=None):
    """A session on the CPU, or on the given device of a registered provider library."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if THREADS:
        options.intra_op_num_threads = THREADS
    if device is None:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    options.add_provider_for_devices([device], {})
    session = onnxruntime.InferenceSession(path, options)
    # From Python a provider that fails gives way to the CPU without an error.
    assert session.get_providers()[0] == device.ep_name, f"{path} isn't on {device.ep_name}"
    return session
