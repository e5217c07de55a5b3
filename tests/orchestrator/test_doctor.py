"""What `headgate doctor` says of engines that work, that are missing and that fail."""

import json
import sys
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from headgate.orchestrator import doctor, selftest
from headgate.orchestrator.cli import app
from headgate.orchestrator.commands import doctor as shown
from headgate.tasks import registry as tasks


def test_a_working_engine_is_tried_and_its_figures_are_shown() -> None:
    found = doctor.examine("local")
    assert found.state == "works", found.reason
    assert set(found.versions) == {"torch", "safetensors", "tokenizers"}
    assert 0 < found.figures["first_token_s"] < 60
    assert found.figures["tokens_per_second_together"] > found.figures["tokens_per_second"] > 0
    assert found.figures["memory_bytes"] > 1e8
    assert "Tom17." in found.figures["text"]


def test_a_missing_package_is_answered_with_one_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "installed", lambda package: "")
    found = doctor.examine("vllm")
    assert (found.state, found.figures) == ("missing", {})
    files = [Path(word) for word in found.fix.split() if word.endswith(".txt")]
    assert all(file.is_file() for file in files) if files else "'headgate[vllm]'" in found.fix
    assert doctor.examine("openai").fix.endswith("-m pip install 'headgate[openai]'")


def test_an_engine_that_dies_fails_with_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    found = doctor.examine("local")
    assert (found.state, found.reason) == ("fails", "exit code 1")
    console = Console(record=True, width=120)
    assert shown.show(["local"], console) == 4
    assert "local fails: exit code 1" in console.export_text()


def test_versions_are_those_of_the_packages() -> None:
    assert doctor.installed("rich")[0].isdigit()
    assert doctor.installed("no_such_package") == ""
    assert doctor.installed("no_such.package") == ""


def test_the_findings_can_be_read_by_a_program() -> None:
    ran = CliRunner().invoke(app, ["doctor", "openai", "--json"])
    found = json.loads(ran.stdout)
    assert (found["name"], found["state"]) in {("openai", "ready"), ("openai", "missing")}


def test_a_backend_that_does_not_exist_is_named_beside_those_that_do() -> None:
    ran = CliRunner().invoke(app, ["doctor", "locl"])
    assert ran.exit_code == 2
    assert "there is no backend `locl`" in ran.output
    assert "local" in ran.output


def test_the_question_of_the_test_is_one_that_the_models_can_read() -> None:
    asked = tasks.sample("word_problems", 1)[0].text
    assert selftest.QUESTION.endswith("have?") and asked.endswith("have?")
