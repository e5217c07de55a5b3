"""Runs that were stopped: what a resume gives again, what it runs, what it refuses, and what `runs` and `trace` say."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from headgate import Agent
from headgate.orchestrator.journal import read

from .conftest import DOUBLE, SUM, furnish, headgate, rows


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test in a folder of its own, with a recipe, two models, problems and a finished run of them."""
    monkeypatch.chdir(tmp_path)
    furnish()
    assert headgate("run", "r.yaml", "-i", "p.jsonl", "-o", "out", "-q", "-p", "1").exit_code == 0
    return tmp_path


def errors(result: Result) -> str:
    """Its one line of complaint: exit code 2, nothing on standard output."""
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1), result.output
    return result.stderr


def cut(after: str, kind: str) -> None:
    """Cut the journal behind the first event of a kind at a place, as a crash would have."""
    journal = Path("out/journal.jsonl")
    lines = journal.read_text(encoding="utf-8").splitlines(keepends=True)
    place = next(
        n for n, row in enumerate(map(json.loads, lines)) if (row.get("path"), row.get("kind")) == (after, kind)
    )
    journal.write_text("".join(lines[: place + 1]), encoding="utf-8")


def settled() -> int:
    """All output tokens that the journal has settled."""
    return sum(row["cost"]["output"] for row in rows("out/journal.jsonl")[1:] if row["kind"] == "settle")


def test_a_run_that_is_done_has_nothing_left() -> None:
    before = Path("out/answers.jsonl").read_bytes()
    done = headgate("resume", "out")
    assert (done.exit_code, done.stderr) == (0, "nothing is left to do in out\n")
    assert Path("out/answers.jsonl").read_bytes() == before


def test_a_lost_line_of_answers_is_made_again_from_the_journal_without_a_call() -> None:
    whole, billed = Path("out/answers.jsonl").read_text(encoding="utf-8"), settled()
    first, second = whole.splitlines(keepends=True)
    Path("out/answers.jsonl").write_text(first + second[:30], encoding="utf-8")
    assert headgate("resume", "out", "-q").exit_code == 0
    assert Path("out/answers.jsonl").read_text(encoding="utf-8") == whole
    assert settled() == billed


def test_a_problem_that_did_not_end_is_solved_by_the_same_seeds() -> None:
    whole = {row["id"]: row for row in rows("out/answers.jsonl")}
    cut("b", "problem_start")
    Path("out/answers.jsonl").unlink()
    assert headgate("resume", "out", "-q").exit_code == 0
    again = {row["id"]: row for row in rows("out/answers.jsonl")}
    for name in "ab":
        assert (again[name]["answer"], again[name]["status"]) == (whole[name]["answer"], whole[name]["status"])


def test_an_answer_that_was_acknowledged_is_not_paid_for_again() -> None:
    whole = {row["id"]: row for row in rows("out/answers.jsonl")}
    cut("b/solve", "node_end")
    calls = sum(row["kind"] == "reserve" and row["path"].startswith("b") for row in rows("out/journal.jsonl")[1:])
    assert headgate("resume", "out", "-q").exit_code == 0
    after = sum(row["kind"] == "reserve" and row["path"].startswith("b") for row in rows("out/journal.jsonl")[1:])
    assert after == calls > 0
    again = {row["id"]: row for row in rows("out/answers.jsonl")}
    assert again["b"]["cost"] == whole["b"]["cost"]
    assert again["b"]["cost_by_role"] == whole["b"]["cost_by_role"]


def test_a_call_of_unknown_outcome_is_charged_in_full_and_said_to_be_lost() -> None:
    whole = {row["id"]: row for row in rows("out/answers.jsonl")}
    place = next(
        row["path"] for row in rows("out/journal.jsonl")[1:] if row["kind"] == "reserve" and row["path"][0] == "b"
    )
    cut(place, "reserve")
    held = rows("out/journal.jsonl")[-1]
    assert headgate("resume", "out", "-q").exit_code == 0
    lost = next(row for row in rows("out/journal.jsonl")[1:] if row["payload"].get("stop") == "lost")
    assert (lost["parent"], lost["cost"]) == (held["id"], held["cost"])
    again = {row["id"]: row for row in rows("out/answers.jsonl")}
    assert again["b"]["cost"]["output"] == whole["b"]["cost"]["output"] + held["cost"]["output"]


def test_what_was_spent_before_counts_against_the_budget_of_all() -> None:
    spent = sum(row["cost"]["tokens"] for row in rows("out/answers.jsonl"))
    headgate("run", "r.yaml", "-i", "p.jsonl", "-o", "tight", "-q", "-p", "1", "--budget-total", f"tokens={spent}")
    Path("out").rename("loose")
    Path("tight").rename("out")
    cut("b", "problem_start")
    assert headgate("resume", "out", "-q").exit_code in (0, 3)
    costs = [row["cost"] for row in rows("out/journal.jsonl")[1:] if row["kind"] == "settle"]
    assert sum(cost.get("input", 0) + cost.get("output", 0) for cost in costs) <= spent


