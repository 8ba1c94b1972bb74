"""Phi-3.5-vision (Microsoft 2024): a Phi-3 decoder with LongRoPE behind CLIP on tiles of the picture.

transformers has no class of it: the model's own code lies on a hub. Here its decoder is transformers' `Phi3ForCausalLM`,
its tower transformers' `CLIPVisionModel`, and what stands between them, the processor and the prompt are written after
that code (`phi3_v_images.py`, `phi3_v_tower.py`). The decoder's graph is what onnxruntime-genai's builder makes."""

import json

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer
from torch import nn
from transformers import CLIPVisionConfig, Phi3Config, Phi3ForCausalLM, PreTrainedTokenizerFast

import genai_builder
import goldens
import graphs
import phi3_v_tower
import tokens
import verify
import weights
from goldens import Case, said, user
from phi3_v_images import Phi3VImageProcessor, Phi3VProcessor
from pictures import picture
from sessions import open_session

FIRST_TOKENS = ["<unk>", "<s>", "</s>"]
LAST_TOKENS = ["<|endoftext|>", "<|assistant|>", "<|system|>", "<|end|>", "<|user|>", "<|image|>"]
WIDTH, HIDDEN, HEADS = 32, 48, 3
# Where short factors give way to long ones. No golden gets there.
TURN, CONTEXT = 1024, 1280
NEAR = 0.5 * np.arange(HIDDEN // HEADS // 2) / 8 + 1.0

CHAT_TEMPLATE = (
    "{% for message in messages %}{{'<|' + message['role'] + '|>' + '\n' + message['content'] + '<|end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt and messages[-1]['role'] != 'assistant' %}"
    "{{- '<|assistant|>\n' -}}{% endif %}"
)


class Phi3VConfig(Phi3Config):
    """The decoder's configuration, and what published folders say about pictures beside it."""

    model_type = "phi3_v"


class Phi3V(nn.Module):
    """Tower and decoder."""

    def __init__(self, config, vision_config):
        super().__init__()
        self.config = config
        self.tower = phi3_v_tower.Tower(vision_config, config.hidden_size)
        self.text = Phi3ForCausalLM(config)

    def generate(self, input_ids, pixel_values=None, image_sizes=None, **options):
        """As transformers' own, the features at the places of the image token."""
        embeds = self.text.get_input_embeddings()(input_ids)
        if pixel_values is not None:
            features = self.tower(pixel_values, image_sizes)
            embeds = embeds.masked_scatter((input_ids == self.config.image)[..., None], features)
        return self.text.generate(input_ids=input_ids, inputs_embeds=embeds, **options)


def tokenizer(last):
    """The small tokenizer with these tokens of turns and images, which puts `<s>` before every text."""
    return PreTrainedTokenizerFast(
        tokenizer_object=tokens.tokenizer(FIRST_TOKENS, last, bos="<s>"),
        bos_token="<s>",
        eos_token="<|endoftext|>",
        pad_token="<|endoftext|>",
        unk_token="<unk>",
        clean_up_tokenization_spaces=False,
    )


def text_settings(tokenizer):
    """What the language model of both families is, with LongRoPE. A turn's end ends a reply."""
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": HIDDEN,
        "intermediate_size": 80,
        "num_hidden_layers": 2,
        "num_attention_heads": HEADS,
        "max_position_embeddings": CONTEXT,
        "original_max_position_embeddings": TURN,
        "rope_parameters": {
            "rope_type": "longrope",
            "type": "longrope",
            "rope_theta": 10000.0,
            "short_factor": NEAR.tolist(),
            "long_factor": (2 * NEAR).tolist(),
        },
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.convert_tokens_to_ids("<|end|>"),
        "pad_token_id": tokenizer.pad_token_id,
        "tie_word_embeddings": False,
    }


