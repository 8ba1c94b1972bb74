"""BLIP-2: a Q-Former asks an image a fixed number of learnt questions, and what it hears stands in
the prompt of an OPT decoder, before the tokenizer's own first token. It has no chat template."""

import torch
import transformers
from transformers import Blip2Config, Blip2ForConditionalGeneration, Blip2Processor
from transformers import Blip2QFormerConfig, Blip2VisionConfig, OPTConfig, PreTrainedTokenizerFast
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

import graphs
import tokens
import weights
from goldens import Case, said, user
from pictures import picture

# Pixels of the image's side and of a patch's side, and the Q-Former's questions.
SIDE, PATCH, QUERIES = 28, 7, 6

# As OPT has them: `</s>` is put before every text, and ends one.
FIRST_TOKENS = ["<s>", "<pad>", "</s>", "<unk>"]
LAST_TOKENS = ["<image>"]


class Asked(Case):
    """A conversation, and the text that somebody who uses transformers would write for it; None
    where they would write none, for a caption."""

    def __init__(self, name, text, messages, pictures):
        super().__init__(name, messages, pictures)
        self.text = text


class Processor(Blip2Processor):
    """The processor, which is given a text and not messages."""

    def asked(self, case):
        """The prompt as far as a reader writes it, and the model's inputs."""
        image = next(iter(case.pictures.values()))
        # Without a text the processor gives no tokens, and the model begins with these.
        text = case.text or ""
        inputs = self(images=image, text=text, return_tensors="pt")
        return f"<image></s>{text}", {name: value for name, value in inputs.items() if torch.is_tensor(value)}


# What is in the folder is what published folders hold, which know the processor by this name.
Processor.__name__ = "Blip2Processor"


def processor():
    """The processor with its small tokenizer."""
    return Processor(
        image_processor=BlipImageProcessorPil(size={"height": SIDE, "width": SIDE}),
        tokenizer=PreTrainedTokenizerFast(
            tokenizer_object=tokens.tokenizer(FIRST_TOKENS, LAST_TOKENS, bos="</s>"),
            bos_token="</s>",
            eos_token="</s>",
            pad_token="<pad>",
            unk_token="</s>",
            clean_up_tokenization_spaces=False,
        ),
        num_query_tokens=QUERIES,
    )


def settings():
    """What `processor_config.json` says beside the class."""
    return {"num_query_tokens": QUERIES}


def model(seed, processor):
    """A tiny BLIP-2 with random weights. Of three Q-Former layers the first and the last look."""
    tokenizer = processor.tokenizer
    config = Blip2Config(
        vision_config=Blip2VisionConfig(
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=SIDE,
            patch_size=PATCH,
        ),
        qformer_config=Blip2QFormerConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=3,
            num_attention_heads=2,
            encoder_hidden_size=32,
            cross_attention_frequency=2,
        ),
        text_config=OPTConfig(
            hidden_size=48,
            word_embed_proj_dim=48,
            ffn_dim=96,
            num_hidden_layers=2,
            num_attention_heads=3,
            vocab_size=len(tokenizer),
            max_position_embeddings=256,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            tie_word_embeddings=False,
        ),
        num_query_tokens=QUERIES,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        tie_word_embeddings=False,
    )
    result = Blip2ForConditionalGeneration(config)
    result.generation_config = transformers.GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    silent = tokens.silent_tokens(tokenizer.backend_tokenizer)
    return weights.fill(result, seed, result.language_model.lm_head, silent)


def vision(model, pixel_values):
    """Features `[images, queries, hidden]` of images `[images, 3, side, side]`."""
    return {"image_features": model.get_image_features(pixel_values).pooler_output}


def export(model, folder):
    """Writes the three sessions, and the decoder once more without any fused operator."""
    example = {"pixel_values": torch.randn(2, 3, SIDE, SIDE)}
    names = {"pixel_values": ["batch_size", None, None, None]}
    encoder = graphs.export(graphs.Graph(model, vision), example, names)
    graphs.save(encoder, folder.graph("vision_encoder"))
    graphs.save(graphs.embeddings(model), folder.graph("embed_tokens"))
    traced = graphs.Decoder(model.language_model.model, model.language_model.lm_head)
    graphs.save(graphs.decoder(traced, fusions="cpu"), folder.graph("decoder_model_merged"))


def ask(name, question, pictures):
    """A case of one question."""
    return Asked(name, f"Question: {question} Answer:", [user(None, question)], pictures)


def cases():
    """A caption, questions, a text to go on with, and a conversation about one image."""
    landscape = {"landscape.png": picture(77, 45, seed=21)}
    portrait = {"portrait.png": picture(33, 59, seed=22)}
    small = {"small.png": picture(17, 13, seed=23)}
    return [
        Asked("caption", None, [user(None)], landscape),
        Asked("question", "Question: What is in the picture? Answer:",
              [user(None, "What is in the picture?")], portrait),
        Asked("a_prompt_already", "Question: which colour is it? Short answer:",
              [user("Question: which colour is it? Short answer:", None)], small),
        Asked("goes_on", "a photo of", [user(None, "a photo of")], portrait),
        Asked("told_before", "Look well. Question: Is it red? Ü, 語? Answer:",
              [said("system", "Look well."), user(None, " Is it red? Ü, 語? ")], landscape),
        Asked("later_turn",
              "Question: What is on the left side? Answer: A blue circle. "
              "Question: And to the right of it? Answer:",
              [user("What is on the left side?", None), said("assistant", "A blue circle"),
               user("And to the right of it?")], landscape),
        Asked("after_a_caption", "A square. Question: Where? Answer:",
              [user(None), said("assistant", "A square."), user("Where?")], small),
    ]