def test_a_changed_recipe_is_refused_by_what_changed_unless_accepted() -> None:
    cut("b", "problem_start")
    recipe = Path("out/recipe.yaml")
    recipe.write_text(recipe.read_text(encoding="utf-8").replace("threshold: 7", "threshold: 3"), encoding="utf-8")
    said = errors(headgate("resume", "out", "-q"))
    assert "out/recipe.yaml: was changed: " in said
    assert "threshold: 7" in said
    assert "--accept-changed-recipe" in said
    assert headgate("resume", "out", "-q", "--accept-changed-recipe").exit_code == 0
    assert {row["id"] for row in rows("out/answers.jsonl")} == {"a", "b"}
    assert headgate("resume", "out").stderr == "nothing is left to do in out\n"


def test_those_that_ended_badly_are_solved_again_when_asked() -> None:
    silent = json.dumps({"form": "replies", "replies": []})
    good = Path("draft.json").read_text(encoding="utf-8"), Path("target.json").read_text(encoding="utf-8")
    for name in ("draft", "target"):
        Path(f"{name}.json").write_text(silent, encoding="utf-8")
    assert headgate("run", "r.yaml", "-i", "p.jsonl", "-o", "mute", "-q").exit_code == 1
    for name, text in zip(("draft", "target"), good, strict=True):
        Path(f"{name}.json").write_text(text, encoding="utf-8")
    assert headgate("resume", "mute", "-q").exit_code == 1
    assert headgate("resume", "mute", "-q", "--again", "abstained").exit_code == 0
    assert [row["status"] for row in rows("mute/answers.jsonl")] == ["answered", "answered"]


def test_a_question_alone_can_be_kept_and_resumed() -> None:
    first = headgate("run", "r.yaml", SUM, "-o", "one", "-q")
    assert (first.exit_code, first.stdout) == (0, "5\n")
    assert headgate("resume", "one").stderr == "nothing is left to do in one\n"


def test_a_redacted_run_keeps_no_text_and_resumes_by_whole_problems() -> None:
    words = ("-o", "secret", "-q", "--redact", "--events", "e.jsonl")
    assert headgate("run", "r.yaml", "-i", "p.jsonl", *words).exit_code == 0
    for file in ("secret/journal.jsonl", "e.jsonl"):
        kept = Path(file).read_text(encoding="utf-8")
        assert '"kind":"step"' in kept.replace(" ", "")
        assert "Two plus three" not in kept
        assert SUM not in kept
    whole = Path("secret/answers.jsonl").read_text(encoding="utf-8")
    assert headgate("resume", "secret").stderr == "nothing is left to do in secret\n"
    Path("secret/answers.jsonl").write_text(whole.splitlines(keepends=True)[0], encoding="utf-8")
    assert headgate("resume", "secret", "-q").exit_code == 0
    assert sorted(row["answer"] for row in rows("secret/answers.jsonl")) == ["5", "8"]


def test_a_run_keeps_the_trace_context_that_it_was_started_in(monkeypatch: pytest.MonkeyPatch) -> None:
    header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    monkeypatch.setenv("TRACEPARENT", header)
    assert headgate("run", "r.yaml", SUM, "-o", "traced", "-q").exit_code == 0
    assert read(Path("traced/journal.jsonl")).header.traceparent == header


def test_two_writers_are_refused() -> None:
    cut("b", "problem_start")
    script = "import fcntl, time; file = open('out/journal.jsonl'); fcntl.flock(file, fcntl.LOCK_EX); print('held')"
    command = [sys.executable, "-uc", f"{script}; time.sleep(60)"]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    holder.stdout.readline()
    try:
        assert "out/journal.jsonl" in errors(headgate("resume", "out", "-q"))
        (row,) = json.loads(f"[{headgate('runs', '.', '--json').stdout.strip()}]")
        assert row["status"] == "running"
    finally:
        holder.kill()
        holder.communicate()


def test_runs_are_listed_with_status_cost_and_what_is_left() -> None:
    headgate("run", "r.yaml", "-i", "p.jsonl", "-o", "other", "-q", "--budget-total", "tokens=9000")
    cut("b", "problem_start")
    listed = {row["name"]: row for row in map(json.loads, headgate("runs", ".", "--json").stdout.splitlines())}
    assert (listed["out"]["status"], listed["out"]["ended"], listed["out"]["problems"]) == ("stopped", 1, 2)
    assert (listed["other"]["status"], listed["other"]["ended"]) == ("done", 2)
    assert listed["other"]["cost"]["tokens"] == sum(row["cost"]["tokens"] for row in rows("other/answers.jsonl"))
    assert "tokens" in listed["other"]["left"]
    shown = headgate("runs", ".").stdout
    assert "stopped" in shown
    assert "1/2" in shown


