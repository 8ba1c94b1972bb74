"""Chameleon (Chameleon Team 2024): one stream of tokens, in which an image is a begin, as many tokens of a VQ codebook as
it has patches, and an end. What it reads and what it draws are the same tokens. It has no chat template of its own."""

import torch
import transformers
from tokenizers import AddedToken
from transformers import ChameleonConfig, ChameleonForConditionalGeneration, ChameleonProcessor, PreTrainedTokenizerFast
from transformers.models.chameleon.image_processing_pil_chameleon import ChameleonImageProcessorPil

import chameleon_drawings
import chameleon_sessions
import graphs
import tokens
import weights
from goldens import Case, said, user
from pictures import picture

# Pixels of the image's side, and of the square that one token stands for.
SIDE, PATCH = 12, 2
FEATURES = (SIDE // PATCH) ** 2
# Entries of the codebook, and how long each is.
CODES, CODE = 64, 8

FIRST_TOKENS = ["<s>", "<pad>", "</s>", "<unk>"]
LAST_TOKENS = ["<racm3:break>", "<eoss>", "<reserved08706>", "<image>"]
# What the authors' program puts after a turn.
SEPARATOR = "<reserved08706>"

# How the folder's graphs are run; the drawings that are recorded beside the replies.
Sessions = chameleon_sessions.Sessions
draw = chameleon_drawings.draw


class Processor(ChameleonProcessor):
    """The processor, to which a conversation comes as the authors' program has it."""

    def apply_chat_template(self, messages, **_):
        """The parts of a conversation one after another, and the separator between turns; the one after the last is the
        processor's. A system message, which that program doesn't know, has a line of its own."""
        prompt = ""
        for message in messages:
            for part in message["content"]:
                prompt += "<image>" if part["type"] == "image" else part["text"]
            prompt += "\n" if message["role"] == "system" else SEPARATOR
        return prompt.removesuffix(SEPARATOR)


# What is in the folder is what published folders hold, which know the processor by this name.
Processor.__name__ = "ChameleonProcessor"


def name_of(code):
    """What the tokenizer calls a code of the image's: its digits as letters."""
    return "IMGIMG" + "".join("ABCDEFGHIJ"[int(digit)] for digit in str(code)) + "Z"


def tokenizer():
    """The small tokenizer. The codes' tokens come in another order than the codes."""
    result = tokens.tokenizer(FIRST_TOKENS, LAST_TOKENS, bos="<s>")
    names = [name_of((29 * place + 7) % CODES) for place in range(CODES)]
    result.add_tokens([AddedToken(name, special=False, normalized=False) for name in names])
    return result


def processor():
    """The processor, which puts `<s>` before every prompt and the separator after it."""
    return Processor(
        image_processor=ChameleonImageProcessorPil(
            size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
        ),
        tokenizer=PreTrainedTokenizerFast(
            tokenizer_object=tokenizer(),
            bos_token="<s>",
            eos_token="</s>",
            pad_token="<pad>",
            unk_token="<unk>",
            sep_token=SEPARATOR,
            extra_special_tokens={"image_token": "<image>", "boi_token": "<racm3:break>", "eoi_token": "<eoss>"},
            clean_up_tokenization_spaces=False,
        ),
        image_seq_length=FEATURES,
    )


def settings():
    """What `processor_config.json` says beside the class."""
    return {"image_seq_length": FEATURES, "image_token": "<image>"}


def model(seed, processor):
    """A tiny Chameleon with random weights, and the decoder of pictures that its own checkpoints have beside the encoder."""
    tokenizer = processor.tokenizer
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda pair: pair[1])
    config = ChameleonConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        vocab_size=len(tokenizer),
        max_position_embeddings=512,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        vq_config={
            "embed_dim": CODE,
            "num_embeddings": CODES,
            "latent_channels": 8,
            "resolution": SIDE,
            "base_channels": 32,
            "channel_multiplier": [1, 1],
            "num_res_blocks": 0,
        },
        vocabulary_map=dict(vocabulary),
    )
    result = ChameleonForConditionalGeneration(config)
    result.model.vqmodel.decoder = chameleon_drawings.decoder(config.vq_config)
    result.generation_config = transformers.GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    silent = tokens.silent_tokens(tokenizer.backend_tokenizer)
    result = weights.fill(result, seed, result.lm_head, silent)
    with torch.no_grad():
        for name, parameter in result.named_parameters():
            # A norm a head, whose weights have two dimensions.
            if name.endswith(("q_norm.weight", "k_norm.weight")):
                parameter.mul_(0.5).add_(1.0)
        # In a picture, where nothing else is to choose from, the best code shall win as clearly as a word does.
        result.lm_head.weight[result.model.vocabulary_mapping.image_tokens] *= 2.0
        # Otherwise most of the picture lies beyond black and white.
        result.model.vqmodel.decoder.conv_out.weight.mul_(0.25)
    return result


def vision(model, pixel_values):
    """The tokens `[images, tokens]` of images `[images, 3, side, side]`, as the vocabulary of text has them."""
    vq = model.model.vqmodel
    codes = vq.quantize(vq.quant_conv(vq.encoder(pixel_values)))[2]
    table = model.model.vocabulary_mapping.img2bpe_mapping_tensor
    return {"image_tokens": table[codes].reshape(pixel_values.shape[0], -1).to(torch.int64)}


def export(model, folder):
    """Writes the four sessions."""
    example = {"pixel_values": torch.randn(2, 3, SIDE, SIDE)}
    names = {"pixel_values": ["batch_size", None, None, None], "image_tokens": ["batch_size", None]}
    encoder = graphs.export(graphs.Graph(model, vision), example, names)
    graphs.save(encoder, folder.graph("vision_encoder"))
    graphs.save(graphs.embeddings(model), folder.graph("embed_tokens"))
    traced = graphs.Decoder(model.model, model.lm_head)
    # Not fused: told positions, fused attention is wrong on WebGPU.
    graphs.save(graphs.decoder(traced, fusions=None), folder.graph("decoder_model_merged"))
    painter = graphs.Graph(model.model.vqmodel, lambda vq, generated_tokens: {
        "decoded_image": chameleon_drawings.decoded(vq, generated_tokens)
    })
    example = {"generated_tokens": torch.ones(2, FEATURES, dtype=torch.long)}
    names = {"generated_tokens": ["batch_size", None], "decoded_image": ["batch_size", None, None, None]}
    graphs.save(graphs.export(painter, example, names), folder.graph("image_decode"))


def cases():
    """Conversations that take each path through the resize, the crop and the prompt."""
    landscape = {"landscape.png": picture(77, 45, seed=61)}
    portrait = {"portrait.png": picture(33, 59, seed=62)}
    small = {"small.png": picture(9, 7, seed=63)}
    return [
        Case("landscape", [user(None, "What is in the picture?")], landscape),
        Case("enlarged", [user("Describe this in detail.", None)], small),
        Case("text_only", [user("Hello, what is 12 + 30?")]),
        Case("later_turn", [
            user(None, "What is on the left side?"),
            said("assistant", "A blue circle."),
            user(None, "And in this one? Ü, 語."),
        ], {**landscape, **portrait}),
        Case("two_images", [said("system", "Look well."), user(None, "and", None, "differ.")], {**portrait, **small}),
    ]
