import json
from pathlib import Path

import pytest

from headgate.orchestrator import recipe as recipes
from headgate.orchestrator.calibration import Dial, dial, turned
from headgate.orchestrator.errors import RecipeError
from headgate.orchestrator.recipe.knobs import knobs_of
from headgate.strategies import registry

from .conftest import furnish, headgate

QUESTIONS = [f"What is {i}+{i}?" for i in range(40)]
PAIR = "models: {draft: scripted:draft.json, target: scripted:target.json}"
RECIPE = f"version: 1\n{PAIR}\nnodes:\n  solve: {{use: likelihood_gate, with: {{threshold: -9, temperature: 0}}}}\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pair whose draft slips now and then, and questions without answers."""
    monkeypatch.chdir(tmp_path)
    furnish()
    solutions = {q: [[f"Take {i}.", f"{i}+{i}={2 * i}."], str(2 * i)] for i, q in enumerate(QUESTIONS)}
    for name, skill in (("draft", 0.6), ("target", 1.0)):
        Path(f"{name}.json").write_text(json.dumps({"form": "skill", "skill": skill, "solutions": solutions}))
    Path("q.jsonl").write_text("".join(json.dumps({"question": q}) + "\n" for q in QUESTIONS))
    Path("gate.yaml").write_text(RECIPE)
    return tmp_path


@pytest.mark.parametrize(("side", "share", "beyond"), [("below", 0.25, 25), ("above", 0.25, 25), ("below", 0.0, 0)])
def test_a_share_of_the_signal_lies_beyond_the_value_that_is_found(side: str, share: float, beyond: int) -> None:
    found = Dial(node="solve", knob="tau", side=side, value=0.0).found([i / 10 for i in range(100)], share)  # type: ignore[arg-type]
    values = [i / 10 for i in range(100)]
    assert sum(v > found if side == "above" else v < found for v in values) == beyond


def test_equal_values_stay_together_on_the_nearer_side() -> None:
    one = Dial(node="solve", knob="threshold", side="below", value=0.0)
    assert one.found([1.0] * 4 + [9.0] * 6, 0.3) == one.found([1.0] * 4 + [9.0] * 6, 0.5) == 5.0
    assert one.found([1.0] * 4 + [9.0] * 6, 0.1) < 1.0


def test_every_strategy_that_says_so_has_the_knob_that_it_names() -> None:
    named = {name: registry.calibrated(registry.find(name)) for name in registry.names()}
    assert named["spec_reason"] == ("threshold", "below")
    for name, found in named.items():
        assert found is None or found[0] in registry.knobs(registry.find(name))


def test_a_recipe_without_a_threshold_between_two_models_is_refused() -> None:
    with pytest.raises(RecipeError, match="has no threshold between two models"):
        dial(recipes.load("direct"))


def test_of_several_thresholds_one_must_be_named() -> None:
    two = recipes.loads(RECIPE + "  again: {use: spec_reason, needs: [solve]}\n")
    with pytest.raises(RecipeError, match="--node"):
        dial(two)
    assert dial(two, "again") == Dial(node="again", knob="threshold", side="below", value=7.0)
    assert knobs_of(turned(two, dial(two, "again"), 3.5).nodes["again"].strategy)["threshold"] == 3.5


def test_it_reaches_the_share_and_writes_it_beside_the_number() -> None:
    result = headgate("calibrate", "gate.yaml", "--share", "0.25", "--tasks", "q.jsonl", "--n", "40", "--out", "c")
    assert result.exit_code == 0, result.output
    recipe = recipes.load("gate.yaml")
    value = knobs_of(recipe.nodes["solve"].strategy)["threshold"]
    assert -9 < value < 0
    written = Path("gate.yaml").read_text()
    assert "40 problems: the target wrote" in written and "25% asked" in written
    share = float(written.split("wrote ")[1].split("%")[0])
    assert share == pytest.approx(25, abs=10)


def test_begun_again_in_its_folder_it_spends_nothing_twice() -> None:
    words = (
        "calibrate",
        "gate.yaml",
        "--share",
        "0.2",
        "--tasks",
        "q.jsonl",
        "--n",
        "20",
        "--out",
        "c",
        "--write",
        "w.yaml",
    )
    assert headgate(*words).exit_code == 0
    first, sizes = Path("w.yaml").read_text(), {p: p.stat().st_size for p in Path("c").rglob("answers.jsonl")}
    assert headgate(*words).exit_code == 0
    assert Path("w.yaml").read_text() == first
    assert {p: p.stat().st_size for p in Path("c").rglob("answers.jsonl")} == sizes
    assert Path("gate.yaml").read_text() == RECIPE


def test_predict_says_what_a_pair_would_gain() -> None:
    result = headgate("predict", "gate.yaml", "--draft-ms", "8", "--target-ms", "40", "--judge-ms", "45", "--json")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    given = next(row for row in rows if row["accept"] == 0.7)
    assert given["step_ms"] == pytest.approx(30 * 8 + 45 + 0.3 * 30 * 40)
    assert given["speedup"] == pytest.approx(1200 / given["step_ms"])
    refused = headgate("predict", "direct", "--draft-ms", "8", "--target-ms", "40")
    assert refused.exit_code == 2 and "no node of `direct` shares" in refused.stderr
