"""The lean forward of the engine for Llama and Qwen3: few and fused operations, on whatever rows of memory it is given.

Source: Touvron et al. 2023, "LLaMA", arXiv 2302.13971, section 2.2; Yang et al. 2025, "Qwen3 Technical Report", arXiv
2505.09388, section 2. Where we differ: queries, keys and values are one product, gate and up another; rotary pairs lie
side by side, so that turning them is one complex product; in full precision the weights of norms, and the scale of
attention, are multiplied into what follows them, in float64, so that each weight is rounded once. In 16 bits nothing is
folded, and heads are normed and turned in fp32.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from .head import Head
from .rows import Rows
from .shape import Shape
from .weights import Weights

FEW: Final = 1 << 20  # products under which MKL multiplies faster than oneDNN, which takes half as long for many
FULL: Final = (torch.float32, torch.float64)
_norm = cast(Callable[[Tensor, int, int, bool], Tensor], torch.linalg.vector_norm)  # pyright: ignore[reportUnknownMemberType]


class Decoder(Protocol):
    """What the engine asks of a model."""

    layers: int
    kv_heads: int
    head_dim: int
    positions: int
    size: int  # parameters
    device: torch.device
    dtype: torch.dtype

    def forward(self, ids: Tensor, rows: Rows) -> Tensor:
        """Read ids [B, T] at the places that `rows` aims at -> hidden [B, T, d], before the last norm."""
        ...

    def logits(self, hidden: Tensor) -> Tensor:
        """hidden [n, d] -> logits [n, V], or a reward head's outputs, in at least fp32."""
        ...


@dataclass(slots=True)
class Layer:
    """The weights of one layer; a norm's is None where it was multiplied into what follows."""

    qkv: Tensor  # [(heads + 2 kv_heads) hd, d]
    out: Tensor  # [d, heads hd]
    gate_up: Tensor  # [2 inner, d]
    down: Tensor  # [d, inner]
    before: Tensor | None  # [d]
    between: Tensor | None  # [d]
    heads: Tensor | None  # [heads + kv_heads, hd], of queries and keys


