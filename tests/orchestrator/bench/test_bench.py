"""A bench from the command line: what it keeps, what it compares, what it refuses, and that a kill changes nothing."""

import json
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import Result

from headgate.orchestrator.bench.records import Record

from .conftest import furnish, headgate, rows

pytestmark = pytest.mark.usefixtures("folder")
ASK = ("bench", "alone.yaml", "spec.yaml", "--tasks", "p.jsonl")


def done(*words: str, code: int = 0) -> Result:
    result = headgate(*words)
    assert result.exit_code == code, result.output
    return result


def errors(*words: str) -> str:
    """Its one line of complaint."""
    result = done(*words, code=2)
    assert (result.stdout, result.stderr.count("\n")) == ("", 1), result.output
    return result.stderr


def settled(folder: str) -> int:
    """New tokens that all journals of a bench have settled."""
    events = [event for file in Path(folder).glob("cells/*/journal.jsonl") for event in rows(file)[1:]]
    costs = [event["cost"] for event in events if event["kind"] == "settle"]
    return sum(cost.get("input", 0) + cost.get("output", 0) for cost in costs)


def booked(records: list[Record]) -> int:
    """New tokens that records tell of, those that interruptions cost included."""
    spent = sum(t.input + t.generated for record in records for t in record.tokens.values())
    return spent + sum(record.lost for record in records)


def read(folder: str) -> list[Record]:
    text = (Path(folder) / "records.jsonl").read_text(encoding="utf-8")
    return [Record.of_line(line) for line in text.splitlines()]


def lasting(record: Record) -> dict[str, Any]:
    """A record without what depends on the machine, and on what happened to be cached."""
    told = json.loads(record.line())
    for name in ("seconds", "nanodollars", "lost"):
        del told[name]
    for tokens in told["tokens"].values():
        tokens["read"] = tokens.pop("input", 0) + tokens.pop("cached", 0)
    return told


# -- what is kept ---------------------------------------------------------------------------------------------


def test_a_folder_holds_what_was_asked_a_run_for_each_cell_the_records_and_the_report() -> None:
    result = done(*ASK, "--seeds", "2", "--out", "x")
    asked = yaml.safe_load(Path("x/bench.yaml").read_text(encoding="utf-8"))
    assert (asked["n"], asked["seeds"], asked["baseline"], list(asked["recipes"])) == (
        12,
        2,
        "alone",
        ["alone", "spec"],
    )
    assert {cell.name for cell in Path("x/cells").iterdir()} == {"alone-0", "alone-1", "spec-0", "spec-1"}
    assert headgate("trace", "x/cells/spec-1", "-p", "s2-3").exit_code == 0
    assert headgate("resume", "x/cells/spec-1").stderr.startswith("nothing is left to do")
    listed = [json.loads(line) for line in headgate("runs", "x/cells", "--json").stdout.splitlines()]
    assert [row["status"] for row in listed] == ["done"] * 4
    records = read("x")
    assert len(records) == 2 * 2 * 12
    assert booked(records) == settled("x")
    report = Path("x/report.md").read_text(encoding="utf-8")
    for part in ("## Against alone", "| spec | 12 x 2 |", "pass@2", "Frontier", "plots/accuracy.png"):
        assert part in report
    assert "spec: " in result.stdout
    assert {file.suffix for file in Path("x/plots").iterdir()} == {".png", ".svg"}


def test_every_recipe_sees_the_same_problems_in_the_same_order() -> None:
    done(*ASK, "--out", "x", "-q", "-n", "5")
    order = [row["id"] for row in rows("x/problems.jsonl")]
    assert len(order) == 5
    for recipe in ("alone", "spec"):
        assert [one.problem for one in read("x") if one.recipe == recipe] == order
        assert [row["id"] for row in rows(f"x/cells/{recipe}-0/problems.jsonl")] == order


def test_the_second_recipe_gains_nothing_from_what_the_first_left_in_the_cache() -> None:
    done("bench", "alone.yaml", "spec.yaml", "--tasks", "p.jsonl", "--out", "x", "-q", "-p", "1")
    done("bench", "spec.yaml", "alone.yaml", "--tasks", "p.jsonl", "--out", "y", "-q", "-p", "1")
    there, here = ([one.tokens for one in read(folder) if one.recipe == "alone"] for folder in "xy")
    assert here == there


def test_json_prints_the_records_as_they_are_kept() -> None:
    result = done(*ASK, "--out", "x", "--json")
    assert result.stdout == Path("x/records.jsonl").read_text(encoding="utf-8")
    assert "% right" in result.stderr


