"""Janus (Chen et al. 2025): one language model that sees through a SigLIP tower and draws tokens of a VQ codebook."""

import torch
import transformers
from transformers import JanusConfig, JanusForConditionalGeneration, JanusProcessor, LlamaConfig
from transformers import PreTrainedTokenizerFast
from transformers.models.janus.image_processing_pil_janus import JanusImageProcessorPil

import decoder
import drawings
import graphs
import janus_sessions
import tokens
import weights
from goldens import Case, said, user
from pictures import picture

# Pixels of the image's side, and of a patch's side; there are as many features as tokens to draw.
SIDE, PATCH = 28, 7
FEATURES = (SIDE // PATCH) ** 2
# Entries of the codebook, and how long each is.
CODES, CODE = 64, 8

FIRST_TOKENS = ["<s>", "</s>", "<pad>", "<unk>"]
LAST_TOKENS = ["<image_placeholder>", "<begin_of_image>", "<end_of_image>", "<|User|>", "<|Assistant|>"]

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% set is_answer = message['role'] == 'assistant' %}"
    "{% if is_answer %}{{ '<|Assistant|>:' }}"
    "{% elif message['role'] == 'user' %}{{ '<|User|>: ' }}{% endif %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}"
    "{{ '' if loop.first else '\n' }}{{ '<image_placeholder>' }}{{ '' if loop.last else '\n' }}"
    "{% else %}{{ ' ' if is_answer and loop.first else '' }}{{ part['text'] | trim }}{% endif %}"
    "{% endfor %}"
    "{{ '</s>' if is_answer else '\n\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|Assistant|>:' }}{% endif %}"
)

# How the folder's graphs are run; the drawings that are recorded beside the replies.
Sessions = janus_sessions.Sessions
draw = drawings.janus


def processor():
    """The processor with its small tokenizer, which puts `<s>` before every prompt."""
    return JanusProcessor(
        image_processor=JanusImageProcessorPil(
            size={"height": SIDE, "width": SIDE}, min_size=4, image_mean=[0.5] * 3, image_std=[0.5] * 3
        ),
        tokenizer=PreTrainedTokenizerFast(
            tokenizer_object=tokens.tokenizer(FIRST_TOKENS, LAST_TOKENS, bos="<s>"),
            bos_token="<s>",
            eos_token="</s>",
            pad_token="<pad>",
            unk_token="<unk>",
            extra_special_tokens={
                "image_token": "<image_placeholder>",
                "boi_token": "<begin_of_image>",
                "eoi_token": "<end_of_image>",
            },
            clean_up_tokenization_spaces=False,
        ),
        chat_template=CHAT_TEMPLATE,
        **settings(),
    )


def settings():
    """What `processor_config.json` says beside the class."""
    return {"num_image_tokens": FEATURES, "use_default_system_prompt": True}


def model(seed, processor):
    """A tiny Janus with random weights."""
    tokenizer = processor.tokenizer
    hidden = 48
    config = JanusConfig(
        vision_config={
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "mlp_ratio": 2.0,
            "image_size": SIDE,
            "patch_size": PATCH,
            "projection_dim": hidden,
            "num_image_tokens": FEATURES,
        },
        vq_config={
            "embed_dim": CODE,
            "num_embeddings": CODES,
            "latent_channels": 8,
            "base_channels": 32,
            "channel_multiplier": [1, 1],
            "num_res_blocks": 0,
            "projection_dim": hidden,
            "image_token_embed_dim": hidden,
        },
        text_config=LlamaConfig(
            hidden_size=hidden,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=3,
            num_key_value_heads=1,
            head_dim=16,
            vocab_size=len(tokenizer),
            max_position_embeddings=512,
            rms_norm_eps=1e-5,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        ).to_dict(),
        image_token_id=tokenizer.convert_tokens_to_ids("<image_placeholder>"),
        tie_word_embeddings=False,
    )
    result = JanusForConditionalGeneration(config)
    result.generation_config = transformers.GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        generation_kwargs={"boi_token_id": tokenizer.convert_tokens_to_ids("<begin_of_image>")},
    )
    silent = tokens.silent_tokens(tokenizer.backend_tokenizer)
    result = weights.fill(result, seed, result.lm_head, silent)
    with torch.no_grad():
        # Otherwise most of the picture lies beyond black and white.
        result.model.vqmodel.decoder.conv_out.weight.mul_(0.25)
    return result