class Lean:
    """A Llama or Qwen3 with its weights; with `rewards` it has a reward head in place of the one that writes."""

    def __init__(
        self, folder: Path, shape: Shape, device: torch.device, dtype: torch.dtype, *, rewards: bool = False
    ) -> None:
        self.shape, self.device, self.dtype = shape, device, dtype
        self.layers, self.kv_heads, self.head_dim = shape.layers, shape.kv_heads, shape.head_dim
        self.positions = shape.positions
        self.full = dtype in FULL
        weights = Weights(folder, shape.head_dim, device, torch.float64 if self.full else torch.float32)
        self.embedding = weights.take("model.embed_tokens.weight", shape.vocabulary, shape.hidden).to(dtype)
        self.norm = weights.take("model.norm.weight", shape.hidden).to(dtype)
        written = None if shape.tied or rewards else weights.take("lm_head.weight", shape.vocabulary, shape.hidden)
        self.head = self.embedding if written is None else written.to(dtype)
        self.rewards = Head.take(weights, shape.hidden, dtype) if rewards else None
        self.body = [self._layer(weights, f"model.layers.{i}.") for i in range(shape.layers)]
        weights.done()
        self.size = weights.taken
        self._floor = torch.tensor((shape.eps * shape.hidden) ** 0.5, device=device, dtype=dtype)
        self._head_floor = torch.tensor((shape.eps * shape.head_dim) ** 0.5, device=device)
        self._scale = 1.0 if self.full else shape.head_dim**-0.5
        self._turns = self._turned(256)
        self._linear = product(device, dtype)

    def forward(self, ids: Tensor, rows: Rows) -> Tensor:
        """Read ids [B, T] at the places that `rows` aims at -> hidden [B, T, d]."""
        if rows.span > len(self._turns):
            self._turns = self._turned(2 * rows.span)
        turns = self._turns.index_select(0, rows.places.flatten())[:, None]  # [n, 1, hd/2]
        x = self.embedding.index_select(0, ids.flatten())  # [n, d]
        for number, layer in enumerate(self.body):
            x = self._add(x, self._mix(number, layer, x, turns, rows), layer.out)
            gate, up = self._linear(self._normed(x, layer.between), layer.gate_up).chunk(2, -1)  # [n, inner]
            x = self._add(x, F.silu(gate).mul_(up), layer.down)
        return x.view(*ids.shape, -1)

    def logits(self, hidden: Tensor) -> Tensor:
        """hidden [n, d] -> logits [n, V], or the reward head's outputs, in at least fp32."""
        normed = F.rms_norm(hidden, self.norm.shape, self.norm, self.shape.eps)
        if self.rewards is not None:
            return self.rewards(normed)
        logits = self._linear(normed, self.head)
        return logits if self.full else logits.float()

    def _mix(self, number: int, layer: Layer, x: Tensor, turns: Tensor, rows: Rows) -> Tensor:
        """What each token takes from those before it; x [n, d] -> [n, heads hd]."""
        shape, count = self.shape, self.shape.heads + self.shape.kv_heads
        qkv = self._linear(self._normed(x, layer.before), layer.qkv).view(len(x), -1, shape.head_dim)
        both = qkv[:, :count]  # [n, heads + kv_heads, hd]
        if not self.full:
            both = both.float()
        if layer.heads is not None:
            both = both / torch.hypot(_norm(both, 2, -1, True), self._head_floor)
            both = both * layer.heads
        pairs = torch.view_as_complex(both.view(*both.shape[:2], -1, 2))  # [n, heads + kv_heads, hd/2]
        both = torch.view_as_real(pairs * turns).flatten(-2)
        if not self.full:
            both = both.to(self.dtype)
        return rows.attend(number, both[:, : shape.heads], both[:, shape.heads :], qkv[:, count:], self._scale)

    def _normed(self, x: Tensor, weight: Tensor | None) -> Tensor:
        if weight is not None:
            return F.rms_norm(x, weight.shape, weight, self.shape.eps)
        return x / torch.hypot(_norm(x, 2, -1, True), self._floor)  # sqrt(d) is in the weights

    def _add(self, x: Tensor, y: Tensor, weight: Tensor) -> Tensor:
        return torch.addmm(x, y, weight.t()) if len(x) * weight.numel() < FEW else self._linear(y, weight).add_(x)

    def _turned(self, count: int) -> Tensor:
        places = torch.arange(count, dtype=torch.float32)
        angles = torch.outer(places, self.shape.frequencies)  # [positions, hd/2]
        return torch.polar(torch.ones_like(angles), angles).to(self.device)

    def _layer(self, weights: Weights, name: str) -> Layer:
        shape = self.shape
        wide, narrow = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
        q = weights.turned(name + "self_attn.q_proj.weight", wide, shape.hidden)
        k = weights.turned(name + "self_attn.k_proj.weight", narrow, shape.hidden)
        v = weights.take(name + "self_attn.v_proj.weight", narrow, shape.hidden)
        gate = weights.take(name + "mlp.gate_proj.weight", shape.inner, shape.hidden)
        up = weights.take(name + "mlp.up_proj.weight", shape.inner, shape.hidden)
        before = weights.take(name + "input_layernorm.weight", shape.hidden)
        between = weights.take(name + "post_attention_layernorm.weight", shape.hidden)
        scale, heads = shape.head_dim**-0.5 if self.full else 1.0, None
        if shape.normed_heads:
            q_norm = weights.turned(name + "self_attn.q_norm.weight", shape.head_dim) * scale
            k_norm = weights.turned(name + "self_attn.k_norm.weight", shape.head_dim)
            every = [q_norm] * shape.heads + [k_norm] * shape.kv_heads
            heads = torch.stack(every) * shape.head_dim**0.5
        else:
            q = q * scale
        qkv, gate_up = torch.cat((q, k, v)), torch.cat((gate, up))
        if self.full:
            qkv, gate_up = qkv * before * shape.hidden**0.5, gate_up * between * shape.hidden**0.5
        return Layer(
            qkv.to(self.dtype),
            weights.take(name + "self_attn.o_proj.weight", shape.hidden, wide).to(self.dtype),
            gate_up.to(self.dtype),
            weights.take(name + "mlp.down_proj.weight", shape.hidden, shape.inner).to(self.dtype),
            None if self.full else before.to(self.dtype),
            None if self.full else between.to(self.dtype),
            None if heads is None else heads.to(self.dtype if self.full else torch.float32),
        )


def product(device: torch.device, dtype: torch.dtype) -> Callable[[Tensor, Tensor], Tensor]:
    """x [n, d] times weight [m, d], by whichever library is the faster for so many rows."""
    if device.type != "cpu" or dtype != torch.float32 or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return F.linear
    pointwise = torch.ops.mkldnn._linear_pointwise.default

    def multiply(x: Tensor, weight: Tensor) -> Tensor:
        if len(x) * weight.numel() < FEW:
            return F.linear(x, weight)
        made: Tensor = pointwise(x, weight, None, "none", [], "")
        return made

    return multiply
