"""Emu3 (Wang et al. 2024): one stream of tokens, in which an image is its size in words and its rows of VQ codes, each row
with an end. It reads images of any shape, and draws them."""

import torch
import transformers
from PIL import Image
from tokenizers import AddedToken
from transformers import Emu3Config, Emu3ForConditionalGeneration, Emu3ImageProcessor, Emu3Processor
from transformers import PreTrainedTokenizerFast

import drawings
import emu3_drawings
import emu3_sessions
import graphs
import tokens
import weights
from goldens import Case, said, user
from pictures import picture

# Pixels of a side of the square that one token stands for: eight in published models.
PATCH = 2
# Entries of the codebook, and how long each is.
CODES, CODE = 64, 4

FIRST_TOKENS = ["<|endoftext|>"]
LAST_TOKENS = [
    "<|image start|>", "<|image end|>", "<|image token|>", "<|extra_200|>", "<|extra_201|>", "<|extra_203|>",
    "<|extra_204|>", "<image>",
]

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] != 'system' %}{{ message['role'] | upper }}: {% endif %}"
    "{% for part in message['content'] if part['type'] == 'image' %}{{ '<image>' }}{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] + ' ' }}{% endfor %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)

# How the folder's graphs are run; whether a seed draws clearly.
Sessions = emu3_sessions.Sessions
clear = emu3_drawings.clear
# How much nearer the nearest entry of the codebook must be than the next, and how many different tokens a reply must have
# (`seeds.py` asks).
NEAR, VARIED = 2e-4, 6


def processor():
    """The processor with its small tokenizer. Its codes' tokens come in another order than the codes."""
    tokenizer = tokens.tokenizer(FIRST_TOKENS, LAST_TOKENS)
    names = [f"<|visual token {(29 * place + 7) % CODES:06}|>" for place in range(CODES)]
    tokenizer.add_tokens([AddedToken(name, special=True, normalized=False) for name in names])
    result = Emu3Processor(
        image_processor=Emu3ImageProcessor(min_pixels=10 * 10, max_pixels=14 * 14, spatial_factor=PATCH),
        tokenizer=PreTrainedTokenizerFast(
            tokenizer_object=tokenizer,
            bos_token="<|extra_203|>",
            eos_token="<|extra_204|>",
            pad_token="<|endoftext|>",
            extra_special_tokens={
                "image_token": "<image>",
                "boi_token": "<|image start|>",
                "eoi_token": "<|image end|>",
                "image_wrapper_token": "<|image token|>",
                "eof_token": "<|extra_201|>",
            },
            clean_up_tokenization_spaces=False,
        ),
        chat_template=CHAT_TEMPLATE,
    )
    # The class knows only the published models' eight.
    result.downsample_ratio = PATCH
    return result


def settings():
    """What `processor_config.json` says beside the class."""
    return {}


def model(seed, processor):
    """A tiny Emu3 with random weights."""
    tokenizer = processor.tokenizer
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda pair: pair[1])
    ids = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    config = Emu3Config(
        vq_config={
            "codebook_size": CODES,
            "embed_dim": CODE,
            "latent_channels": 4,
            "temporal_downsample_factor": 4,
            "base_channels": 32,
            "channel_multiplier": [1, 1],
            # More take more room than a tiny folder has; `emu3_drawings.py` checks a deeper one, which isn't kept.
            "num_res_blocks": 0,
            "attn_resolutions": [],
            "hidden_size": 32,
        },
        text_config={
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": 512,
            **ids,
        },
        vocabulary_map=dict(vocabulary),
    )
    result = Emu3ForConditionalGeneration(config)
    result.generation_config = transformers.GenerationConfig(**ids)
    visual = result.vocabulary_mapping.image_tokens
    silent = [token for token in tokens.silent_tokens(tokenizer.backend_tokenizer) if token not in visual]
    result = weights.fill(result, seed, result.lm_head, silent)
    with torch.no_grad():
        # transformers lets an image's tokens be written in a text too, where these goldens shall be readable.
        result.lm_head.weight[visual] *= 0.4
        # Otherwise most of a drawing lies beyond black and white.
        result.model.vqmodel.decoder.conv_out.weight.mul_(0.25)
        # Otherwise all of a picture lies near the same few entries of the codebook.
        result.model.vqmodel.quant_conv.conv.weight.mul_(6.0)
    return result


