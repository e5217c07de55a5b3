"""The command line: what goes to standard output, what to standard error, which exit code, and what is kept."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from .conftest import DOUBLE, SUM, furnish, headgate, rows


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test in a folder of its own, with a recipe, two models and problems."""
    monkeypatch.chdir(tmp_path)
    furnish()
    return tmp_path


def errors(result: Result) -> str:
    """Its one line of complaint: exit code 2, nothing on standard output."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


# -- one question ---------------------------------------------------------------------------------------------


def test_the_answer_alone_is_on_standard_output_and_the_trace_is_not() -> None:
    result = headgate("run", "r.yaml", SUM)
    assert (result.exit_code, result.stdout) == (0, "5\n")
    assert "2+3=5." in result.stderr


def test_quiet_says_only_the_answer() -> None:
    result = headgate("run", "r.yaml", SUM, "--quiet")
    assert (result.stdout, result.stderr) == ("5\n", "")


def test_a_question_may_come_from_standard_input() -> None:
    assert headgate("run", "r.yaml", "-", "-q", stdin=f"{DOUBLE}\n").stdout == "8\n"


def test_json_gives_the_whole_answer_as_one_object() -> None:
    answer = json.loads(headgate("run", "r.yaml", SUM, "--json", "-q").stdout)
    assert (answer["answer"], answer["status"]) == ("5", "answered")
    assert {step["author"] for step in answer["steps"]} == {"draft", "target"}
    billed = sum(entry["cost"]["output"] for entry in answer["bill"])
    assert billed == answer["cost"]["output"] == sum(cost["output"] for cost in answer["cost_by_role"].values())


def test_events_are_kept_in_order_one_a_line_without_tokens() -> None:
    headgate("run", "r.yaml", SUM, "-q", "--events", "logs/e.jsonl")
    events = rows("logs/e.jsonl")
    assert [event["id"] for event in events] == sorted(event["id"] for event in events)
    assert (events[0]["kind"], events[-1]["kind"]) == ("run_start", "run_end")
    assert "token" not in {event["kind"] for event in events}


def test_the_same_seed_gives_the_same_run_and_options_change_it() -> None:
    first, again = (headgate("run", "r.yaml", SUM, "--json", "-q", "--seed", "3").stdout for _ in range(2))
    assert first == again
    strict = headgate("run", "r.yaml", SUM, "--json", "-q", "--set", "nodes.solve.with.threshold=10").stdout
    assert {step["author"] for step in json.loads(strict)["steps"] if step["kept"]} == {"target"}


def test_another_model_solves_it_again_for_comparison() -> None:
    result = headgate("run", "r.yaml", SUM, "--compare", "target")
    assert result.stdout == "5\n"
    assert "alone" in result.stderr


def test_exit_codes_say_how_it_ended() -> None:
    silent = {"form": "replies", "replies": []}
    Path("silent.json").write_text(json.dumps(silent), encoding="utf-8")
    both = ("-m", "draft=scripted:silent.json", "-m", "target=scripted:silent.json")
    assert headgate("run", "r.yaml", SUM, "-q", *both).exit_code == 1
    assert headgate("run", "r.yaml", SUM, "-q", "--budget", "tokens=40").exit_code == 3


# -- wrong input ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "r.yaml", ""], "the question is empty"),
        (["run", "r.yaml", "-"], "the question is empty"),
        (["run", "r.yaml"], "there is neither a question nor --input"),
        (["run", "r.yaml", SUM, "-i", "p.jsonl"], "there is both a question and --input"),
        (["resume", "."], ".: holds no run"),
        (["resume", "none"], "none: holds no run; `headgate runs` lists those there are"),
        (["trace", "none"], "none: holds no run"),
        (["run", "none.yaml", SUM], "none.yaml: there is no such file; shipped recipes"),
        (["run", ".", SUM], "is a folder, not a file"),
        (["run", "r.yaml", "word " * 40_000, "-q"], "tokens for `draft`, which reads fewer than"),
        (["run", "r.yaml", SUM, "-q", "-b", "tokens=3"], "`budget.each` allows 3 tokens, one answer takes at least"),
        (["run", "r.yaml", SUM, "-b", "tokens=nan"], "--budget tokens=nan: `budget.each.tokens`: 'nan' is no limit"),
        (["run", "r.yaml", SUM, "-b", "dollars=1"], "r.yaml:2:17: `draft` has no price"),
        (
            ["run", "r.yaml", SUM, "-s", "nodes.solve.with.treshold=1"],
            "--set nodes.solve.with.treshold=1: `spec_reason`",
        ),
        (["run", "r.yaml", SUM, "-q", "-m", "draft=scripted:no.json"], "--model draft=scripted:no.json: no.json is no"),
        (["run", "r.yaml", SUM, "-q", "-m", "draft=local:."], "--model draft=local:.: `.` has no config.json"),
        (["run", "r.yaml", SUM, "--compare", "targt"], "--compare: there is no model `targt`; did you mean `target`?"),
        (["run", "r.yaml", "-i", "none.jsonl"], "none.jsonl: cannot be read"),
        (["check", "none"], "none: there is no such file"),
        (
            ["check", "r.yaml", "--set", "nodes.solve.use=direkt"],
            "there is no strategy `direkt`; did you mean `direct`?",
        ),
        (["list", "direkt"], "there is no strategy `direkt`; did you mean `direct`?"),
        (["tasks", "sample", "word_problem"], "there is no task `word_problem`; did you mean `word_problems`?"),
        (["tasks", "sample", "word_problems", "--n", "0"], "n is 0; draw at least 1 problem"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(words: list[str], said: str) -> None:
    assert said in errors(headgate(*words, stdin="" if words[-1] == "-" else None))


def test_an_unknown_option_is_exit_code_2() -> None:
    assert headgate("run", "r.yaml", SUM, "--nope").exit_code == 2


# -- a batch --------------------------------------------------------------------------------------------------


def test_a_batch_keeps_its_recipe_its_events_and_a_line_for_every_problem() -> None:
    result = headgate("run", "r.yaml", "-i", "p.jsonl", "-o", "out")
    assert result.exit_code == 0
    lines = {row["id"]: row for row in rows("out/answers.jsonl")}
    wanted = ["id", "question", "answer", "status", "correct", "cost", "cost_by_role", "seconds"]
    assert list(lines["a"])[: len(wanted)] == wanted
    assert [lines[name]["correct"] for name in "ab"] == [True, False]
    assert lines["a"]["cost"]["output"] > 0
    header, first = rows("out/journal.jsonl")[:2]
    assert (header["journal"], first["kind"]) == (1, "run_start")
    assert rows("out/problems.jsonl")[0]["question"] == SUM
    assert headgate("check", "out/recipe.yaml").exit_code == 0
    assert "1 of 2 right" in result.stdout


def test_without_a_reference_correct_is_null() -> None:
    Path("q.jsonl").write_text(json.dumps({"question": SUM}) + "\n", encoding="utf-8")
    headgate("run", "r.yaml", "-i", "q.jsonl", "-o", "out", "-q")
    assert rows("out/answers.jsonl")[0]["correct"] is None
    assert rows("out/answers.jsonl")[0]["id"] == "p1"


def test_without_a_folder_it_goes_to_runs() -> None:
    headgate("run", "r.yaml", "-i", "p.jsonl", "-q")
    (made,) = Path("runs").iterdir()
    assert {file.name for file in made.iterdir()} == {"recipe.yaml", "problems.jsonl", "journal.jsonl", "answers.jsonl"}


def test_json_prints_each_line_as_it_is_kept() -> None:
    result = headgate("run", "r.yaml", "-i", "p.jsonl", "-o", "out", "--json", "-q")
    assert result.stdout == Path("out/answers.jsonl").read_text(encoding="utf-8")


def test_a_folder_that_holds_a_run_is_refused() -> None:
    headgate("run", "r.yaml", "-i", "p.jsonl", "-o", "out", "-q")
    before = Path("out/answers.jsonl").read_bytes()
    assert "out: holds a run already" in errors(headgate("run", "r.yaml", "-i", "p.jsonl", "-o", "out"))
    assert Path("out/answers.jsonl").read_bytes() == before
    assert "is a file, not a folder" in errors(headgate("run", "r.yaml", "-i", "p.jsonl", "-o", "r.yaml"))


def test_models_that_cannot_be_loaded_leave_no_folder() -> None:
    errors(headgate("run", "r.yaml", "-i", "p.jsonl", "-o", "out", "-q", "-m", "draft=scripted:none.json"))
    assert not Path("out").exists()


def test_a_bad_line_stops_the_batch_or_is_left_out() -> None:
    with Path("p.jsonl").open("a", encoding="utf-8") as file:
        file.write("\nnonsense\n")
    assert "p.jsonl:4: is no JSON" in errors(headgate("run", "r.yaml", "-i", "p.jsonl", "-o", "out"))
    assert not Path("out").exists()
    result = headgate("run", "r.yaml", "-i", "p.jsonl", "-o", "out", "--keep-going", "-q")
    assert result.exit_code == 2
    assert "p.jsonl:4: is no JSON" in result.stderr
    assert len(rows("out/answers.jsonl")) == 2


def test_one_problem_that_cannot_be_asked_fails_and_the_others_go_on() -> None:
    with Path("p.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"question": "word " * 40_000, "id": "long"}) + "\n")
    assert headgate("run", "r.yaml", "-i", "p.jsonl", "-o", "out", "-q").exit_code == 4
    lines = {row["id"]: row for row in rows("out/answers.jsonl")}
    assert (lines["a"]["status"], lines["long"]["status"]) == ("answered", "failed")
    assert "which reads fewer than" in lines["long"]["reason"]


# -- the other commands ---------------------------------------------------------------------------------------


def test_check_says_what_it_found_and_loads_models_when_asked() -> None:
    assert "r.yaml: right. models: draft = scripted:draft.json" in headgate("check", "r.yaml").stdout
    assert headgate("check", "r.yaml", "--load").exit_code == 0
    assert "is no scripted model" in errors(headgate("check", "r.yaml", "--load", "-m", "draft=scripted:no.json"))


def test_show_draws_the_graph_and_prints_the_resolved_recipe() -> None:
    drawn = headgate("show", "cascade").stdout
    for part in (
        "solve = spec_reason",
        "after solve abstained or exhausted",
        "by model: target",
        "at most 4000 tokens",
    ):
        assert part in drawn
    assert "\x1b" not in drawn
    Path("shown.yaml").write_text(headgate("show", "cascade", "--yaml").stdout, encoding="utf-8")
    assert headgate("show", "shown.yaml", "--yaml").stdout == Path("shown.yaml").read_text(encoding="utf-8")


def test_list_names_every_part_and_a_strategy_with_its_knobs() -> None:
    listed = headgate("list").stdout
    for part in ("spec_reason", "cascade", "word_problems", "scripted", "local:embedded/draft"):
        assert part in listed
    assert "threshold = 7" in headgate("list", "spec_reason").stdout


def test_tasks_are_listed_and_sampled_as_problems_to_run(tmp_path: Path) -> None:
    assert "word_problems" in headgate("tasks").stdout
    sampled = headgate("tasks", "sample", "word_problems", "--n", "3", "--seed", "7", "--difficulty", "2").stdout
    assert sampled == headgate("tasks", "sample", "word_problems", "-n", "3", "--seed", "7", "-d", "2").stdout
    lines = [json.loads(line) for line in sampled.splitlines()]
    assert [set(line) for line in lines] == [{"id", "question", "answer", "difficulty"}] * 3


def test_the_schema_is_json() -> None:
    assert json.loads(headgate("schema").stdout)["title"] == "A headgate recipe"


def test_help_teaches_and_documents_exit_codes() -> None:
    shown = headgate("run", "--help").stdout
    for part in ("Exit codes", "Examples", "headgate resume", "130 interrupted"):
        assert part in shown


# -- as a process ---------------------------------------------------------------------------------------------


def spawn(*words: str, **more: Any) -> "subprocess.Popen[str]":
    """The command as a terminal starts it: a shell that runs tests in the background has interrupts ignored."""
    command = [sys.executable, "-m", "headgate.orchestrator.cli", *words]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL), **pipes, **more)


def test_a_reader_that_leaves_is_no_error() -> None:
    running = spawn("tasks", "sample", "word_problems", "--n", "5000")
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.readline()
    running.stdout.close()
    assert running.stderr.read() == ""
    assert running.wait(timeout=60) == 0
    running.stderr.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_one_line_and_exit_code_4() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "headgate.orchestrator.cli", "run", "r.yaml", SUM, "-q"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (4, "error: [Errno 28] No space left on device\n")


def test_help_imports_nothing_slow() -> None:
    slow = "[m for m in ('torch', 'pydantic', 'networkx') if m in sys.modules]"
    script = f"import sys, headgate.orchestrator.cli; print({slow})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_letters_that_standard_output_cannot_show_are_escaped() -> None:
    Path("umlaut.json").write_text(
        json.dumps({"form": "skill", "solutions": {SUM: [["2+3=5."], "fünf"]}}), encoding="utf-8"
    )
    words = ("run", "r.yaml", SUM, "-q", "-m", "draft=scripted:umlaut.json", "-m", "target=scripted:umlaut.json")
    running = spawn(*words, env=os.environ | {"PYTHONIOENCODING": "ascii"})
    said, _ = running.communicate(timeout=60)
    assert (running.returncode, said) == (0, "f\\xfcnf\n")