def ends_of(tokenizer):
    """What `generation_config.json` says."""
    ends = [tokenizer.convert_tokens_to_ids(token) for token in ("<|end|>", "<|endoftext|>")]
    return {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": ends, "pad_token_id": tokenizer.pad_token_id}


def processor():
    """The processor with its small tokenizer."""
    return Phi3VProcessor(Phi3VImageProcessor(num_crops=2), tokenizer(LAST_TOKENS), CHAT_TEMPLATE)


def settings():
    """What `processor_config.json` says beside the class."""
    return {}


def model(seed, processor):
    """A tiny Phi-3.5-vision with random weights."""
    tokenizer = processor.tokenizer
    config = Phi3VConfig(
        **text_settings(tokenizer),
        num_key_value_heads=HEADS,
        architectures=["Phi3VForCausalLM"],
        embd_layer={
            "embedding_cls": "image",
            "hd_transform_order": "sub_glb",
            "projection_cls": "mlp",
            "use_hd_transform": True,
            "with_learnable_separator": True,
        },
        img_processor={"image_dim_out": WIDTH, "name": "clip_vision_model", "num_img_tokens": 144},
    )
    vision_config = CLIPVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=2,
        image_size=336,
        patch_size=14,
    )
    result = Phi3V(config, vision_config)
    # Not in the configuration: published ones leave it to the tokenizer.
    vars(config)["image"] = tokenizer.convert_tokens_to_ids("<|image|>")
    result.generation_config = transformers.GenerationConfig(**ends_of(tokenizer))
    silent = tokens.silent_tokens(tokenizer.backend_tokenizer)
    weights.fill(result, seed, result.text.lm_head, silent)
    # An image's hundreds of tokens level attention out, and each token would follow from the last alone.
    with torch.no_grad():
        for layer in result.text.model.layers:
            layer.self_attn.qkv_proj.weight[:2 * HIDDEN] *= 1.7
            layer.self_attn.qkv_proj.weight[2 * HIDDEN:] *= 1.5
            layer.self_attn.o_proj.weight *= 1.5
    return result


def export(model, folder):
    """Writes the three sessions, by the names of the community's layout."""
    graphs.save(phi3_v_tower.export(model.tower, HIDDEN), folder.graph("vision_encoder"))
    graphs.save(embeddings(model), folder.graph("prepare_inputs_embeds"))
    changed = {"architectures": ["Phi3ForCausalLM"], "model_type": "phi3"}
    decoder, _ = genai_builder.built(model.text, folder.path, "fp32", changed, ["exclude_embeds=true"])
    graphs.save(decoder, folder.graph("model"))
    folder.json("genai_config.json", genai_config(model))


def embeddings(model):
    """The graph from tokens and features to embeddings: features go where tokens are negative."""
    return phi3_v_tower.written("""
        embeddings (int64[batch_size, sequence_length] input_ids, float[num_features, %(hidden)d] image_features)
            => (float[batch_size, sequence_length, %(hidden)d] inputs_embeds)
        {
            zero = Constant <value_int = 0> ()
            is_image = Less (input_ids, zero)
            by_axis = NonZero (is_image)
            places = Transpose <perm = [1, 0]> (by_axis)
            known = Max (input_ids, zero)
            embedded = Gather (table, known)
            inputs_embeds = ScatterND (embedded, places, image_features)
        }
    """, 18, {"table": model.text.get_input_embeddings().weight}, hidden=HIDDEN)


def genai_config(model):
    """The file that the same graphs need in onnxruntime-genai's layout, as published folders of the family have it."""
    config = model.config
    return {
        "model": {
            "bos_token_id": config.bos_token_id,
            "context_length": CONTEXT,
            "decoder": {
                "session_options": {"log_id": "onnxruntime-genai", "provider_options": []},
                "filename": "text.onnx",
                "head_size": HIDDEN // HEADS,
                "hidden_size": HIDDEN,
                "inputs": {
                    "inputs_embeds": "inputs_embeds",
                    "attention_mask": "attention_mask",
                    "past_key_names": "past_key_values.%d.key",
                    "past_value_names": "past_key_values.%d.value",
                },
                "outputs": {
                    "logits": "logits",
                    "present_key_names": "present.%d.key",
                    "present_value_names": "present.%d.value",
                },
                "num_attention_heads": HEADS,
                "num_hidden_layers": config.num_hidden_layers,
                "num_key_value_heads": HEADS,
            },
            "embedding": {
                "filename": "embedding.onnx",
                "inputs": {"input_ids": "input_ids", "image_features": "image_features"},
                "outputs": {"inputs_embeds": "inputs_embeds"},
            },
            "vision": {
                "filename": "vision.onnx",
                "config_filename": "processor_config.json",
                "inputs": {"pixel_values": "pixel_values", "image_sizes": "image_sizes"},
                "outputs": {"image_features": "image_features"},
            },
            "eos_token_id": model.generation_config.eos_token_id,
            "pad_token_id": config.pad_token_id,
            "type": "phi3v",
            "vocab_size": config.vocab_size,
        },
        "search": {
            "do_sample": False,
            "max_length": CONTEXT,
            "past_present_share_buffer": False,
            "temperature": 1.0,
            "top_k": 1,
            "top_p": 1.0,
        },
    }


