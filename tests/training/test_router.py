"""The router learns from traces, is read as it was trained, and goes on after an interrupt with the same weights."""

import json
import os
import shutil
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import torch

from headgate.backends.base import Context
from headgate.backends.checkpoint import Checkpoint
from headgate.backends.local.backend import LocalBackend
from headgate.backends.local.qwen3 import Qwen3, Qwen3Config
from headgate.backends.model import Model
from headgate.budget.ledger import Ledger
from headgate.routers.advantage import AdvantageRouter
from headgate.training.documents.advantages import TARGET, candidates, document
from headgate.training.documents.document import Document
from headgate.training.loop import initialised
from headgate.training.router import Held, Settings, beginning, learn, train, utility
from headgate.training.scorer import chances, publish, rows, solutions, trunk, with_head
from headgate.training.statistics import bonett_wright, spearman
from headgate.training.traces import Place, Trace, Written, append, load


def trace(index: int, rng: Random) -> Trace:
    """Steps of which those that say 9 are worse than the target's."""
    places = []
    for k in range(rng.randint(1, 4)):
        bad = rng.random() < 0.4
        draft = Written(text=f"Tom:{k}+{9 if bad else 1};Tom2.\n\n", stop="delimiter", reward=0.1 if bad else 0.8)
        target = Written(text=f"Tom:{k}+2;Tom3.\n\n", stop="delimiter", reward=0.7 + rng.random() / 10)
        places.append(Place(draft=draft, target=target, by_target=bad))
    closing = Written(text="", stop="think_end", reward=0.5)
    places.append(Place(draft=closing, target=closing, by_target=False))
    return Trace(id=str(index), question=f"Tom has {index} apples. How many?", places=tuple(places))


@pytest.fixture
def source(tmp_path: Path, tokenizer_folder: Path, tiny: Qwen3Config) -> Checkpoint:
    """A language model of random weights, beside its tokenizer."""
    folder = tmp_path / "trunk"
    initialised(Qwen3(tiny), 3).save(folder)
    for file in tokenizer_folder.iterdir():
        shutil.copyfile(file, folder / file.name)
    return Checkpoint.open(str(folder))


@pytest.fixture
def settings(tmp_path: Path, source: Checkpoint) -> Settings:
    out, rng = tmp_path / "out", Random(1)
    out.mkdir()
    for index in range(120):
        append(out / "traces.jsonl", trace(index, rng))
    return Settings(out=out, trunk=source.folder, processes=1, epochs=6, compiled=False, checks=3, batch_tokens=1024)


def labelled(made: Document) -> list[tuple[int, int]]:
    return [(at, made.targets[at]) for at, weight in enumerate(made.weights) if weight]


def read_until(made: Document, at: int) -> list[int]:
    """What is seen at a place: its branch behind its prefix, or the trunk."""
    for start, end, cut in made.branches:
        if start <= at < end:
            return made.ids[:cut] + made.ids[start : at + 1]
    return made.ids[: at + 1]


# -- documents -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_a_label_stands_where_the_router_is_read_and_sees_what_it_is_shown(source: Checkpoint, seed: int) -> None:
    made_of, reading, labels = trace(7, Random(seed)), solutions(source), rows(source.tokens)
    made = document(reading, labels, made_of, range(len(made_of.places)))
    shown = {tuple(ids): place.better for ids, place in zip(candidates(reading, made_of), made_of.places, strict=True)}
    found = {tuple(read_until(made, at)): target == labels[1] for at, target in labelled(made)}
    assert found == shown
    assert len(found) == len(made_of.places)
    assert made.trunk + sum(end - start for start, end, _ in made.branches) == len(made.ids)


def test_only_the_wanted_places_are_learned_from(source: Checkpoint) -> None:
    made_of = trace(7, Random(3))
    made = document(solutions(source), rows(source.tokens), made_of, {0})
    assert len(labelled(made)) == 1


def test_what_is_read_names_who_wrote_each_step(source: Checkpoint) -> None:
    made_of = replace(trace(7, Random(0)), places=trace(7, Random(2)).places)
    text = b"".join(source.tokens.bytes[i] for i in candidates(solutions(source), made_of)[-1]).decode()
    steps = text.split("\n", 1)[1].split("\n\n")
    names = [TARGET if place.by_target else "draft" for place in made_of.places[:-1]]
    assert [step[:9] for step in steps[:-1]] == [{"draft": "Model 0: ", TARGET: "Model 1: "}[n] for n in names] + [
        "Model 0:</think>"[:9]
    ]


# -- trunks and heads ----------------------------------------------------------------------------------------------


def test_a_scorer_that_is_trained_on_begins_with_the_head_it_had(source: Checkpoint, tmp_path: Path) -> None:
    config, state = trunk(source)
    labels = rows(source.tokens)
    scorer = with_head(config, state, labels)
    publish(scorer, source, tmp_path / "scorer")
    again, weights = trunk(Checkpoint.open(str(tmp_path / "scorer")))
    assert again == config
    assert all(torch.equal(weights[name], value) for name, value in state.items())
    texts = [[5, 6, 7], [8, 9]]
    assert chances(with_head(again, weights, labels), texts) == chances(scorer, texts)
    assert chances(scorer, texts, batch=1) == pytest.approx(chances(scorer, texts), abs=1e-6)


