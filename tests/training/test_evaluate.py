"""The evaluation command: it measures a pair from two folders, writes its own tables, and routes at both extremes."""

import json
from pathlib import Path

import pytest

from headgate.backends.local.qwen3 import Qwen3, Qwen3Config
from headgate.tasks.word_problems import problems
from headgate.training.evaluate import main
from headgate.training.loop import initialised
from headgate.training.publish import publish
from headgate.training.report import BEGIN, END, put_into_card
from headgate.training.routed import Pair, specreason
from headgate.training.tokenizer import Encoder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, encoder: Encoder, tiny: Qwen3Config) -> dict[str, Path]:
    """Two models that have learned nothing yet."""
    made = {role: tmp_path_factory.mktemp("pair") / role for role in ("draft", "target")}
    for seed, folder in enumerate(made.values()):
        publish(initialised(Qwen3(tiny), seed), encoder, folder)
    return made


@pytest.fixture
def pair(folders: dict[str, Path], encoder: Encoder) -> Pair:
    return Pair(Qwen3.load(folders["draft"]), Qwen3.load(folders["target"]), encoder)


def test_at_threshold_zero_the_draft_writes_all_and_above_nine_the_target(pair: Pair) -> None:
    asked = problems(3, seed=1)
    assert specreason(pair, asked, 0.0)[1] == 0.0
    assert specreason(pair, asked, 10.0)[1] == 1.0


@pytest.mark.slow
def test_the_command_writes_figures_tables_and_the_card(folders: dict[str, Path], tmp_path: Path) -> None:
    card = tmp_path / "CARD.md"
    card.write_text(f"# Card\n\n{BEGIN}\noutdated\n{END}\n\nafter\n")
    pair = [f"--{role}={folder}" for role, folder in folders.items()]
    assert (
        main(
            [*pair, "--count=2", "--limit=12", "--processes=1", f"--out={tmp_path / 'results.json'}", f"--card={card}"]
        )
        == 0
    )
    figures = json.loads((tmp_path / "results.json").read_text())
    assert figures["draft"]["agreement"] == {"same": 12, "n": 12}
    assert figures["target"]["accuracy"]["all"]["n"] == 2
    text = card.read_text()
    assert "outdated" not in text and text.endswith("after\n") and "### The pair" in text


def test_a_card_without_marks_is_refused_with_the_marks(tmp_path: Path) -> None:
    (tmp_path / "CARD.md").write_text("# Card\n")
    with pytest.raises(ValueError, match="figures: begin"):
        put_into_card(tmp_path / "CARD.md", "text")


def test_publishing_leaves_the_other_files_of_a_folder_alone(
    tmp_path: Path, encoder: Encoder, tiny: Qwen3Config
) -> None:
    (tmp_path / "dialect.json").write_text("{}")
    publish(initialised(Qwen3(tiny), 1), encoder, tmp_path)
    publish(initialised(Qwen3(tiny), 2), encoder, tmp_path)
    names = {file.name for file in tmp_path.iterdir()}
    assert {"dialect.json", "config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"} <= names
    assert not list(tmp_path.parent.glob("*.part"))