def prepare(model, input_ids, pixel_values, images_seq_mask, images_emb_mask):
    """Embeddings `[batch, tokens, hidden]` of a prompt, with the features of its images `[batch, images, 3, side,
    side]` in the rows that `images_seq_mask` names; `images_emb_mask` `[batch, images, features]` names theirs.

    The k-th row takes the k-th feature, by a product with a matrix of zeros and ones: so that a prompt without an
    image is nothing special. A batch shares its images' features in order, as its rows take them."""
    embeddings = model.get_input_embeddings()(input_ids)
    features = model.model.get_image_features(pixel_values.flatten(0, 1)).pooler_output
    features = features.reshape(-1, embeddings.shape[-1])
    given, wanted = images_emb_mask.flatten(), images_seq_mask.flatten()
    rank_given, rank_wanted = given.long().cumsum(0), wanted.long().cumsum(0)
    takes = (rank_wanted[:, None] == rank_given[None, :]) & given[None, :]
    rows = (takes.float() @ features).reshape(embeddings.shape)
    return {"inputs_embeds": torch.where(images_seq_mask[..., None], rows, embeddings)}


def export(model, folder):
    """Writes the sessions by the names that the community gives them."""
    example = {
        "input_ids": torch.ones(2, 7, dtype=torch.long),
        "pixel_values": torch.randn(2, 3, 3, SIDE, SIDE),
        "images_seq_mask": torch.ones(2, 7, dtype=torch.bool),
        "images_emb_mask": torch.ones(2, 3, FEATURES, dtype=torch.bool),
    }
    names = {
        "input_ids": ["batch_size", "sequence_length"],
        "pixel_values": ["batch_size", "num_images", None, None, None],
        "images_seq_mask": ["batch_size", "sequence_length"],
        "images_emb_mask": ["batch_size", "num_images", None],
        "inputs_embeds": ["batch_size", "sequence_length", None],
    }
    # Not fused: fused attention is reshaped in a way that fails where there is no image.
    prepared = graphs.export(graphs.Graph(model, prepare), example, names, fusions=None)
    graphs.save(prepared, folder.graph("prepare_inputs_embeds"))
    graphs.save(decoder.build(model.model.language_model, None), folder.graph("language_model"))

    hidden = {"hidden_states": torch.randn(2, 3, model.config.text_config.hidden_size)}
    open_hidden = {name: ["batch_size", "sequence_length", None] for name in ("hidden_states", "logits")}
    for session, head in [("lm_head", model.lm_head), ("gen_head", model.model.generation_head)]:
        graph = graphs.Graph(head, lambda head, hidden_states: {"logits": head(hidden_states)})
        graphs.save(graphs.export(graph, hidden, open_hidden), folder.graph(session))
    graph = graphs.Graph(model, lambda model, image_ids: {
        "inputs_embeds": model.prepare_embeddings_for_image_generation(image_ids)
    })
    open_ids = {
        "image_ids": ["batch_size", "sequence_length"], "inputs_embeds": ["batch_size", "sequence_length", None]
    }
    example = {"image_ids": torch.ones(2, 3, dtype=torch.long)}
    graphs.save(graphs.export(graph, example, open_ids), folder.graph("gen_img_embeds"))
    graph = graphs.Graph(model.model.vqmodel, lambda vq, generated_tokens: {
        "decoded_image": vq.decode(generated_tokens)
    })
    example = {"generated_tokens": torch.ones(2, FEATURES, dtype=torch.long)}
    open_batch = {"generated_tokens": ["batch_size", None], "decoded_image": ["batch_size", None, None, None]}
    graphs.save(graphs.export(graph, example, open_batch), folder.graph("image_decode"))


def cases():
    """Conversations that take each path through the resize, the padding and the prompt."""
    landscape = {"landscape.png": picture(77, 45, seed=51)}
    portrait = {"portrait.png": picture(33, 59, seed=52)}
    small = {"small.png": picture(17, 13, seed=53)}
    return [
        Case("landscape", [user(None, "What is in the picture?")], landscape),
        Case("enlarged", [user("Describe this in detail.", None)], small),
        Case("text_only", [user("Hello, what is 12 + 30?")]),
        Case("later_turn", [
            user(None, "What is on the left side?"),
            said("assistant", "A blue circle."),
            user(None, "And in this one? Ü, 語."),
        ], {**landscape, **portrait}),
        Case("two_images", [user(None, None, "Which of them shows a circle?")], {**portrait, **small}),
    ]
