"""What the lean forward must know of a checkpoint, read from its `config.json`, if it is one that it can compute.

Source of the llama3 rope scaling: Grattafiori et al. 2024, "The Llama 3 Herd of Models", arXiv 2407.21783, and Meta's
published code. Checkpoints with biases, sliding windows or other ropes are left to `foreign.py`.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

_PLAIN: Final[Mapping[str, tuple[object, ...]]] = {
    "hidden_act": (None, "silu"),
    "attention_bias": (None, False),
    "mlp_bias": (None, False),
    "use_sliding_window": (None, False),
    "quantization_config": (None,),
    "partial_rotary_factor": (None, 1.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A decoder of the Llama family; `normed_heads` is what Qwen3 adds to it."""

    vocabulary: int
    hidden: int
    inner: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    positions: int
    eps: float
    tied: bool
    normed_heads: bool
    frequencies: Tensor  # [hd/2], radians a position


def shape_of(config: Mapping[str, Any]) -> Shape | None:
    """The shape of a Llama or Qwen3; None for any other. Raises: KeyError for a configuration that lacks a size."""
    rope = _rope(config)
    plain = all(config.get(name) in fine for name, fine in _PLAIN.items())
    if config.get("model_type") not in ("llama", "qwen3") or not plain or _kind(rope) not in _ROPES:
        return None
    heads = config["num_attention_heads"]
    head_dim = config.get("head_dim") or config["hidden_size"] // heads
    return Shape(
        vocabulary=config["vocab_size"],
        hidden=config["hidden_size"],
        inner=config["intermediate_size"],
        layers=config["num_hidden_layers"],
        heads=heads,
        kv_heads=config.get("num_key_value_heads") or heads,
        head_dim=head_dim,
        positions=config.get("max_position_embeddings", 2048),
        eps=config.get("rms_norm_eps", 1e-6),
        tied=bool(config.get("tie_word_embeddings", False)),
        normed_heads=config["model_type"] == "qwen3",
        frequencies=_ROPES[_kind(rope)](_base(rope, head_dim), rope),
    )


def _rope(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Newer files keep all of it in `rope_parameters`, older ones in `rope_scaling` and at the top."""
    top = {name: config[name] for name in ("rope_theta", "partial_rotary_factor") if name in config}
    return {**top, **(config.get("rope_scaling") or {}), **(config.get("rope_parameters") or {})}


def _kind(rope: Mapping[str, Any]) -> str:
    kind = rope.get("rope_type", rope.get("type", "default"))
    return str(kind) if rope.get("partial_rotary_factor", 1.0) == 1.0 else "partial"


def _base(rope: Mapping[str, Any], head_dim: int) -> Tensor:
    exponents = torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim
    return 1.0 / torch.pow(torch.tensor(float(rope.get("rope_theta", 10_000.0))), exponents)


def _llama3(base: Tensor, rope: Mapping[str, Any]) -> Tensor:
    """Slow turns are slowed by `factor`, fast ones kept, those between mixed by how often they fit the old context."""
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    turns = rope["original_max_position_embeddings"] * base / (2 * math.pi)  # within the old context
    share = ((turns - low) / (high - low)).clamp(0, 1)
    factor = float(rope["factor"])
    slowed: Tensor = base * (share + (1 - share) / factor)
    return slowed


_ROPES: Final[Mapping[str, Callable[[Tensor, Mapping[str, Any]], Tensor]]] = {
    "default": lambda base, rope: base,
    "linear": lambda base, rope: base / float(rope["factor"]),
    "llama3": _llama3,
}
