"""What a token of Gemma 3 sees: all before it, in most layers only those within a window; and an image's tokens each
other, later ones too, as far as the window lets them."""

import torch
from transformers.models.gemma3 import modeling_gemma3

import graphs

# transformers goes through the kinds of layers in the order of a set of their names, which is another in every process, and
# so would the graphs be.
modeling_gemma3.set = dict.fromkeys


def masks(attention_mask, new, window, token_type_ids=None):
    """The masks of both kinds of layers, `[batch, 1, new, past + new]`, 0 where a key is seen.

    `attention_mask` is `[batch, past + new]`. `token_type_ids`, `[batch, new]`, is 1 at an image's tokens: what is in the
    cache was read before, so those of one image must be read in one run."""
    total = attention_mask.shape[1]
    past = total - new
    keys, queries = torch.arange(total)[None, :], torch.arange(past, total)[:, None]
    seen = (keys <= queries)[None]
    if token_type_ids is not None:
        blocks = blocks_of(token_type_ids)
        before = torch.full((blocks.shape[0], past), -1, dtype=blocks.dtype)
        of_keys = torch.cat([before, blocks], dim=1)
        seen = seen | ((blocks[:, :, None] == of_keys[:, None, :]) & (blocks[:, :, None] >= 0))
    seen = seen & (attention_mask[:, None] > 0)
    near = (keys > queries - window)[None]
    return {"full_attention": added(seen), "sliding_attention": added(seen & near)}


def blocks_of(token_type_ids):
    """Which block of neighbouring image tokens each token is in, counted from 0; -1 for text."""
    is_image = token_type_ids == 1
    before = torch.cat([torch.zeros_like(is_image[:, :1]), is_image[:, :-1]], dim=1)
    begins = is_image & ~before
    return torch.where(is_image, torch.cumsum(begins.long(), dim=1) - 1, -1)


def added(seen):
    """A mask as attention adds it to its scores."""
    return torch.where(seen, 0.0, torch.finfo(torch.float32).min)[:, None]


class Causal(graphs.Decoder):
    """The language model whose tokens see what is before them, an image's too: as the community exports it."""

    def forward(self, inputs_embeds, attention_mask, position_ids, past_key_values):
        mask = masks(attention_mask, inputs_embeds.shape[1], self.text_model.config.sliding_window)
        return super().forward(inputs_embeds, mask, position_ids, past_key_values)


class Tokens(Causal):
    """The same, which looks embeddings up itself."""

    def forward(self, input_ids, attention_mask, position_ids, past_key_values):
        embeds = self.text_model.get_input_embeddings()(input_ids)
        return super().forward(embeds, attention_mask, position_ids, past_key_values)


class Blocks(graphs.Decoder):
    """The language model as transformers runs it: told which tokens are an image's."""

    def forward(self, inputs_embeds, attention_mask, position_ids, token_type_ids, past_key_values):
        window = self.text_model.config.sliding_window
        mask = masks(attention_mask, inputs_embeds.shape[1], window, token_type_ids)
        return super().forward(inputs_embeds, mask, position_ids, past_key_values)