def test_a_pipe_gets_lines_and_quiet_gets_nothing() -> None:
    shown = done(*ASK, "--out", "x").stderr.splitlines()
    assert shown[-1].startswith("spec seed 0: 12/12, ")
    quiet = done(*ASK, "--out", "y", "-q")
    assert (quiet.stdout, quiet.stderr) == ("", "")


def test_without_references_it_says_so_and_measures_the_cost() -> None:
    lines = [json.dumps({"question": row["question"]}) for row in rows("p.jsonl")]
    Path("q.jsonl").write_text("\n".join(lines), encoding="utf-8")
    shown = done("bench", "alone.yaml", "--tasks", "q.jsonl", "--out", "x").stdout
    assert "unknown" in shown
    assert "No problem has a reference answer" in shown
    assert all(one.correct is None and one.nanodollars for one in read("x"))


def test_of_several_tasks_each_beginning_holds_as_many_of_each() -> None:
    Path("more.jsonl").write_text(Path("p.jsonl").read_text(encoding="utf-8"), encoding="utf-8")
    done("bench", "alone.yaml", "--tasks", "p.jsonl", "--tasks", "more.jsonl", "-n", "3", "--out", "x", "-q")
    assert [one.task for one in read("x")] == ["p", "more"] * 3
    assert len({one.problem for one in read("x")}) == 6
    assert "## By task" in Path("x/report.md").read_text(encoding="utf-8")


def test_a_run_ends_when_its_interval_is_narrow_enough() -> None:
    furnish(42)
    done(*ASK, "--out", "x", "-q", "--until-width", "0.4", "-p", "4")
    ended = [one for one in read("x") if one.recipe == "alone"]
    assert 0 < len(ended) < 42
    assert "each run until its interval is narrower than 0.4" in Path("x/report.md").read_text(encoding="utf-8")
    assert booked(read("x")) <= settled("x")
    before = settled("x")
    done("resume", "x", "-q")
    assert settled("x") == before


def test_workers_give_the_same_answers() -> None:
    done("bench", "alone.yaml", "--tasks", "p.jsonl", "--out", "x", "-q")
    done("bench", "alone.yaml", "--tasks", "p.jsonl", "--out", "y", "-q", "--workers", "1")
    assert [lasting(one) for one in read("y")] == [lasting(one) for one in read("x")]


# -- going on -------------------------------------------------------------------------------------------------


def test_what_is_done_is_not_paid_for_again_and_makes_the_same_report() -> None:
    done(*ASK, "--out", "x", "-q")
    before, kept, report = settled("x"), read("x"), Path("x/report.md").read_text(encoding="utf-8")
    for file in ("x/records.jsonl", "x/report.md"):
        Path(file).unlink()
    done(*ASK, "--out", "x", "-q")
    assert (settled("x"), read("x")) == (before, kept)
    assert Path("x/report.md").read_text(encoding="utf-8") == report
    done("resume", "x", "-q")
    assert settled("x") == before


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["kill", "interrupt"])
def test_stopped_in_the_middle_and_resumed_it_gives_the_same_table_and_pays_nothing_twice(how: signal.Signals) -> None:
    furnish(30)
    text = Path("vote.yaml").read_text(encoding="utf-8").replace("n: 3, wave: 3", "n: 12, wave: 12")
    Path("vote.yaml").write_text(text, encoding="utf-8")
    ask = ("bench", "spec.yaml", "vote.yaml", "alone.yaml", "--tasks", "p.jsonl", "-p", "4")
    done(*ask, "--out", "whole", "-q")
    running = spawn(*ask, "--out", "x")
    waited, journal = time.monotonic() + 60, Path("x/cells/vote-0/journal.jsonl")
    while not (journal.exists() and b"problem_end" in journal.read_bytes()):
        assert time.monotonic() < waited
        assert running.poll() is None
        time.sleep(0.005)
    running.send_signal(how)
    _, said = running.communicate(timeout=60)
    assert running.returncode == (-how if how == signal.SIGKILL else 130), said
    assert "Traceback" not in said
    ended = {file: _ended(file) for file in Path("x").glob("cells/*/journal.jsonl")}
    assert not Path("x/cells/alone-0").exists()
    if how == signal.SIGINT:
        assert f"go on with: headgate resume {shlex.quote('x')}" in said
        assert len(read("x")) >= 30  # what there was is kept
    assert headgate("resume", "x", "-q").exit_code == 0
    assert [lasting(one) for one in read("x")] == [lasting(one) for one in read("whole")]
    assert booked(read("x")) == settled("x")
    for file, counts in ended.items():
        after = _ended(file)
        assert {path: after[path] for path in counts} == counts
    table, again = (_table(Path(folder) / "report.md") for folder in ("whole", "x"))
    assert again == table


