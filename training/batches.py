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

from ..backends.local.qwen3 import additive
from .attention import Blocks
from .curriculum import Curriculum, Plan
from .documents.document import Document

CHUNK = 1200  # documents drawn and sorted at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Where a process stands in its documents."""

    chunk: int = 0
    taken: int = 0  # batches of the chunk already used
    fraction: float = 0.0  # of the training, when the chunk was drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Rows of a trunk of L places and M branches of l places: T = L + M * l."""

    ids: Tensor  # [B, T]
    positions: Tensor  # [B, T]
    targets: Tensor  # [B, T]
    weights: Tensor  # [B, T], 0 where nothing is to be learned
    ratings: Tensor  # [B, T], true where something is learned in a branch
    attend: Blocks


def pack(documents: Sequence[Document]) -> Batch:
    """One row a document; trunks and branches are padded each to the longest of their kind, in steps of 8."""
    trunk = eights(max(d.trunk for d in documents))
    count = max(len(d.branches) for d in documents)
    size = eights(longest_branch(documents))
    shape = len(documents), trunk + count * size
    ids, positions, targets = (np.zeros(shape, np.int64) for _ in range(3))
    weights, ratings = np.zeros(shape, np.float32), np.zeros(shape, bool)
    for row, document in enumerate(documents):
        for source, start, length in places(document, trunk, size):
            here, there = slice(start, start + length), slice(source, source + length)
            ids[row, here], positions[row, here] = document.ids[there], document.positions[there]
            targets[row, here], weights[row, here] = document.targets[there], document.weights[there]
            ratings[row, here] = source >= document.trunk and weights[row, here] > 0
    tensors = (torch.from_numpy(array) for array in (ids, positions, targets, weights, ratings))
    names = ("ids", "positions", "targets", "weights", "ratings")
    return Batch(**dict(zip(names, tensors, strict=True)), attend=masks(documents, trunk, count, size))


def places(document: Document, trunk: int, size: int) -> Iterator[tuple[int, int, int]]:
    """Where each part stands in the document, where in the row, and how long it is."""
    yield 0, 0, document.trunk
    for number, (start, end, _) in enumerate(document.branches):
        yield start, trunk + number * size, end - start


def masks(documents: Sequence[Document], trunk: int, count: int, size: int) -> Blocks:
    """Padding may look at something, so that no row of scores is empty."""
    rows = len(documents)
    look = torch.ones(trunk, trunk, dtype=torch.bool).tril().expand(rows, 1, trunk, trunk)
    if not count:
        return Blocks(additive(look))
    cuts = torch.zeros(rows, count, dtype=torch.long)
    for row, document in enumerate(documents):
        cuts[row, : len(document.branches)] = torch.tensor([cut for _, _, cut in document.branches], dtype=torch.long)
    far = torch.arange(trunk) < cuts.repeat_interleave(size, dim=1)[..., None]  # [B, M * l, L]
    near = torch.ones(size, size, dtype=torch.bool).tril().expand(rows, 1, count, size, size)
    return Blocks(additive(look), additive(far[:, None]), additive(near))


def eights(length: int) -> int:
    return -(-length // 8) * 8


def buckets(documents: Sequence[Document], tokens: int) -> list[list[Document]]:
    """Batches of about `tokens` padded tokens, of documents of like shape; never a batch of one."""
    groups: list[list[Document]] = []
    for document in sorted(documents, key=form, reverse=True):
        if groups and (len(groups[-1]) < 2 or padded([*groups[-1], document]) <= tokens):
            groups[-1].append(document)
        else:
            groups.append([document])
    if len(groups) > 1 and len(groups[-1]) == 1:
        last = groups.pop()
        groups[-1] += last
    return groups


def form(document: Document) -> tuple[int, int, int]:
    return len(document.branches), eights(longest_branch([document])), document.trunk


def longest_branch(documents: Sequence[Document]) -> int:
    return max((end - start for d in documents for start, end, _ in d.branches), default=0)


def padded(documents: Sequence[Document]) -> int:
    branches = max(len(d.branches) for d in documents) * longest_branch(documents)
    return len(documents) * (max(d.trunk for d in documents) + branches)


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
