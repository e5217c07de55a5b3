"""What stands on a decoder's last hidden state where it scores instead of writing: the head of a process reward model.

Three are met in public checkpoints: transformers' token classifier (`score`), Qwen's two maps with a ReLU between
(`score.0`, `score.2`), and trl's value head (`v_head.summary`). Like vLLM's, it is computed in at least fp32.
"""

from collections.abc import Sequence
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from .weights import Weights

_HEADS: Final = (("score",), ("score.0", "score.2"), ("v_head.summary",))
Map = tuple[Tensor, Tensor | None]  # weight [out, in], bias [out]


class Head:
    """Linear maps with a ReLU between."""

    def __init__(self, maps: Sequence[Map]) -> None:
        self.maps = maps

    @classmethod
    def take(cls, weights: Weights, hidden: int, dtype: torch.dtype) -> "Head":
        """From a checkpoint's tensors. Raises: ValueError where there is none that gives one or two numbers a token."""
        wide = torch.promote_types(dtype, torch.float32)
        for names in _HEADS:
            found = [(weights.maybe(f"{name}.weight"), weights.maybe(f"{name}.bias")) for name in names]
            maps = [(w.to(wide), None if b is None else b.to(wide)) for w, b in found if w is not None]
            if len(maps) == len(names):
                return cls(_fitting(maps, hidden))
        raise ValueError("there is no score.weight, nor another reward head that this engine knows")

    def __call__(self, hidden: Tensor) -> Tensor:
        """hidden [n, d] -> outputs [n, 1 or 2], before any activation."""
        (weight, bias), *more = self.maps
        x = F.linear(hidden.to(weight.dtype), weight, bias)
        for weight, bias in more:
            x = F.linear(F.relu(x), weight, bias)
        return x


def _fitting(maps: list[Map], hidden: int) -> list[Map]:
    """The same maps. Raises: ValueError."""
    reads, gives = maps[0][0].shape[1], maps[-1][0].shape[0]
    if reads != hidden:
        raise ValueError(f"its head reads {reads} numbers, its hidden state has {hidden}")
    if gives not in (1, 2):
        raise ValueError(f"its head gives {gives} numbers a token, a reward takes one or two")
    return maps
