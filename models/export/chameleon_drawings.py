"""What Chameleon draws: its tokens by a loop over transformers' model, their pixels by the decoder that Chameleon's own
is built from.

transformers 5.23 has the encoder of images alone. The published checkpoints' other half (`vqgan.ckpt`) is the `Decoder`
of taming-transformers (Esser et al. 2021), with the same names of weights; its settings are those of the encoder."""

import contextlib
import io

import numpy as np
import torch
from PIL import Image
from taming.modules.diffusionmodules.model import Decoder

import drawings
import goldens
from drawings import PROMPTS

# How much nearer the nearest entry of the codebook must be than the next.
NEAR = 1e-3


def decoder(config):
    """The decoder that goes with an encoder's settings."""
    with contextlib.redirect_stdout(io.StringIO()):
        return Decoder(
            ch=config.base_channels,
            out_ch=3,
            ch_mult=tuple(config.channel_multiplier),
            num_res_blocks=config.num_res_blocks,
            attn_resolutions=[],
            in_channels=config.in_channels,
            resolution=config.resolution,
            z_channels=config.latent_channels,
        )


def decoded(vq, codes):
    """Pixels `[batch, 3, height, width]`, from −1 to 1 for the most part, of codes `[batch, tokens]`, row by row."""
    side = vq.config.resolution // 2 ** (len(vq.config.channel_multiplier) - 1)
    entries = vq.quantize.embedding(codes).reshape(-1, side, side, vq.config.embed_dim)
    return vq.decoder(vq.post_quant_conv(entries.permute(0, 3, 1, 2)))


def draw(folder, processor, model, sessions):
    """Draws each prompt in torch, and again in ONNX Runtime, and gives the goldens.

    Guidance is that of the authors' own program, where a prompt without images has two ways to be read: whole, and as its
    first token and the image's begin alone. (A third, for prompts with images, is then the second.)

    Raises `verify.Unclear` where the pictures can't be compared elsewhere."""
    recorded, furthest, pixels_off = [], 0.0, 0.0
    begin = processor.image_start_token_id
    check_images(folder, processor, model, sessions)
    for text, guidance in PROMPTS:
        messages = [goldens.user(text)]
        prompt = processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        ids = processor(text=prompt)["input_ids"][0].tolist() + [begin]
        unconditional = [processor.tokenizer.bos_token_id, begin]
        scores, drawn = by_transformers(model, ids, unconditional, guidance)
        drawings.check_clear(scores, drawn, text)
        with torch.no_grad():
            pixels = decoded(model.model.vqmodel, torch.tensor([drawn]))[0].numpy()
        again, tokens, found = sessions.drawing(ids, unconditional, guidance, (len(drawn),))
        assert tokens == drawn, f"{text!r}: another picture"
        # Guidance makes the scores larger, and what they are off by.
        furthest = max(furthest, float(np.abs(again - scores).max() / np.abs(scores).max()))
        pixels_off = max(pixels_off, float(np.abs(found - pixels).max()))
        # As the authors' program makes bytes: what lies beyond black and white is cut, fractions are dropped.
        picture = torch.from_numpy(((pixels.clip(-1.0, 1.0) + 1.0) / 2.0 * 255.0).astype(np.uint8))
        recorded.append(drawings.golden(text, guidance, ids, unconditional, drawn, scores[0], picture))
    drawings.write(folder, recorded, furthest, pixels_off, " of the largest")


def by_transformers(model, prompt, unconditional, guidance):
    """The guided scores `[steps, codes]` and the codes that they choose.

    transformers' model silences an image's tokens in its own scores, so they are asked of the head."""
    codes = model.model.vocabulary_mapping.img2bpe_mapping_tensor.long()
    side = model.config.vq_config.resolution // 2 ** (len(model.config.vq_config.channel_multiplier) - 1)
    scores, drawn, caches = [], [], [None, None]
    fresh = [torch.tensor([prompt]), torch.tensor([unconditional])]
    with torch.no_grad():
        while len(drawn) < side * side:
            read = [
                model.model(input_ids=ids, past_key_values=cache, use_cache=True) for ids, cache in zip(fresh, caches)
            ]
            caches = [one.past_key_values for one in read]
            full, none = [model.lm_head(one.last_hidden_state[0, -1])[codes] for one in read]
            scores.append(none + guidance * (full - none))
            drawn.append(int(scores[-1].argmax()))
            fresh = [codes[drawn[-1]].reshape(1, 1)] * 2
    return torch.stack(scores).numpy(), drawn


def check_images(folder, processor, model, sessions):
    """Every picture's tokens are those of transformers, and none was a near miss."""
    for path in sorted(folder.path.glob("*.png")):
        pixels = processor.image_processor(Image.open(path), return_tensors="pt")["pixel_values"]
        vq = model.model.vqmodel
        with torch.no_grad():
            expected = model.get_image_tokens(pixels).flatten().tolist()
            states = vq.quant_conv(vq.encoder(pixels)).permute(0, 2, 3, 1).flatten(0, 2)
            found = sessions.features(pixels.numpy()).tolist()
            drawings.check_codes(path.name, found, expected, states, vq.quantize.embedding.weight, NEAR)
