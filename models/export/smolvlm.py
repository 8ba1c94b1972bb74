"""SmolVLM (Idefics3's kin): an image becomes a grid of tiles and one small view of the whole."""

import torch
import transformers
from transformers import LlamaConfig, PreTrainedTokenizerFast, SmolVLMConfig
from transformers import SmolVLMForConditionalGeneration, SmolVLMProcessor
from transformers.models.smolvlm import processing_smolvlm
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil
from transformers.models.smolvlm.video_processing_smolvlm import SmolVLMVideoProcessor

import decoder
import graphs
import tokens
import weights
from goldens import Case, said, user
from pictures import picture

# Pixels of a tile's side, of a patch's side, and how many patches a side go into one feature.
TILE, PATCH, SHUFFLE = 16, 4, 2
FEATURES = (TILE // PATCH // SHUFFLE) ** 2
# The longest side of an image before it's cut: three tiles.
LONGEST = 3 * TILE

GRID = [f"<row_{row}_col_{column}>" for row in range(1, 5) for column in range(1, 5)]
FIRST_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
LAST_TOKENS = ["<global-img>", *GRID, "<fake_token_around_image>", "<image>", "<end_of_utterance>"]

CHAT_TEMPLATE = (
    "<|im_start|>{% for message in messages %}{{ message['role'] | capitalize }}"
    "{% if message['content'][0]['type'] == 'image' %}{{ ':' }}{% else %}{{ ': ' }}{% endif %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'text' %}{{ part['text'] }}"
    "{% elif part['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>\n"
    "{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)


def processor():
    """The processor with its small tokenizer. Resizing is Pillow's."""
    # The processor refuses to start without a package that spells out a video's frame count.
    # Nothing here has a video, so the check gets what it looks for.
    if processing_smolvlm.num2words is None:
        processing_smolvlm.num2words = str
    return SmolVLMProcessor(
        image_processor=SmolVLMImageProcessorPil(
            size={"longest_edge": LONGEST}, max_image_size={"longest_edge": TILE}
        ),
        tokenizer=PreTrainedTokenizerFast(
            tokenizer_object=tokens.tokenizer(FIRST_TOKENS, LAST_TOKENS, digits=True),
            bos_token="<|im_start|>",
            eos_token="<end_of_utterance>",
            pad_token="<|im_end|>",
            unk_token="<|endoftext|>",
            clean_up_tokenization_spaces=False,
        ),
        video_processor=SmolVLMVideoProcessor(),
        image_seq_len=FEATURES,
        chat_template=CHAT_TEMPLATE,
    )


def settings():
    """What `processor_config.json` says beside the class."""
    return {"image_seq_len": FEATURES}


def model(seed, processor):
    """A tiny SmolVLM with random weights."""
    tokenizer = processor.tokenizer
    text = LlamaConfig(
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        vocab_size=len(tokenizer),
        max_position_embeddings=512,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 100000.0},
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    config = SmolVLMConfig(
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": TILE,
            "patch_size": PATCH,
        },
        text_config=text.to_dict(),
        scale_factor=SHUFFLE,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=tokenizer.pad_token_id,
    )
    result = SmolVLMForConditionalGeneration(config)
    result.generation_config = transformers.GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    silent = tokens.silent_tokens(tokenizer.backend_tokenizer)
    return weights.fill(result, seed, result.lm_head, silent)


def vision(model, pixel_values, pixel_attention_mask):
    """Features `[batch · tiles, features, hidden]` of tiles `[batch, tiles, 3, side, side]`.

    The model's own method drops tiles that are all zero before the tower, which no graph can do;
    whoever runs this graph feeds it real tiles only."""
    batch, tiles, channels, height, width = pixel_values.shape
    patch = model.config.vision_config.patch_size
    pixels = pixel_values.reshape(batch * tiles, channels, height, width)
    mask = pixel_attention_mask.reshape(batch * tiles, height, width)
    mask = mask.unfold(1, patch, patch).unfold(2, patch, patch).sum((-1, -2)) > 0
    hidden = model.model.vision_model(
        pixel_values=pixels, patch_attention_mask=mask, return_dict=True
    ).last_hidden_state
    return {"image_features": model.model.connector(hidden)}


def export(model, folder):
    """Writes the graphs: the three sessions, and the decoder once more with 4-bit weights."""
    example = {
        "pixel_values": torch.randn(2, 3, 3, TILE, TILE),
        "pixel_attention_mask": torch.ones(2, 3, TILE, TILE, dtype=torch.bool),
    }
    names = {
        "pixel_values": ["batch_size", "num_images", None, "height", "width"],
        "pixel_attention_mask": ["batch_size", "num_images", "height", "width"],
    }
    encoder = graphs.export(graphs.Graph(model, vision), example, names)
    graphs.save(encoder, folder.graph("vision_encoder"))
    graphs.save(graphs.embeddings(model), folder.graph("embed_tokens"))

    text_model = model.model.text_model
    graphs.save(decoder.build(text_model, model.lm_head), folder.graph("decoder_model_merged"))
    with_choice = decoder.build(text_model, model.lm_head, keep_logits=True)
    graphs.save(decoder.quantized(with_choice), folder.graph("decoder_model_merged", "_q4"))


def cases():
    """Conversations that take each path through the tiling and the prompt."""
    wide = {"wide.png": picture(75, 50, seed=1)}
    tall = {"tall.png": picture(37, 61, seed=2)}
    small = {"small.png": picture(13, 11, seed=3)}
    clear = {"clear.png": picture(40, 29, seed=4, alpha=True)}
    return [
        Case("tiles_3x2", [user(None, "What is in the picture?")], wide),
        Case("odd_portrait", [user(None, "Click the red button, please.")], tall),
        Case("enlarged", [user("Describe this: ", None, " in 2 words.")], small),
        Case("single_tile", [user(None, "Where is the text field?")], wide,
             {"size": {"longest_edge": TILE}}),
        Case("not_split", [user(None, "Say what you see.")], tall, {"do_image_splitting": False}),
        Case("transparent", [user(None, "What colour is it?")], clear,
             {"size": {"longest_edge": TILE}}),
        Case("two_images", [user(None, None, "Which of them shows a circle?")], {**tall, **small}),
        Case("text_only", [user("Hello, what is 12 + 30?")]),
        Case("two_turns", [
            user(None, "What is on the left side?"),
            said("assistant", "A blue circle."),
            user("And to the right of it? Ü, 語."),
        ], wide),
        Case("later_turn", [
            user(None, "Describe it."),
            said("assistant", "It is red."),
            user(None, "Is this one blue?"),
        ], {**wide, **small}, hashed=True),
    ]
