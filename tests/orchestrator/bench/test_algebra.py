from dataclasses import replace

import pytest

from headgate.orchestrator.bench.algebra import timed
from headgate.orchestrator.bench.records import Rated
from headgate.orchestrator.recipe import loads

from .conftest import a_record

MODELS = "version: 1\nmodels: {draft: local:embedded/draft, target: local:embedded/target}\n"
SPEC = loads(MODELS + "nodes: {solve: {use: spec_reason}}\n")
CHAIN = (
    Rated(author="draft", kept=True, tokens=10, score=9.0, signal="digit_expected"),
    Rated(author="draft", kept=False, tokens=10, score=1.0, signal="digit_expected"),
    Rated(author="target", kept=True, tokens=10),
)
BUSY = {
    "draft": {"think": 0.010, "wasted": 0.010, "answer": 5.0},
    "target": {"think": 0.040, "judge": 0.012, "answer": 5.0},
}


def test_a_pair_is_measured_from_what_its_models_were_busy_with_while_thinking() -> None:
    found = timed(SPEC, [replace(a_record(), chains=(CHAIN,), busy=BUSY)])
    assert found is not None
    pair = found.pair
    assert (pair.draft_ms, pair.target_ms, pair.judge_ms) == pytest.approx((1.0, 4.0, 6.0))
    assert (pair.tokens, pair.accept) == (10, 0.5)
    assert found.expected_ms == pytest.approx(10 + 6 + 0.5 * 40)
    assert found.took_ms == pytest.approx((10 + 10 + 40 + 12) / 2)
    assert found.even == pytest.approx(16 / 40, abs=1e-3)


def test_what_a_third_model_decides_with_is_counted() -> None:
    busy = {**BUSY, "target": {"think": 0.040}, "reward": {"judge": 0.006}}
    found = timed(SPEC, [replace(a_record(), chains=(CHAIN,), busy=busy)])
    assert found is not None
    assert found.pair.judge_ms == pytest.approx(3.0)
    assert found.took_ms == pytest.approx((10 + 10 + 40 + 6) / 2)


def test_the_drafts_share_is_of_tokens() -> None:
    longer = (CHAIN[0], replace(CHAIN[2], tokens=30))
    found = timed(SPEC, [replace(a_record(), chains=(longer,), busy=BUSY)])
    assert found is not None
    assert (found.pair.tokens, found.pair.accept) == (20, 0.25)


def test_a_sentence_in_pieces_is_one_step() -> None:
    recipe = loads(MODELS + "nodes: {solve: {use: foreal, with: {n: 3, p: 1.0}}}\n")
    sentence = (Rated(author="target", kept=True, tokens=3, score=0.0), Rated(author="draft", kept=True, tokens=7))
    busy = {"draft": {"think": 0.014}, "target": {"think": 0.024}}
    found = timed(recipe, [replace(a_record(), chains=(sentence * 2,), busy=busy)])
    assert found is not None
    assert (found.pair.tokens, found.pair.draft_ms, found.pair.target_ms) == pytest.approx((10, 1.0, 4.0))
    assert found.expected_ms == pytest.approx(3 * 4 + 7 * 1) == pytest.approx(found.took_ms)


def test_recipes_of_one_model_or_without_a_shared_chain_have_no_algebra() -> None:
    alone = loads(MODELS + "nodes: {solve: {use: direct, roles: {model: target}}}\n")
    assert timed(alone, [replace(a_record(), chains=(CHAIN,), busy=BUSY)]) is None
    assert timed(SPEC, [replace(a_record(), chains=(CHAIN[:1],), busy=BUSY)]) is None
