"""What the language models that see nothing share: a tokenizer, a processor of text alone, random weights, cases, and the
way they are checked."""

import transformers
from transformers import PreTrainedTokenizerFast

import graphs
import tokens
import weights
from goldens import Case, said, user


class TextProcessor:
    """A tokenizer in the place of a processor: messages to a prompt, a prompt to tokens, as
    `apply_chat_template` of transformers' tokenizers does both, which adds nothing to what the template wrote."""

    image_processor = None

    def __init__(self, tokenizer, chat_template):
        self.tokenizer = tokenizer
        self.chat_template = chat_template

    def apply_chat_template(self, messages, **options):
        flat = [
            {"role": message["role"], "content": "".join(part["text"] for part in message["content"])}
            for message in messages
        ]
        return self.tokenizer.apply_chat_template(flat, chat_template=self.chat_template, **options)

    def __call__(self, text, images=None, return_tensors=None):
        return self.tokenizer(text, return_tensors=return_tensors, add_special_tokens=False)


def settings():
    """There is no processor beside the tokenizer."""
    return {}


def llama_tokenizer(extra=(), digits=False):
    """The small tokenizer as Llama's, which puts `<s>` before every text, and whose padding is what ends a reply."""
    return PreTrainedTokenizerFast(
        tokenizer_object=tokens.tokenizer(["<unk>", "<s>", "</s>", *extra], [], digits=digits, bos="<s>"),
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="</s>",
        clean_up_tokenization_spaces=False,
    )


# Sizes of Llama's layout.
LLAMA_SIZES = {
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "tie_word_embeddings": False,
}


def ends_of(tokenizer):
    """The special tokens that a configuration names."""
    return {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


def filled(result, seed, tokenizer, ends):
    """The model with random weights, and what ends its replies."""
    result.generation_config = transformers.GenerationConfig(**ends)
    silent = tokens.silent_tokens(tokenizer.backend_tokenizer)
    return weights.fill(result, seed, result.lm_head, silent)


def cases():
    """Conversations: short, long, of several turns and scripts."""
    return [
        Case("short", [user("Plan the login.")]),
        Case("with_system", [
            said("system", "You plan in steps, one a line."),
            user("Find the search field, type 12 + 30 and press enter."),
        ]),
        Case("turns", [
            user("What is on the left side?"),
            said("assistant", "A blue circle."),
            user("And to the right of it? Ü, 語."),
        ]),
        Case("long", [
            said("system", "You see nothing; others tell you what they saw. " * 3),
            user("The red button is to the right of the text field. " * 4 + "Where is the button?"),
        ]),
    ]


def decoder(model, fusions):
    """The traced graph from token ids to logits. Fused, it takes a batch of one; not fused, any."""
    traced = Tokens(model.model, model.lm_head)
    config = model.config
    example = graphs.decoder_example(config, batch=1 if fusions else 2)
    batch, new, _ = example.pop("inputs_embeds").shape
    example = {"input_ids": graphs.torch.ones(batch, new, dtype=graphs.torch.long), **example}
    dimensions = graphs.decoder_dimensions(config)
    dimensions["input_ids"] = ["batch_size", "sequence_length"]
    return graphs.export(traced, example, dimensions, fusions)


class Tokens(graphs.Decoder):
    """The language model with its cache laid open, which looks embeddings up itself."""

    def forward(self, input_ids, attention_mask, position_ids, past_key_values):
        embeds = self.text_model.get_input_embeddings()(input_ids)
        return super().forward(embeds, attention_mask, position_ids, past_key_values)
