import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from headgate.backends.checkpoint import EMBEDDED, Checkpoint
from headgate.backends.local.qwen3 import Qwen3, Qwen3Config
from headgate.orchestrator.commands.train_router import oracle
from headgate.orchestrator.errors import RecipeError
from headgate.orchestrator.recipe.knobs import knobs_of
from headgate.training.loop import initialised
from headgate.training.scorer import publish, rows, trunk, with_head
from headgate.training.sizes import shape

from .conftest import headgate

QUESTIONS = [f"What is {i}+{i}?" for i in range(40)]
PAIR = "version: 1\nmodels: {draft: scripted:draft.json, target: scripted:target.json}\n"
KNOBS = "{step_tokens: 20, think_tokens: 90, temperature: 0.7}"
SHORT = ["--n", "40", "--epochs", "2", "--processes", "1", "--eager", "--out", "out"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pair whose draft slips now and then, questions without answers, and a reward model of random weights."""
    monkeypatch.chdir(tmp_path)
    solutions = {q: [[f"Take {i}.", f"{i}+{i}={2 * i}."], str(2 * i)] for i, q in enumerate(QUESTIONS)}
    for name, skill in (("draft", 0.5), ("target", 1.0)):
        Path(f"{name}.json").write_text(json.dumps({"form": "skill", "skill": skill, "solutions": solutions}))
    Path("q.jsonl").write_text("".join(json.dumps({"question": q}) + "\n" for q in QUESTIONS))
    Path("r.yaml").write_text(f"{PAIR}nodes:\n  solve: {{use: spec_reason, with: {KNOBS}}}\n")
    return tmp_path


@pytest.fixture
def reward(tmp_path: Path) -> Path:
    rows_of_pair = Qwen3Config.load(EMBEDDED / "target").vocab_size
    config = replace(shape(hidden=32, layers=1, heads=1, feed_forward=48), vocab_size=rows_of_pair)
    initialised(Qwen3(config), 5).save(tmp_path / "language")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(EMBEDDED / "target" / name, tmp_path / "language" / name)
    source = Checkpoint.open(str(tmp_path / "language"))
    publish(with_head(*trunk(source), rows(source.tokens)), source, tmp_path / "reward")
    return tmp_path / "reward"


def test_the_pace_and_the_models_are_those_of_the_recipe() -> None:
    made = oracle("r.yaml", "local:embedded/target", ["draft=scripted:other.json"], samples=4)
    assert {name: str(spec) for name, spec in made.models.items()} == {
        "draft": "scripted:other.json",
        "target": "scripted:target.json",
        "reward": "local:embedded/target",
    }
    knobs = knobs_of(made.nodes["oracle"].strategy)
    assert {
        "mode": "oracle",
        "step_tokens": 20,
        "think_tokens": 90,
        "temperature": 0.7,
        "samples": 4,
    }.items() <= knobs.items()


def test_roles_of_other_names_are_found() -> None:
    Path("n.yaml").write_text(
        "version: 1\nmodels: {small: scripted:draft.json, large: scripted:target.json}\n"
        "nodes:\n  solve: {use: spec_reason, roles: {draft: small, target: large}}\n"
    )
    assert str(oracle("n.yaml", "local:x").models["target"]) == "scripted:target.json"


def test_a_folder_of_a_pair_needs_no_recipe(reward: Path, tmp_path: Path) -> None:
    for role in ("draft", "target"):
        (tmp_path / "pair" / role).mkdir(parents=True)
    made = oracle("pair", f"local:{reward}", settings=["nodes.oracle.with.temperature=0"])
    assert str(made.models["draft"]) == f"local:{Path('pair') / 'draft'}"
    assert knobs_of(made.nodes["oracle"].strategy)["temperature"] == 0


def test_a_model_that_is_missing_is_named() -> None:
    with pytest.raises(RecipeError, match=r"no model `reward`.*--reward"):
        oracle("r.yaml", "")
    Path("alone.yaml").write_text("version: 1\nmodels: {target: scripted:target.json}\nnodes: {solve: {use: direct}}\n")
    with pytest.raises(RecipeError, match="no model `draft`"):
        oracle("alone.yaml", "local:x")


def test_a_reward_model_on_a_server_is_no_trunk() -> None:
    said = headgate("train-router", "r.yaml", "--reward", "scripted:r.json", *SHORT)
    assert said.exit_code == 2
    assert "no checkpoint to train from" in said.output and "--trunk" in said.output


def test_it_trains_a_router_and_asks_no_problem_twice(reward: Path) -> None:
    words = ["train-router", "r.yaml", "--reward", f"local:{reward}", "--tasks", "q.jsonl", *SHORT]
    said = headgate(*words)
    assert said.exit_code == 0, said.output
    assert "rank correlation" in said.output and f"wrote {Path('out') / 'router'}" in said.output
    traces = Path("out/traces.jsonl").read_text()
    assert traces.count("\n") == len(QUESTIONS)
    assert {"spearman", "utility"} <= json.loads(Path("out/figures.json").read_text()).keys()
    Path("draft.json").unlink()
    again = headgate(*words)
    assert again.exit_code == 0, again.output
    assert Path("out/traces.jsonl").read_text() == traces


def test_a_pair_of_which_neither_is_ever_better_teaches_nothing(reward: Path) -> None:
    shutil.copyfile("target.json", "draft.json")
    said = headgate("train-router", "r.yaml", "--reward", f"local:{reward}", "--tasks", "q.jsonl", *SHORT)
    assert said.exit_code == 2
    assert "never better" in said.output
