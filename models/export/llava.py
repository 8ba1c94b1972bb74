"""LLaVA 1.5: a CLIP tower's patches, projected, stand in the prompt as so many tokens."""

import torch
import transformers
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration
from transformers import LlavaProcessor, PreTrainedTokenizerFast
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil

import graphs
import tokens
import weights
from goldens import Case, one_more, said, user
from pictures import picture

# Pixels of the image's side after the crop, and of a patch's side.
SIDE, PATCH = 28, 7
FEATURES = (SIDE // PATCH) ** 2

FIRST_TOKENS = ["<unk>", "<s>", "</s>"]
LAST_TOKENS = ["<image>", "<pad>"]

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] != 'system' %}{{ message['role'].upper() + ': ' }}{% endif %}"
    "{# Images come first, whatever their place among the parts #}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'image') %}"
    "{{ '<image>\n' }}{% endfor %}"
    "{% if message['role'] != 'assistant' %}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{{ part['text'] + ' ' }}{% endfor %}"
    "{% else %}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{% generation %}{{ part['text'] + ' ' }}{% endgeneration %}{% endfor %}"
    "{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)


def processor():
    """The processor with its small tokenizer, which puts `<s>` before every prompt."""
    return LlavaProcessor(
        image_processor=LlavaImageProcessorPil(
            size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
        ),
        tokenizer=PreTrainedTokenizerFast(
            tokenizer_object=tokens.tokenizer(FIRST_TOKENS, LAST_TOKENS, bos="<s>"),
            bos_token="<s>",
            eos_token="</s>",
            pad_token="<pad>",
            unk_token="<unk>",
            clean_up_tokenization_spaces=False,
        ),
        chat_template=CHAT_TEMPLATE,
        **settings(),
    )


def settings():
    """What `processor_config.json` says beside the class. The tower has a class token, which
    counts as an additional token first and is dropped by the "default" strategy then."""
    return {
        "patch_size": PATCH,
        "vision_feature_select_strategy": "default",
        "num_additional_image_tokens": 1,
        "image_token": "<image>",
    }


def model(seed, processor):
    """A tiny LLaVA with random weights."""
    tokenizer = processor.tokenizer
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=3,
            num_attention_heads=2,
            image_size=SIDE,
            patch_size=PATCH,
        ),
        text_config=LlamaConfig(
            hidden_size=48,
            intermediate_size=96,
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
        ),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=FEATURES,
    )
    result = LlavaForConditionalGeneration(config)
    result.generation_config = transformers.GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    silent = tokens.silent_tokens(tokenizer.backend_tokenizer)
    return weights.fill(result, seed, result.lm_head, silent)


def vision(model, pixel_values):
    """Features `[images, patches, hidden]` of images `[images, 3, side, side]`: the tower's
    second-to-last layer without its class token, projected."""
    layers = model.model.vision_tower(
        pixel_values, output_hidden_states=True, return_dict=True
    ).hidden_states
    patches = layers[model.config.vision_feature_layer][:, 1:]
    return {"image_features": model.model.multi_modal_projector(patches)}


def export(model, folder):
    """Writes the graphs: the three sessions, the decoder's weights in a file of their own, and
    the decoder once more without any fused operator."""
    example = {"pixel_values": torch.randn(2, 3, SIDE, SIDE)}
    names = {"pixel_values": ["batch_size", None, None, None]}
    encoder = graphs.export(graphs.Graph(model, vision), example, names)
    graphs.save(encoder, folder.graph("vision_encoder"))
    graphs.save(graphs.embeddings(model), folder.graph("embed_tokens"))

    traced = graphs.Decoder(model.model.language_model, model.lm_head)
    fused = graphs.decoder(traced, fusions="cpu")
    graphs.save(fused, folder.graph("decoder_model_merged"), external_data=True)
    graphs.save(graphs.decoder(traced, fusions=None), folder.graph("decoder_model_merged", "_plain"))


def cases():
    """Conversations that take each path through the crop and the prompt."""
    landscape = {"landscape.png": picture(77, 45, seed=11)}
    portrait = {"portrait.png": picture(33, 59, seed=12)}
    small = {"small.png": picture(17, 13, seed=13)}
    return [
        Case("landscape", [user(None, "What is in the picture?")], landscape),
        Case("portrait", [user(None, "Click the red button, please.")], portrait),
        Case("enlarged", [user("Describe this in detail.", None)], small),
        Case("text_only", [said("system", "You see well. "), user("Hello, what is 12 + 30?")]),
        Case("two_turns", [
            user(None, "What is on the left side?"),
            said("assistant", "A blue circle."),
            user("And to the right of it? Ü, 語."),
        ], landscape),
        Case("two_images", [user(None, None, "Which of them shows a circle?")],
             {**portrait, **small}),
        Case("later_turn", one_more(), {**landscape, **portrait}),
    ]
