"""Choosing tokens: temperature, then top-k, then top-p; each draw's randomness is a function of its place alone.

Source: Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration", arXiv 1904.09751 (top-p). Where we differ:
instead of a generator that moves on with every draw, each draw hashes (seed, sample, position), so that a token depends
neither on who else is in the batch nor on how a text was cut into steps. Ties go to the lowest id.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

import torch
from torch import Tensor

from ..base import TOP, Sampling


@dataclass(frozen=True, slots=True)
class Draw:
    """One row's wishes, and which of its call's samples it is."""

    sampling: Sampling
    sample: int

    def uniform(self, position: int) -> float:
        """A number in [0, 1) that only this draw at this place in the context has."""
        place = f"{self.sampling.seed}:{self.sample}:{position}".encode()
        return int.from_bytes(blake2b(place, digest_size=4).digest()) / 2**32


class Picks(NamedTuple):
    """A token for each row, where the next pass and where Python reads it; natural logs before temperature; nats."""

    chosen: Tensor
    tokens: list[int]
    logprobs: list[float]
    entropies: list[float]


class Draws:
    """What the rows of a batch wish for, worked out once for as long as they stay together."""

    def __init__(self, draws: Sequence[Draw]) -> None:
        self._draws = draws
        self._curious = any(draw.sampling.sees_entropies for draw in draws)
        warm = [row for row, draw in enumerate(draws) if draw.sampling.temperature > 0]
        # rows that filter are drawn apart: a row must not change its way of drawing with its neighbours
        ways = [(cut, [row for row in warm if _cuts(draws[row].sampling) is cut]) for cut in (False, True)]
        self._warm = [(cut, rows) for cut, rows in ways if rows]
        self._none = [0.0] * len(draws)

    def pick(self, logits: Tensor, positions: Sequence[int]) -> Picks:
        """Choose each row's token for its place in the context; logits [B, V]. Entropies only if a row wants them."""
        logs = logits.log_softmax(-1)
        tokens = logits.argmax(-1)
        for cut, rows in self._warm:
            draws = [self._draws[row] for row in rows]
            uniform = [draw.uniform(positions[row]) for draw, row in zip(draws, rows, strict=True)]
            tokens[rows] = _draw(logits[rows], draws, uniform, cut)
        chosen = logs.gather(1, tokens[:, None])[:, 0]
        nats = numbers(entropy(logs)) if self._curious else self._none
        return Picks(tokens, whole(tokens), numbers(chosen), nats)


def entropy(logs: Tensor) -> Tensor:
    """Natural log-probabilities [..., V] -> nats [...]."""
    return -(logs.exp() * logs).sum(-1)


def top(logs: Tensor) -> Tensor:
    """Natural log-probabilities [V] -> those of the `TOP` likeliest tokens, or of all, in falling order."""
    return logs.topk(min(TOP, len(logs))).values


def numbers(values: Tensor) -> list[float]:
    """A vector as Python's own numbers."""
    return values.tolist()  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def whole(values: Tensor) -> list[int]:
    """The same for ids."""
    return values.tolist()  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def _cuts(sampling: Sampling) -> bool:
    return sampling.top_k > 0 or sampling.top_p < 1


def _draw(logits: Tensor, draws: Sequence[Draw], places: Sequence[float], cut: bool) -> Tensor:
    heat = _column(logits, [draw.sampling.temperature for draw in draws])
    uniform = _column(logits, places)
    if not cut:
        return _invert((logits.double() / heat).softmax(-1), uniform)
    ranked, ids = logits.sort(dim=-1, descending=True, stable=True)
    kept = _keep((ranked.double() / heat).softmax(-1), draws)
    return ids.gather(1, _invert(kept, uniform)[:, None])[:, 0]


def _keep(probs: Tensor, draws: Sequence[Draw]) -> Tensor:
    """Drop what top-k and then top-p leave out; probs [B, V] from the likeliest down, of which one always stays."""
    vocabulary = probs.shape[-1]
    k = _column(probs, [draw.sampling.top_k or vocabulary for draw in draws])
    p = _column(probs, [draw.sampling.top_p for draw in draws])
    rank = torch.arange(vocabulary, device=probs.device)
    kept = probs * (rank < k)
    before = kept.cumsum(-1) - kept
    return kept * ((before < p * kept.sum(-1, keepdim=True)) | (rank == 0))


def _invert(probs: Tensor, uniform: Tensor) -> Tensor:
    sums = probs.cumsum(-1)
    return (sums <= uniform * sums[:, -1:]).sum(-1).clamp_(max=probs.shape[-1] - 1)


def _column(like: Tensor, values: Sequence[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64, device=like.device)[:, None]
