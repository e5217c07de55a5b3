"""Packed batches: a branch reads exactly what it would read alone, and a cursor draws the same batches again."""

import random
from itertools import islice

import pytest
import torch

from headgate.backends.local.qwen3 import Qwen3, Qwen3Config, causal
from headgate.training.attention import mix
from headgate.training.batches import Batch, Cursor, buckets, pack, places, stream
from headgate.training.curriculum import Curriculum, Plan, draft_plan, target_plan
from headgate.training.documents.document import Document
from headgate.training.loop import initialised


def documents(curriculum: Curriculum, count: int, plan: Plan, seed: int = 3) -> list[Document]:
    rng = random.Random(seed)
    return [curriculum.draw(rng, plan) for _ in range(count)]


@pytest.fixture
def model(tiny: Qwen3Config) -> Qwen3:
    return initialised(Qwen3(tiny), seed=1)


def alone(model: Qwen3, ids: list[int]) -> torch.Tensor:
    return model.logits(model(torch.tensor([ids]), torch.arange(len(ids))[None], causal(len(ids))))[0]


@torch.inference_mode()
def test_a_packed_branch_gives_the_logits_of_the_same_text_alone(curriculum: Curriculum, model: Qwen3) -> None:
    chosen = [d for d in documents(curriculum, 12, target_plan(0.5)) if d.branches]
    batch = pack(chosen)
    packed = model.logits(model.model(batch.ids, *model.turns(batch.positions), batch.attend, None, mix))
    assert batch.attend.near is not None
    for row, document in enumerate(chosen):
        parts = list(places(document, batch.attend.trunk.shape[-1], batch.attend.near.shape[-1]))
        trunk = alone(model, document.ids[: document.trunk])
        assert torch.allclose(packed[row, : document.trunk], trunk, atol=1e-4)
        for (_, at, length), (start, end, cut) in zip(parts[1:], document.branches, strict=True):
            text = document.ids[:cut] + document.ids[start:end]
            assert torch.allclose(packed[row, at : at + length], alone(model, text)[cut:], atol=1e-4)


def test_every_learned_place_keeps_its_target_and_weight(curriculum: Curriculum) -> None:
    chosen = documents(curriculum, 10, target_plan(0.8))
    batch = pack(chosen)
    for row, document in enumerate(chosen):
        ours = [(t, w) for t, w in zip(document.targets, document.weights, strict=True) if w > 0]
        learn = batch.weights[row] > 0
        packed = list(zip(batch.targets[row][learn].tolist(), batch.weights[row][learn].tolist(), strict=True))
        assert packed == ours
        in_branches = sum(weight > 0 for weight in document.weights[document.trunk :])
        assert int(batch.ratings[row].sum()) == in_branches


def test_a_batch_without_branches_needs_no_blocks_for_them(curriculum: Curriculum) -> None:
    batch = pack(documents(curriculum, 4, Plan(kinds={"solved": 1})))
    assert batch.attend.far is None and batch.attend.near is None


def test_buckets_hold_every_document_once_and_never_one_alone(curriculum: Curriculum) -> None:
    chosen = documents(curriculum, 60, target_plan(0.5))
    groups = buckets(chosen, tokens=2048)
    assert sorted(map(id, chosen)) == sorted(id(d) for group in groups for d in group)
    assert min(map(len, groups)) > 1


def drawn(curriculum: Curriculum, cursor: Cursor, count: int, rank: int = 0) -> list[tuple[Batch, Cursor]]:
    return list(
        islice(stream(curriculum, draft_plan, lambda: 0.5, seed=1, rank=rank, tokens=4096, cursor=cursor), count)
    )


def test_a_cursor_draws_the_same_batches_again(curriculum: Curriculum) -> None:
    whole = drawn(curriculum, Cursor(), 30)
    again = drawn(curriculum, whole[11][1], 18)
    assert all(torch.equal(a.ids, b.ids) for (a, _), (b, _) in zip(whole[12:], again, strict=True))


def test_processes_draw_different_batches(curriculum: Curriculum) -> None:
    first, second = drawn(curriculum, Cursor(), 1, rank=0), drawn(curriculum, Cursor(), 1, rank=1)
    assert first[0][0].ids.shape != second[0][0].ids.shape or not torch.equal(first[0][0].ids, second[0][0].ids)