def _ended(journal: Path) -> dict[str, int]:
    """Of every problem that ended, by its path: how many calls were made for it."""
    events = [json.loads(line) for line in journal.read_bytes().splitlines(keepends=True)[1:] if line.endswith(b"\n")]
    paths = {event["path"] for event in events if event["kind"] == "problem_end"}
    made = [event["path"].partition("/")[0] for event in events if event["kind"] == "reserve"]
    return {path: made.count(path) for path in paths}


def _table(report: Path) -> list[list[str]]:
    """The rows of its table, but for dollars and seconds, which depend on caches and the machine."""
    lines = report.read_text(encoding="utf-8").partition("## Table")[2].partition("## ")[0].strip().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    machine = {cells[0].index(name) for name in ("$", "s", "$ a pass")}
    return [[cell for index, cell in enumerate(row) if index not in machine] for row in cells]


def spawn(*words: str) -> "subprocess.Popen[str]":
    """The command as a terminal starts it: a shell that runs tests in the background has interrupts ignored."""
    command = [sys.executable, "-m", "headgate.orchestrator.cli", *words]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL), **pipes)


# -- one budget over all --------------------------------------------------------------------------------------


def test_one_budget_holds_over_all_runs_and_a_larger_one_goes_on() -> None:
    done(*ASK, "--out", "whole", "-q", "-p", "1")
    needed = sum(t.input + t.generated for one in read("whole") for t in one.tokens.values())
    limit = needed * 2 // 3
    shown = done(*ASK, "--out", "x", "-p", "1", "--budget-total", f"tokens={limit}", code=3)
    assert "budget is spent" in shown.stdout
    assert settled("x") <= limit
    assert 12 < len(read("x")) < 24
    assert all(one.status != "exhausted" for one in read("x"))
    assert "tokens=" in errors(*ASK, "--out", "x", "--budget-total", "tokens=9M")
    raised = Path("x/bench.yaml").read_text(encoding="utf-8").replace(f"tokens: {limit}", "tokens: 9000000")
    Path("x/bench.yaml").write_text(raised, encoding="utf-8")
    done("resume", "x", "-q")
    assert [lasting(one) for one in read("x")] == [lasting(one) for one in read("whole")]


def test_a_budget_in_dollars_needs_prices() -> None:
    for name in ("alone", "spec"):
        text = Path(f"{name}.yaml").read_text(encoding="utf-8")
        unpriced = text.replace(text[text.index(", price") : text.index("test}") + 5], "")
        Path(f"{name}.yaml").write_text(unpriced, encoding="utf-8")
    assert "has no price" in errors("bench", "alone.yaml", "--tasks", "p.jsonl", "--budget-total", "dollars=1")


