"""The training of the scorer: what it learns where, what is shipped, and the whole command on an untrained pair."""

import asyncio
import json
import shutil
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch

from headgate.backends.base import Context, Piece, Rewarding
from headgate.backends.checkpoint import Checkpoint
from headgate.backends.local.qwen3 import Qwen3, Qwen3Config, causal
from headgate.backends.registry import ModelSpec, open_backend
from headgate.backends.reward import ends
from headgate.tasks.word_problems import problems
from headgate.training.documents.document import Document
from headgate.training.documents.labelled import LABELS, WEIGHT, labelled
from headgate.training.formats import CLOSE
from headgate.training.loop import initialised
from headgate.training.process_reward import Labelled, Settings, config, learned, main, parser, plan, shown
from headgate.training.publish import publish
from headgate.training.rollout import OwnStep, Verdict, Written
from headgate.training.scorer import chances, solutions
from headgate.training.tokenizer import Encoder

QUESTION, STEPS = "Tom has 7 apples. Mia has 3 times as many as Tom. How many has Mia?", ["Tom7.", "Mia:3*Tom7;Mia21."]


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory, tokenizer_folder: Path, tiny: Qwen3Config) -> Path:
    """Two untrained models in the places of the shipped ones."""
    folder, encoder = tmp_path_factory.mktemp("pair"), Encoder(tokenizer_folder)
    for seed, role in enumerate(("draft", "target")):
        publish(initialised(Qwen3(tiny), seed), encoder, folder / role)
    return folder


def labels(encoder: Encoder, document: Document) -> dict[int, bool]:
    """Where a label is learned, and which."""
    wrong, right = map(encoder.one, LABELS)
    asked = enumerate(zip(document.targets, document.weights, strict=True))
    return {at: target == right for at, (target, weight) in asked if weight and target in (wrong, right)}


def solution(*steps: str, ended: bool = True) -> Context:
    pieces = [Piece(role="assistant", text=f"{step}\n\n", part="think") for step in steps]
    end = [Piece(role="assistant", text="", part="think", stop="think_end")] if ended else []
    return Context.ask(QUESTION).append(*pieces, *end)


# -- documents -----------------------------------------------------------------------------------------------------


def test_a_document_is_what_the_engines_read_and_has_its_labels_where_they_read_rewards(pair: Path) -> None:
    checkpoint, encoder = Checkpoint.open(str(pair / "target")), Encoder(pair / "target")
    parts = solutions(checkpoint).parts(solution(*STEPS))
    document = labelled(encoder, QUESTION, [*STEPS, CLOSE])
    assert document.ids == [token for part in parts for token in part]
    assert labels(encoder, document) == dict.fromkeys(ends(parts), True)


def test_a_branch_sees_the_right_steps_before_it_and_its_end_alone_is_learned(encoder: Encoder) -> None:
    wrong = "Mia:3*Tom7;Mia22."
    document = labelled(encoder, QUESTION, STEPS, [(1, wrong + "\n\n", False), (0, "Tom7.\n\n", True)])
    (first, end, cut), (second, last, begin) = document.branches
    assert encoder.decode(document.ids[first:end]) == f"{wrong}\n\n"
    assert encoder.decode(document.ids[:cut]) == f"{QUESTION}\n{STEPS[0]}\n\n"
    assert encoder.decode(document.ids[:begin]) == f"{QUESTION}\n"
    assert document.positions[first] == cut
    assert {at: mark for at, mark in labels(encoder, document).items() if at >= first} == {
        end - 1: False,
        last - 1: True,
    }
    assert [weight for weight in document.weights[first:last] if weight] == [WEIGHT, WEIGHT]
    assert second == end


def test_words_of_right_steps_are_learned_and_those_of_the_question_are_not(encoder: Encoder) -> None:
    document = labelled(encoder, QUESTION, STEPS)
    before = len(encoder.encode(f"{QUESTION}\n"))
    assert not any(document.weights[: before - 1])
    assert all(document.weights[before - 1 :])


def test_what_is_drawn_has_right_and_wrong_steps_and_repeats_by_its_seed(encoder: Encoder) -> None:
    drawn = [Labelled(encoder).draw(Random(seed), plan(0.5)) for seed in range(40)]
    marks = [mark for document in drawn for at, mark in labels(encoder, document).items() if at >= document.trunk]
    assert 0.2 < sum(marks) / len(marks) < 0.8
    assert drawn[3] == Labelled(encoder).draw(Random(3), plan(0.5))


def test_look_ups_come_first_and_labels_after(encoder: Encoder) -> None:
    def labelled_share(fraction: float) -> float:
        drawn = (Labelled(encoder).draw(Random(seed), plan(fraction)) for seed in range(200))
        return sum(WEIGHT in document.weights for document in drawn) / 200

    assert labelled_share(0.0) < 0.3 < 0.7 < labelled_share(0.1)


# -- the command ---------------------------------------------------------------------------------------------------


def arguments(pair: Path, out: Path, tokens: int = 5_000, *more: str) -> list[str]:
    small = ["--problems", "3", "--measured", "2", "--processes", "1", "--save-every", "0", "--eager"]
    return [*small, "--pair", str(pair), "--out", str(out), "--tokens", str(tokens), *more]


