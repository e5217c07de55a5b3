"""Documents to padded batches: drawn in chunks from a seed, sorted by length, with the mask that rating branches need.

A chunk is a function of the seed, the process, its number and the fraction of the training done when it was drawn; so a
training that was killed draws the same batches again from a cursor of four numbers.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .curriculum import Curriculum, Document, Plan

CHUNK = 400  # documents drawn and sorted at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Where a process stands in its documents."""

    chunk: int = 0
    taken: int = 0  # batches of the chunk already used
    fraction: float = 0.0  # of the training, when the chunk was drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    ids: Tensor  # [B, T]
    positions: Tensor  # [B, T]
    targets: Tensor  # [B, T]
    weights: Tensor  # [B, T], 0 where nothing is to be learned
    ratings: Tensor  # [B, T], true where the target is a rating
    attend: Tensor  # [B, 1, T, T]


def pack(documents: Sequence[Document]) -> Batch:
    """One row a document, padded to a multiple of 8."""
    rows, length = len(documents), -(-max(len(d.ids) for d in documents) // 8) * 8
    ids, positions, targets = (np.zeros((rows, length), np.int64) for _ in range(3))
    weights, ratings = np.zeros((rows, length), np.float32), np.zeros((rows, length), bool)
    attend = np.zeros((rows, length, length), bool)
    for row, document in enumerate(documents):
        size = len(document.ids)
        ids[row, :size], positions[row, :size] = document.ids, document.positions
        targets[row, :size], weights[row, :size] = document.targets, document.weights
        ratings[row, [end - 1 for _, end, _ in document.branches]] = True
        look(attend[row], document)
    tensors = (torch.from_numpy(array) for array in (ids, positions, targets, weights, ratings, attend[:, None]))
    names = ("ids", "positions", "targets", "weights", "ratings", "attend")
    return Batch(**dict(zip(names, tensors, strict=True)))


def look(attend: np.ndarray, document: Document) -> None:
    """Fill one document's mask [T, T]: the trunk looks back; a branch at the trunk up to its cut and back at itself."""
    attend[: document.trunk, : document.trunk] = triangle(document.trunk)
    for start, end, cut in document.branches:
        attend[start:end, :cut] = True
        attend[start:end, start:end] = triangle(end - start)
    attend[len(document.ids) :, 0] = True  # padding must look at something


_TRIANGLE = np.tril(np.ones((1536, 1536), bool))


def triangle(size: int) -> np.ndarray:
    return _TRIANGLE[:size, :size] if size <= len(_TRIANGLE) else np.tril(np.ones((size, size), bool))


def buckets(documents: Sequence[Document], tokens: int) -> list[list[Document]]:
    """Batches of about `tokens` padded tokens, of documents of like length; never a batch of one."""
    groups: list[list[Document]] = []
    for document in sorted(documents, key=lambda d: len(d.ids), reverse=True):
        full = not groups or (len(groups[-1]) > 1 and (len(groups[-1]) + 1) * len(groups[-1][0].ids) > tokens)
        groups.append([document]) if full else groups[-1].append(document)
    if len(groups) > 1 and len(groups[-1]) == 1:
        groups[-2] += groups.pop()
    return groups


def stream(
    curriculum: Curriculum,
    plan: Callable[[float], Plan],
    fraction: Callable[[], float],
    *,
    seed: int,
    rank: int,
    tokens: int,
    cursor: Cursor,
) -> Iterator[tuple[Batch, Cursor]]:
    """Batches without end, each with the cursor that goes on after it."""
    while True:
        rng = random.Random(f"{seed}/{rank}/{cursor.chunk}")
        drawn = [curriculum.draw(rng, plan(cursor.fraction)) for _ in range(CHUNK)]
        groups = buckets(drawn, tokens)
        rng.shuffle(groups)
        for taken, group in enumerate(groups[cursor.taken :], start=cursor.taken + 1):
            after = Cursor(chunk=cursor.chunk, taken=taken, fraction=cursor.fraction)
            yield pack(group), after
        cursor = Cursor(chunk=cursor.chunk + 1, fraction=fraction())