# -- wrong input ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["alone.yaml"], "--tasks: there are no problems"),
        (["alone.yaml", "-t", "word_problem"], "did you mean `word_problems`?"),
        (["alone.yaml", "-t", "none.jsonl"], "none.jsonl: cannot be read"),
        (["alone.yaml", "-t", "empty.jsonl"], "empty.jsonl: holds no problems"),
        (["alone.yaml", "-t", "p.jsonl", "-t", "p.jsonl"], "`p.jsonl` is named twice"),
        (["alone.yaml", "-t", "p.jsonl", "-n", "0"], "--n: asks for 0 problems"),
        (["alone.yaml", "-t", "p.jsonl", "--seeds", "0"], "--seeds: asks for 0 seeds"),
        (["alone.yaml", "-t", "p.jsonl", "--until-width", "6"], "--until-width: 6 is no width"),
        (["alone.yaml", "-t", "open.jsonl", "--until-width", "0.1"], "without an answer to compare with"),
        (["alone.yaml", "alone.yaml", "-t", "p.jsonl"], "two recipes are called `alone`"),
        (["alnoe.yaml", "-t", "p.jsonl"], "alnoe.yaml: there is no such file"),
        (["broken.yaml", "-t", "p.jsonl"], "broken.yaml:3"),
        (["alone.yaml", "-t", "p.jsonl", "--baseline", "alon"], "did you mean `alone`?"),
        (["alone.yaml", "-t", "p.jsonl", "-m", "traget=scripted:target.json"], "did you mean `target`?"),
        (["alone.yaml", "-t", "p.jsonl", "-m", "target=scripted:no.json"], "is no scripted model"),
        (["alone.yaml", "-t", "p.jsonl", "--budget-total", "tokens=many"], "'many'"),
        (["alone.yaml", "-t", "p.jsonl", "-o", "p.jsonl"], "is a file, not a folder"),
        (["alone.yaml", "-t", "p.jsonl", "-o", "taken"], "taken: holds something else, `notes.txt`"),
        (["alone.yaml", "-t", "p.jsonl", "-o", "foreign"], "foreign: holds something else, `bench.yaml`"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_nothing_behind(words: list[str], said: str) -> None:
    Path("empty.jsonl").write_text("\n", encoding="utf-8")
    Path("open.jsonl").write_text('{"question": "Why?"}\n', encoding="utf-8")
    Path("broken.yaml").write_text("version: 1\nmodels: {m: scripted:target.json}\nnodes: {a: {use: nothing}}\n")
    for name, file in (("taken", "notes.txt"), ("foreign", "bench.yaml")):
        Path(name).mkdir()
        Path(name, file).write_text("mine", encoding="utf-8")
    before = sorted(Path().iterdir())
    assert said in errors("bench", *words)
    assert sorted(Path().iterdir()) == before
    assert Path("foreign/bench.yaml").read_text(encoding="utf-8") == "mine"


def test_another_question_for_a_bench_that_began_is_refused_by_what_differs() -> None:
    done(*ASK, "--out", "x", "-q", "-n", "2")
    said = errors(*ASK, "--out", "x", "-n", "3", "--seeds", "2")
    assert "x/bench.yaml: was asked otherwise: n 2, not 3; other problems; seeds 1, not 2" in said
    assert "headgate resume x" in said
    other = ("bench", "alone.yaml", "vote.yaml", "--tasks", "p.jsonl", "-n", "2", "--out", "x")
    assert "recipes alone, spec, not alone, vote" in errors(*other)
    assert "another `alone`, `spec`" in errors(*ASK, "--out", "x", "-n", "2", "--budget", "tokens=900")


def test_a_bench_whose_files_were_changed_is_refused() -> None:
    done(*ASK, "--out", "x", "-q", "-n", "2")
    problems = Path("x/problems.jsonl").read_text(encoding="utf-8")
    Path("x/problems.jsonl").write_text(problems.replace("What is", "What was"), encoding="utf-8")
    assert "x/problems.jsonl: are not the problems that were asked" in errors("resume", "x")
    Path("x/problems.jsonl").write_text(problems, encoding="utf-8")
    asked = Path("x/bench.yaml").read_text(encoding="utf-8")
    Path("x/bench.yaml").write_text(asked.replace("use: direct", "use: spec_reason"), encoding="utf-8")
    assert "alone.yaml: `nodes.solve" in errors("resume", "x")
    Path("x/bench.yaml").write_text(asked.replace("threshold: 7.0", "threshold: 3.0"), encoding="utf-8")
    assert "x/cells/spec-0/recipe.yaml: is not the recipe that this run began with" in errors("resume", "x", "-q")
    Path("x/bench.yaml").write_text("tasks: [p.jsonl]\n", encoding="utf-8")
    assert "x/bench.yaml: is no bench: has no 'recipes'" in errors("resume", "x")


def test_only_one_process_works_on_a_bench() -> None:
    done(*ASK, "--out", "x", "-q", "-n", "2")
    script = "import fcntl, time; file = open('x/bench.yaml'); fcntl.flock(file, fcntl.LOCK_EX); print('held')"
    holder = subprocess.Popen([sys.executable, "-uc", f"{script}; time.sleep(60)"], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    holder.stdout.readline()
    try:
        assert "x/bench.yaml: is being written by" in errors("resume", "x", "-q")
    finally:
        holder.kill()
        holder.communicate()


def test_a_bench_that_never_began_may_be_asked_anew() -> None:
    done(*ASK, "--out", "x", "-q", "-n", "2")
    for cell in Path("x/cells").iterdir():
        (cell / "journal.jsonl").unlink()
    for file in Path("x/cells").glob("*/*"):
        file.unlink()
    done(*ASK, "--out", "x", "-q", "-n", "3")
    assert len(read("x")) == 6