@pytest.fixture(scope="module")
def trained(pair: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained")
    assert main(arguments(pair, out, 5_000, "--publish", str(out / "shipped"))) == 0
    return out


def test_the_whole_command_leaves_a_scorer_that_the_engine_opens_and_figures(trained: Path, pair: Path) -> None:
    figures = json.loads((trained / "figures.json").read_text())
    assert set(figures) == {"draft, T 0.0", "draft, T 0.7", "target, T 0.0", "target, T 0.7"}
    assert all({"auroc", "half", "wrong", "n", "kept"} <= set(row) for row in figures.values())
    backend = open_backend(ModelSpec(backend="local", model=str(trained / "shipped")))
    assert isinstance(backend, Rewarding)
    values = asyncio.run(backend.rewards(solution(*STEPS))).values
    assert len(values) == 3 and all(0 < value < 1 for value in values)
    shipped = sum(file.stat().st_size for file in (trained / "shipped").iterdir())
    assert shipped < 4_000_000
    asyncio.run(backend.close())


def test_transformers_loads_what_is_shipped_and_finds_the_same_rewards(trained: Path) -> None:
    from transformers import AutoModelForTokenClassification

    theirs: Any = AutoModelForTokenClassification.from_pretrained(trained / "shipped").eval()
    scorer, encoder = Qwen3.load(trained / "shipped"), Encoder(trained / "shipped")
    ids = labelled(encoder, QUESTION, STEPS).ids
    with torch.inference_mode():
        ours = scorer.logits(scorer(torch.tensor([ids]), torch.arange(len(ids))[None], causal(len(ids))))
        assert torch.allclose(theirs(torch.tensor([ids])).logits, ours, atol=1e-4)


def test_the_head_says_what_the_trained_model_says_of_its_two_labels(trained: Path, pair: Path) -> None:
    settings = Settings(out=trained, pair=pair)
    trunk = Qwen3(config(settings))
    trunk.load_state_dict(torch.load(trained / "training" / "checkpoint.pt", weights_only=True)["model"])
    scorer, hidden = Qwen3.load(trained / "shipped"), torch.randn(3, trunk.config.hidden_size)
    rows = [settings.encoder.one(label) for label in LABELS]
    assert torch.allclose(scorer.logits(hidden), trunk.logits(hidden)[:, rows], atol=1e-5)


def test_figures_are_measured_on_what_the_engines_read(trained: Path) -> None:
    (problem,), encoder = problems(1, 5), Encoder(trained / "shipped")
    said = encoder.encode(problem.steps[1].text + "\n\n")
    own = OwnStep(problem=problem, k=1, prefix=[], written=Written(ids=said), verdict=Verdict.RIGHT)
    (measured,) = chances(Qwen3.load(trained / "shipped"), [shown(encoder, own)])
    backend = open_backend(ModelSpec(backend="local", model=str(trained / "shipped")))
    pieces = (Piece(role="assistant", text=f"{line.text}\n\n", part="think") for line in problem.steps[:2])
    read = asyncio.run(backend.rewards(Context.ask(problem.question).append(*pieces)))  # type: ignore[attr-defined]
    assert read.values[-1] == pytest.approx(measured, abs=1e-4)
    asyncio.run(backend.close())


def test_the_same_command_goes_on_where_it_stopped(trained: Path, pair: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "out")
    before = (tmp_path / "out" / "labels.json").stat().st_mtime_ns
    assert main(arguments(pair, tmp_path / "out", 9_000, "--stage", "label", "--stage", "train")) == 0
    state = torch.load(tmp_path / "out" / "training" / "checkpoint.pt", weights_only=True)
    first = torch.load(trained / "training" / "checkpoint.pt", weights_only=True)
    assert state["tokens"] >= 9_000 > first["tokens"] >= 5_000
    assert state["step"] > first["step"]
    assert (tmp_path / "out" / "labels.json").stat().st_mtime_ns == before


def test_a_trunk_of_the_pair_begins_with_its_first_layers(pair: Path, tmp_path: Path) -> None:
    settings = Settings(out=tmp_path, pair=pair, trunk="target", layers=1)
    whole, begun = Qwen3.load(pair / "target").state_dict(), learned(settings)
    assert config(settings) == replace(Qwen3Config.load(pair / "target"), num_hidden_layers=1)
    assert all(torch.equal(tensor, whole[name]) for name, tensor in begun.items())
    assert {name for name in whole if name not in begun} == {name for name in whole if "layers.1." in name}
    more = ["--trunk", "target", "--layers", "1", "--stage", "label", "--stage", "train", "--stage", "export"]
    assert main(arguments(pair, tmp_path, 100, *more)) == 0
    shipped = Qwen3.load(tmp_path / "reward").state_dict()
    assert all(torch.allclose(tensor, shipped[name], atol=0.05) for name, tensor in begun.items())


def test_help_names_every_stage_and_the_trunk_fits_beside_the_pair(pair: Path) -> None:
    text = parser().format_help()
    assert all(stage in text for stage in ("label", "train", "export", "evaluate"))
    scorer = Qwen3(replace(config(Settings(out=pair, pair=pair)), num_labels=2))
    assert sum(p.numel() for p in scorer.parameters()) * 4 < 4_000_000