class Told(genai_builder.Sessions):
    """The sessions of such a folder."""

    def __init__(self, folder):
        self.folder, self.config = folder.path, json.loads((folder.path / "config.json").read_text())
        self.config["image_token_id"] = Tokenizer.from_file(str(folder.path / "tokenizer.json")).token_to_id("<|image|>")
        self.vision = open_session(folder.graph("vision_encoder"))
        self.table = open_session(folder.graph("prepare_inputs_embeds"))
        self.decoder = open_session(folder.graph("model"))
        self.inputs = {value.name: value for value in self.decoder.get_inputs()}
        self.outputs = [value.name for value in self.decoder.get_outputs()]

    def seen(self, tiles, size):
        """The features of one image."""
        feed = {"pixel_values": tiles[None].numpy(), "image_sizes": np.array([size], np.int64)}
        return self.vision.run(["image_features"], feed)[0]

    def embeddings(self, ids, features=None):
        """Embeddings with the features among them, which the graph itself puts there."""
        ids = np.array([ids], np.int64)
        features = np.zeros((0, self.config["hidden_size"]), np.float32) if features is None else features
        if len(features):
            ids = np.where(ids == self.config["image_token_id"], -1, ids)
            assert (ids < 0).sum() == len(features), f"{(ids < 0).sum()} places, {len(features)} features"
        return self.table.run(["inputs_embeds"], {"input_ids": ids, "image_features": features})[0]


def check(folder, recorded, least_margin):
    """Runs every case on the folder's sessions."""
    sessions, processor = Told(folder), Phi3VImageProcessor.from_pretrained(folder.path)
    pictures = {file: image for case in cases() for file, image in case.pictures.items()}
    furthest, closest = 0.0, np.inf
    for golden in recorded:
        found = []
        for file in golden["images"]:
            tiles, size = processor.pixels(pictures[file], **golden["processor"])
            found.append(sessions.seen(tiles, size))
            # As the model's own processor gives them: as many as there may be.
            filled = torch.cat([tiles, torch.zeros(2, *tiles.shape[1:])])
            assert np.abs(sessions.seen(filled, size) - found[-1]).max() <= verify.TOLERANCE, "zeros are seen"
        features = np.concatenate(found) if found else None
        embeds = sessions.embeddings(golden["input_ids"], features)
        logits, tokens = sessions.reply(embeds, goldens.REPLY)
        closest = min(closest, goldens.margin(logits))
        furthest = max(furthest, float(np.abs(logits[0] - np.array(golden["first_logits"])).max()))
        assert tokens == golden["greedy"], f"{golden['name']}: another reply"
        assert len(golden["input_ids"]) + goldens.REPLY < TURN, f"{golden['name']}: too long"
        verify.in_chunks(sessions, embeds, logits[0])
        if found:
            blind, _ = sessions.step(sessions.embeddings(golden["input_ids"], 0 * features), sessions.empty_cache())
            assert np.abs(blind[-1] - logits[0]).max() > verify.SEEN, "the image isn't seen"
    assert furthest <= verify.TOLERANCE, f"logits {furthest} off"
    if closest < least_margin:
        raise verify.Unclear(f"a margin of {closest:.1e}")
    print(f"model.onnx: logits within {furthest:.1e}, least margin {closest:.1e}")


def cases():
    """Conversations that take each path through the tiles and the prompt."""
    wide = {"wide.png": picture(61, 29, seed=91)}
    tall = {"tall.png": picture(17, 53, seed=92)}
    small = {"small.png": picture(9, 7, seed=93)}
    square = {"square.png": picture(40, 40, seed=94)}
    return [
        Case("text_only", [said("system", "You see well."), user("Hello, what is 12 + 30?")]),
        Case("two_above", [user("Describe this: ", None, " in 2 words.")], tall),
        Case("one_tile", [user(None, "Say what you see. Ü, 語.")], small),
        Case("four_tiles", [user(None, "Where is the text field?")], square, {"num_crops": 4}),
        Case("later_turn", [
            user(None, "What is on the left side?"),
            said("assistant", "A blue circle."),
            user("And here? ", None, "Look to the right of it."),
        ], {**wide, **square}),
    ]