def test_a_router_begins_as_the_opposite_of_the_reward_that_it_goes_on_from(settings: Settings) -> None:
    labels, texts = settings.labels, [[5, 6, 7], [8, 9, 10, 11]]
    rewards = chances(with_head(*trunk(settings.checkpoint), labels), texts)
    routed = chances(with_head(*beginning(settings), labels), texts)
    assert routed == pytest.approx([1 - reward for reward in rewards])
    assert routed != pytest.approx(rewards, abs=1e-6)


async def test_an_engine_reads_a_router_as_it_was_trained(source: Checkpoint, tmp_path: Path) -> None:
    scorer = with_head(*trunk(source), rows(source.tokens))
    with torch.no_grad():
        scorer.score.weight.mul_(30)
    publish(scorer, source, tmp_path / "router")
    made_of = trace(7, Random(2))
    expected = chances(scorer, candidates(solutions(source), made_of))
    engine = LocalBackend(str(tmp_path / "router"))
    router = AdvantageRouter(Model(name="router", backend=engine, ledger=Ledger()), TARGET, 0.5)
    context, seen = Context.ask(made_of.question), []
    for place in made_of.places:
        seen.append((await router(context, place.draft.step("draft"))).score.value)
        stood = (place.target if place.by_target else place.draft).step(TARGET if place.by_target else "draft")
        context = context.append(stood.completion.piece("think", stood.author))
    await engine.close()
    assert seen == pytest.approx(expected, abs=1e-5)
    assert max(expected) - min(expected) > 1e-3


# -- training ------------------------------------------------------------------------------------------------------


def test_it_learns_what_traces_tell_and_keeps_the_best(settings: Settings) -> None:
    figures = learn(settings)
    assert figures["spearman"]["rho"] > 0.4
    assert figures["better steps told"]["auroc"] > 0.8
    assert {"config.json", "model.safetensors", "tokenizer.json", "dialect.json"} <= {
        file.name for file in settings.exported.iterdir()
    }
    checks = [json.loads(line) for line in (settings.out / "training" / "checks.jsonl").read_text().splitlines()]
    best = torch.load(settings.best, weights_only=True)
    assert round(best["rho"], 4) == max(check["rho"] for check in checks)
    for row in figures["utility"]:
        assert row["oracle"] >= max(row["router"], row["random"]) - 1e-12
    at = {row["share"]: row for row in figures["utility"]}
    assert at[0.2]["router"] > at[0.2]["random"]


def interrupt_after(file: Path) -> None:
    """Ctrl-C as soon as the training has written its first line."""
    while not file.exists():
        time.sleep(0.002)
    os.kill(os.getpid(), signal.SIGINT)


def test_a_training_that_was_interrupted_ends_with_the_same_weights(settings: Settings, tmp_path: Path) -> None:
    alone = replace(settings, epochs=1.5)
    other = replace(alone, out=tmp_path / "other")
    shutil.copytree(alone.out, other.out)
    before = signal.getsignal(signal.SIGINT)
    try:
        train(alone)
        threading.Thread(target=interrupt_after, args=(other.out / "training" / "log.jsonl",)).start()
        with pytest.raises(KeyboardInterrupt):
            train(other)
        halfway = torch.load(other.out / "training" / "checkpoint.pt", weights_only=True)
        train(other)
    finally:
        signal.signal(signal.SIGINT, before)
    ends = [torch.load(s.out / "training" / "checkpoint.pt", weights_only=True) for s in (alone, other)]
    assert 0 < halfway["step"] < ends[0]["step"] == ends[1]["step"]
    assert all(torch.equal(value, ends[1]["model"][name]) for name, value in ends[0]["model"].items())


def test_held_out_problems_keep_their_natural_shares(settings: Settings) -> None:
    traces = load(settings.traces)
    held = Held.of(settings, traces)
    places = [place for t in traces if t.held_out for place in t.places]
    assert held.better == [place.better for place in places]
    assert len(held.texts) == len(places)


def test_without_problems_to_select_by_nothing_is_trained(settings: Settings) -> None:
    with pytest.raises(ValueError, match="none of 1 problems is held out"):
        Held.of(settings, [next(t for t in load(settings.traces) if not t.held_out)])


# -- figures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_at_equal_shares_the_oracle_gains_most_and_a_router_that_knows_something_more_than_chance(seed: int) -> None:
    rng = Random(seed)
    advantages = [rng.gauss(-0.1, 0.4) for _ in range(2000)]
    knowing = [advantage + rng.gauss(0, 0.5) for advantage in advantages]
    blind = [rng.random() for _ in advantages]
    for row, by_lot in zip(utility(knowing, advantages), utility(blind, advantages), strict=True):
        assert row["oracle"] >= row["router"] > row["random"]
        assert by_lot["router"] == pytest.approx(row["random"], abs=0.03)
        sent = sum(value > row["tau"] for value in knowing) / len(knowing)
        assert sent == pytest.approx(row["share"], abs=0.001)


def test_a_rank_correlation_knows_orders_and_ties_only() -> None:
    assert spearman([1, 2, 3, 4], [10, 100, 1000, 10**9]) == pytest.approx(1)
    assert spearman([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1)
    assert spearman([1, 2, 2, 3], [1, 3, 2, 4]) == pytest.approx(0.9486832980505138)
    assert str(spearman([1, 1, 1], [1, 2, 3])) == "nan"
    assert bonett_wright(0.0, 103) == pytest.approx(0.196, abs=1e-3)