def test_a_damaged_run_is_listed_as_such_and_not_resumed() -> None:
    journal = Path("out/journal.jsonl")
    data = bytearray(journal.read_bytes())
    data[len(data) // 2] ^= 1
    journal.write_bytes(bytes(data))
    assert "out/journal.jsonl:" in errors(headgate("resume", "out", "-q"))
    assert json.loads(headgate("runs", ".", "--json").stdout)["status"] == "damaged"


def test_a_trace_tells_from_the_journal_alone_what_happened() -> None:
    for name in ("answers.jsonl", "problems.jsonl"):
        Path(f"out/{name}").unlink()
    told = headgate("trace", "out").stdout
    assert "2+3=5." in told
    assert "4+4=8." in told
    only = headgate("trace", "out", "--problem", "b").stdout
    assert "4+4=8." in only
    assert "2+3=5." not in only
    assert "did you mean" in errors(headgate("trace", "out", "--problem", "bb"))
    kinds = [json.loads(line)["kind"] for line in headgate("trace", "out", "--json").stdout.splitlines()]
    assert (kinds[0], kinds[-1]) == ("run_start", "run_end")


def test_an_interrupt_keeps_what_is_finished_and_says_how_to_go_on() -> None:
    endless = {"form": "table", "table": {"*": {" so": 1.0}}}
    Path("endless.json").write_text(json.dumps(endless), encoding="utf-8")
    problems = [{"question": f"{SUM} {n}", "id": f"q{n}"} for n in range(3000)]
    Path("many.jsonl").write_text("".join(json.dumps(row) + "\n" for row in problems), encoding="utf-8")
    words = ["run", "direct", "-i", "many.jsonl", "-o", "live", "-p", "1", "-m", "target=scripted:endless.json"]
    running = spawn(*words)
    waited = time.monotonic() + 60
    while not (Path("live/answers.jsonl").exists() and Path("live/answers.jsonl").read_text()):
        assert time.monotonic() < waited
        assert running.poll() is None
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert "Traceback" not in said
    assert "go on with: headgate resume live" in said
    assert 1 <= len(rows("live/answers.jsonl")) < 3000


def test_a_trace_follows_a_live_run_from_elsewhere() -> None:
    endless = {"form": "table", "table": {"*": {" so": 1.0}}}
    Path("endless.json").write_text(json.dumps(endless), encoding="utf-8")
    running = spawn("run", "direct", SUM, "-o", "live", "-q", "-m", "target=scripted:endless.json")
    waited = time.monotonic() + 60
    while not Path("live/journal.jsonl").exists():
        assert time.monotonic() < waited
        time.sleep(0.02)
    following = spawn("trace", "live", "--follow", "--json")
    told, _ = following.communicate(timeout=120)
    running.communicate(timeout=60)
    kinds = [json.loads(line)["kind"] for line in told.splitlines()]
    assert (kinds[0], kinds[-1]) == ("run_start", "run_end")
    assert "settle" in kinds


def spawn(*words: str) -> "subprocess.Popen[str]":
    """The command as a terminal starts it: a shell that runs tests in the background has interrupts ignored."""
    command = [sys.executable, "-m", "headgate.orchestrator.cli", *words]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL), **pipes)


def test_an_agent_with_a_folder_may_be_closed_and_asked_again_and_another_goes_on() -> None:
    nodes = {"solve": {"use": "direct", "roles": {"model": "target"}}}
    agent = Agent({"version": 1, "models": {"target": "scripted:target.json"}, "nodes": nodes}, folder="sdk")
    for question in (SUM, DOUBLE):
        agent.solve(question)
        agent.close()
    spent = agent.ledger.spent
    other = Agent(agent.recipe, folder="sdk")
    assert other.solve(SUM).text == "5"
    assert other.ledger.spent == spent  # it was answered before, and costs nothing again
    assert [row["kind"] for row in rows("sdk/journal.jsonl")[1:]].count("run_start") == 2
    other.close()


@pytest.mark.parametrize("left", ["recipe", "an empty journal", "half a first line"])
def test_a_folder_whose_run_was_killed_before_it_began_is_free(left: str) -> None:
    Path("young").mkdir()
    Path("young/recipe.yaml").write_text(Path("out/recipe.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    if left != "recipe":
        header = Path("out/journal.jsonl").read_bytes().splitlines()[0]
        Path("young/journal.jsonl").write_bytes(header[:50] if left == "half a first line" else b"")
    assert "young: holds no run" in errors(headgate("resume", "young"))
    assert headgate("run", "r.yaml", "-i", "p.jsonl", "-o", "young", "-q").exit_code == 0
    assert len(rows("young/answers.jsonl")) == 2


def test_a_recipe_of_ones_own_is_never_written_over() -> None:
    Path("mine").mkdir()
    Path("mine/recipe.yaml").write_text(Path("r.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    assert "mine: holds a run already, `recipe.yaml`" in errors(headgate("run", "r.yaml", SUM, "-o", "mine"))