def states(model, pixel_values):
    """What is looked for in the codebook, `[images, 1, rows, columns, length]`: an image is a video that stands still."""
    vq = model.model.vqmodel
    frames = pixel_values.unsqueeze(1).repeat(1, vq.config.temporal_downsample_factor, 1, 1, 1)
    return vq.quant_conv(vq.encoder(frames).permute(0, 2, 1, 3, 4)).permute(0, 2, 3, 4, 1)


def vision(model, pixel_values):
    """The tokens `[images, rows · (columns + 1)]` of images `[images, 3, height, width]` of one size, as the vocabulary of
    text has them, each row with its end."""
    codes = model.model.vqmodel.quantize(states(model, pixel_values).permute(0, 1, 4, 2, 3)).squeeze(1)
    mapping = model.vocabulary_mapping
    rows = mapping.img2bpe_mapping_tensor[codes]
    ends = torch.full_like(rows[..., :1], mapping.eol_token_id)
    return {"image_tokens": torch.cat([rows, ends], dim=-1).flatten(1).to(torch.int64)}


def export(model, folder):
    """Writes the four sessions."""
    example = {"pixel_values": torch.randn(2, 3, 6 * PATCH, 8 * PATCH)}
    names = {"pixel_values": ["batch_size", None, "height", "width"], "image_tokens": ["batch_size", "tokens"]}
    # Not fused: fused attention has one number of patches.
    encoder = graphs.export(graphs.Graph(model, vision), example, names, fusions=None)
    graphs.save(encoder, folder.graph("vision_encoder"))
    graphs.save(graphs.embeddings(model), folder.graph("embed_tokens"))
    traced = graphs.Decoder(model.model.text_model, model.lm_head)
    # Not fused: told positions, fused attention is wrong on WebGPU.
    graphs.save(graphs.decoder(traced, fusions=None), folder.graph("decoder_model_merged"))
    graphs.save(emu3_drawings.painter(model.model.vqmodel), folder.graph("image_decode"))


def draw(folder, processor, model, sessions):
    """Checks that every picture's tokens are those of transformers, and that none was a near miss; then draws."""
    for path in sorted(folder.path.glob("*.png")):
        inputs = processor.image_processor(Image.open(path), return_tensors="pt")
        pixels = inputs["pixel_values"]
        with torch.no_grad():
            expected = model.model.get_image_tokens(pixels, inputs["image_sizes"]).tolist()
            entries = model.model.vqmodel.quantize.embedding.weight
            found = sessions.features(pixels.numpy()).tolist()
            drawings.check_codes(path.name, found, expected, states(model, pixels).flatten(0, 3), entries, NEAR)
    # The class knows only the published models' eight.
    processor.downsample_ratio = PATCH
    emu3_drawings.draw(folder, processor, model, sessions)


def cases():
    """Conversations about pictures of several shapes; those that are shown together have one size."""
    landscape = {"landscape.png": picture(77, 45, seed=71)}
    portrait = {"portrait.png": picture(33, 59, seed=72)}
    small = {"small.png": picture(9, 7, seed=73)}
    second = {"second.png": picture(77, 45, seed=74)}
    return [
        Case("landscape", [user(None, "What is in the picture?")], landscape),
        Case("portrait", [said("system", "Look well."), user(None, "Describe this in detail.")], portrait),
        Case("enlarged", [user("Describe this.", None)], small),
        Case("text_only", [user("Hello, what is 12 + 30?")]),
        Case("later_turn", [
            user(None, "What is on the left side?"),
            said("assistant", "A blue circle."),
            user(None, "And in this one? Ü, 語."),
        ], {**landscape, **second}),
    ]
