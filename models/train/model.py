"""glance itself: a convolutional eye, a small Qwen3-like decoder, and the losses' view into both.

The eye turns [N, 3, 208, 160] pixels into 260 tokens, each 16 x 8 px, row by row. The decoder reads
them before the instruction, causally, at plain positions; nothing in it is unusual, so it exports
to ONNX Runtime's GroupQueryAttention as it stands. Its rotary embedding turns the first half of
each head only: the other half compares contents regardless of distance.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from packing import CHARACTER_CLASSES, CHUNK, IMAGE_COLUMNS, IMAGE_ROWS, IMAGE_TOKENS, PREFIX, WIDGET_CLASSES
from vocabulary import BOS, SIZE

WIDTH = 192
HEADS = 6
HEAD = 32
LAYERS = 5
INNER = 384
POSITIONS = 640
NORM_EPSILON = 1e-6


class RMSNorm(nn.Module):
    """Root-mean-square normalisation with a learned gain."""

    def __init__(self, size: int, gain: float = 1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.full((size,), gain))

    def forward(self, x):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + NORM_EPSILON) * self.weight


def rotary_tables() -> tuple[torch.Tensor, torch.Tensor]:
    """cos and sin, each [640, 16]: eight turning frequencies and eight that stand still."""
    turning = 0.01 ** (torch.arange(8) / 7.0) * 1.2
    angles = torch.arange(POSITIONS)[:, None] * torch.cat([turning, torch.zeros(8)])[None]
    return angles.cos(), angles.sin()


def rotate(x, cos, sin):
    """Rotates the two halves of each head against one another, as Llama does."""
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


class Mixer(nn.Module):
    """One residual step of the eye at stride 8: a wide depthwise look, then channels."""

    def __init__(self, inner: int = 512):
        super().__init__()
        self.look = nn.Conv2d(WIDTH, WIDTH, (3, 7), padding=(1, 3), groups=WIDTH)
        self.norm = nn.LayerNorm(WIDTH)
        self.up = nn.Linear(WIDTH, inner)
        self.down = nn.Linear(inner, WIDTH)
        nn.init.zeros_(self.down.weight)

    def forward(self, x):  # [N, H, W, C]
        y = self.look(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return x + self.down(F.gelu(self.up(self.norm(y))))


class EyeBlock(nn.Module):
    """Attention over all image tokens, then channels."""

    def __init__(self, inner: int = 384):
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.q, self.k, self.v, self.o = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.q_norm, self.k_norm = RMSNorm(HEAD, 1.4), RMSNorm(HEAD, 1.4)
        self.up, self.down = nn.Linear(WIDTH, inner), nn.Linear(inner, WIDTH)
        nn.init.zeros_(self.o.weight)
        nn.init.zeros_(self.down.weight)

    def forward(self, x):  # [N, 260, C]
        y = self.norm_1(x)
        q, k, v = (f(y).view(*y.shape[:2], HEADS, HEAD).transpose(1, 2) for f in (self.q, self.k, self.v))
        q, k = self.q_norm(q), self.k_norm(k)
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape)
        x = x + self.o(y)
        return x + self.down(F.gelu(self.up(self.norm_2(x)))), (q, k)


def wave_code(count: int, size: int, scale: float) -> torch.Tensor:
    """A smooth code for places in a row or column, [count, size]."""
    waves = torch.arange(count)[:, None] * (math.pi / count * 2.0 ** torch.linspace(0, math.log2(count), size // 2))[None]
    return torch.cat([waves.sin(), waves.cos()], 1) * scale


class Eye(nn.Module):
    """Pixels to image tokens."""

    def __init__(self):
        super().__init__()
        self.stem_1 = nn.Conv2d(3, 32, 3, 2, 1)
        self.stem_2 = nn.Conv2d(32, 64, 3, 2, 1)
        self.stem_norm_2 = nn.LayerNorm(64)
        self.stem_3 = nn.Conv2d(64, 64, 3, 1, 1)
        self.stem_4 = nn.Conv2d(64, WIDTH, 3, 2, 1)
        self.stem_norm_4 = nn.LayerNorm(WIDTH)
        self.mixers = nn.ModuleList(Mixer() for _ in range(3))
        self.merge_norm = nn.LayerNorm(2 * WIDTH)
        self.merge = nn.Linear(2 * WIDTH, WIDTH)
        self.row_code = nn.Parameter(torch.cat([wave_code(IMAGE_ROWS, WIDTH // 2, 0.5), torch.randn(IMAGE_ROWS, WIDTH // 2) * 0.1], 1))
        self.column_code = nn.Parameter(torch.cat([torch.randn(IMAGE_COLUMNS, WIDTH // 2) * 0.1, wave_code(IMAGE_COLUMNS, WIDTH // 2, 0.5)], 1))
        self.blocks = nn.ModuleList(EyeBlock() for _ in range(2))
        self.out_norm = nn.LayerNorm(WIDTH)
        self.out_row_code = nn.Parameter(self.row_code.detach().clone())
        self.out_column_code = nn.Parameter(self.column_code.detach().clone())

    @staticmethod
    def codes(rows, columns):
        return (rows[:, None] + columns[None]).reshape(IMAGE_TOKENS, WIDTH)

    def features(self, pixels):
        """[N, 26, 20, 192], before tokens are merged."""
        x = F.gelu(self.stem_1(pixels))
        x = F.gelu(self.stem_norm_2(self.stem_2(x).permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        x = F.gelu(x + self.stem_3(x))
        x = self.stem_norm_4(self.stem_4(x).permute(0, 2, 3, 1))
        for mixer in self.mixers:
            x = mixer(x)
        return x

    def tokens(self, features):
        """[N, 260, 192] and the queries and keys of each attention block."""
        x = features.reshape(-1, IMAGE_TOKENS, 2 * WIDTH)
        x = self.merge(self.merge_norm(x)) + self.codes(self.row_code, self.column_code)
        looks = []
        for block in self.blocks:
            x, look = block(x)
            looks.append(look)
        return self.out_norm(x) + self.codes(self.out_row_code, self.out_column_code), looks

    def forward(self, pixels):
        return self.tokens(self.features(pixels))[0]


class Layer(nn.Module):
    """One decoder layer: attention with normalised queries and keys, then a gated MLP."""

    def __init__(self, index: int):
        super().__init__()
        self.input_norm, self.post_norm = RMSNorm(WIDTH), RMSNorm(WIDTH)
        self.q, self.k, self.v, self.o = (nn.Linear(WIDTH, WIDTH, bias=name in "qk") for name in "qkvo")
        self.q_norm, self.k_norm = RMSNorm(HEAD, 1.4), RMSNorm(HEAD, 1.4)
        self.gate, self.up = (nn.Linear(WIDTH, INNER, bias=False) for _ in range(2))
        self.down = nn.Linear(INNER, WIDTH, bias=False)
        nn.init.zeros_(self.o.weight)
        nn.init.zeros_(self.down.weight)
        with torch.no_grad():
            self.q.bias.zero_()
            self.k.bias.zero_()
            if index < 2:  # the last heads of the lower layers begin by looking one and two tokens back
                for head, back in ((4, 2), (5, 1)):
                    self.look_back(head, back)

    def look_back(self, head: int, back: int) -> None:
        """Sets biases so that, before learning, `head` attends to the token `back` places before."""
        rows = slice(head * HEAD, (head + 1) * HEAD)
        cos, sin = rotary_tables()
        code = torch.cat([torch.ones(8), torch.zeros(24)]) * 2.0
        self.q.weight[rows] *= 0.3
        self.k.weight[rows] *= 0.3
        self.q.bias[rows] = rotate(code, cos[0], sin[0])
        self.k.bias[rows] = rotate(code, cos[back], sin[back])

    def heads(self, x, cos, sin):
        q, k, v = (f(x).view(*x.shape[:2], HEADS, HEAD).transpose(1, 2) for f in (self.q, self.k, self.v))
        return rotate(self.q_norm(q), cos, sin), rotate(self.k_norm(k), cos, sin), v

    def mlp(self, x):
        y = self.post_norm(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class Glance(nn.Module):
    """The whole model, and beside it the heads that only training uses (`read_*`)."""

    def __init__(self):
        super().__init__()
        self.eye = Eye()
        self.embed = nn.Embedding(SIZE, WIDTH)
        self.layers = nn.ModuleList(Layer(index) for index in range(LAYERS))
        self.norm = RMSNorm(WIDTH)
        self.lm_head = nn.Linear(WIDTH, SIZE, bias=False)
        self.read_characters = nn.Linear(WIDTH, 2 * CHARACTER_CLASSES)
        self.read_widgets = nn.Linear(WIDTH, 2 * WIDGET_CLASSES)
        nn.init.normal_(self.embed.weight, std=0.7)
        nn.init.normal_(self.lm_head.weight, std=0.02)
        cos, sin = rotary_tables()
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, pixels, ids, segments, positions):
        """Teacher-forced logits [B, T, V] for packed text, and everything the losses look at.

        The image prefix attends causally to itself; text attends to the prefix and to the earlier
        tokens of its own segment. `looks` holds each layer's queries and keys by chunk of text:
        [B * chunks, heads, CHUNK, 32] and [B * chunks, heads, prefix + CHUNK, 32].
        """
        batch, length = ids.shape
        features = self.eye.features(pixels)
        tokens, eye_looks = self.eye.tokens(features)
        bos = self.embed.weight[BOS].expand(batch, 1, WIDTH)
        prefix, text = torch.cat([bos, tokens], 1), self.embed(ids)
        # Segments never straddle chunks, so each chunk of text needs the prefix and itself only.
        chunks, size = length // CHUNK, CHUNK
        segments = segments.view(batch * chunks, size)
        index = torch.arange(size, device=ids.device)
        allowed = (segments[:, :, None] == segments[:, None, :]) & (index[:, None] >= index[None])
        allowed = torch.cat([allowed.new_ones(batch * chunks, size, PREFIX), allowed], 2)
        mask = torch.zeros(allowed.shape, device=ids.device).masked_fill_(~allowed, -1e4)[:, None]
        spread = lambda x: x[:, None].expand(-1, chunks, -1, -1, -1).flatten(0, 1)  # noqa: E731
        split = lambda x: x.view(batch, HEADS, chunks, size, HEAD).transpose(1, 2).flatten(0, 1)  # noqa: E731
        join = lambda x: x.view(batch, chunks, HEADS, size, HEAD).permute(0, 1, 3, 2, 4).reshape(batch, length, WIDTH)  # noqa: E731
        prefix_turn = self.cos[:PREFIX], self.sin[:PREFIX]
        text_turn = self.cos[positions][:, None], self.sin[positions][:, None]
        looks = []
        for number, layer in enumerate(self.layers):
            last = number == LAYERS - 1
            q, k, v = layer.heads(layer.input_norm(text), *text_turn)
            prefix_q, prefix_k, prefix_v = layer.heads(layer.input_norm(prefix), *prefix_turn)
            q, all_k = split(q), torch.cat([spread(prefix_k), split(k)], 2)
            looks.append((q, all_k))
            seen = F.scaled_dot_product_attention(q, all_k, torch.cat([spread(prefix_v), split(v)], 2), attn_mask=mask)
            text = layer.mlp(text + layer.o(join(seen)))
            if not last:  # nobody reads what the image tokens become after the last layer
                seen = F.scaled_dot_product_attention(prefix_q, prefix_k, prefix_v, is_causal=True)
                prefix = layer.mlp(prefix + layer.o(seen.transpose(1, 2).reshape(prefix.shape)))
        return {
            "logits": self.lm_head(self.norm(text)),
            "characters": self.read_characters(features).view(batch, IMAGE_ROWS, 2 * 20, CHARACTER_CLASSES),
            "widgets": self.read_widgets(tokens).view(batch, IMAGE_ROWS, 20, WIDGET_CLASSES),
            "looks": looks,
            "eye_looks": eye_looks,
            "mask": mask,
        }

    def shipped_parameters(self) -> int:
        return sum(p.numel() for name, p in self.named_parameters() if not name.startswith("read_"))
