"""A driver that dies or is interrupted while its workers work: no process stays, and its run goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from headgate.orchestrator.journal import read

from .conftest import Recipe, again, lives, problems, settled, workers


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chain: Recipe) -> Path:
    """A recipe and its problems, in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    Path("r.yaml").write_text(json.dumps(chain), encoding="utf-8")
    rows = [{"question": problem.text, "id": problem.id} for problem in problems(40)]
    Path("p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return tmp_path


def headgate(*words: str) -> "subprocess.Popen[str]":
    """The command as a terminal starts it: with interrupts as they are by default."""
    command = [sys.executable, "-m", "headgate.orchestrator.cli", *words]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def until(what: Callable[[], object], seconds: float = 60) -> None:
    """Wait for something that another process does."""
    ends = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < ends
        time.sleep(0.02)


def lines(file: str) -> int:
    return Path(file).read_text(encoding="utf-8").count("\n") if Path(file).exists() else 0


def at_work(*words: str) -> tuple["subprocess.Popen[str]", list[int]]:
    """A run that has ended its first problems, and its workers."""
    running = headgate("run", "r.yaml", "-i", "p.jsonl", "-o", "out", "-q", "-w", "2", *words)
    until(lambda: lines("out/answers.jsonl") > 2 or running.poll() is not None)
    assert running.poll() is None, running.communicate()
    return running, workers(running.pid)


def test_a_killed_driver_leaves_no_worker_and_resumes_with_another_number_of_them() -> None:
    running, pids = at_work()
    assert len(pids) == 2
    os.kill(running.pid, signal.SIGKILL)
    running.communicate()
    until(lambda: not any(map(lives, pids)), 10)
    assert lines("out/answers.jsonl") < 40
    before = read(Path("out/journal.jsonl")).events
    goes_on = headgate("resume", "out", "-q", "-w", "1")
    _, said = goes_on.communicate(timeout=120)
    assert goes_on.returncode == 1, said  # all abstain: these models never say anything that is an answer
    assert said == ""
    events = read(Path("out/journal.jsonl")).events
    assert [event.as_dict() for event in events[: len(before)]] == [event.as_dict() for event in before]
    assert lines("out/answers.jsonl") == 40
    assert again(events) == set()
    assert len({event.path for event in events if event.kind == "problem_end"}) == 40
    assert sum(event.kind == "reserve" for event in events) == sum(event.kind == "settle" for event in events)
    assert events[-1].kind == "run_end"
    assert events[-1].cost
    assert events[-1].cost.tokens == settled(events).tokens


def test_an_interrupt_ends_the_workers_and_says_how_to_go_on() -> None:
    running, pids = at_work("--durability", "strict")
    for pid in (running.pid, *pids):  # as a terminal would, were they in its foreground
        os.kill(pid, signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert said == "error: interrupted; go on with: headgate resume out\n"
    until(lambda: not any(map(lives, pids)), 10)
    events = read(Path("out/journal.jsonl")).events
    assert sum(event.kind == "reserve" for event in events) == sum(event.kind == "settle" for event in events)
    assert not any(event.payload.get("stop") == "lost" for event in events)
    assert events[-1].kind == "run_end"
    goes_on = headgate("resume", "out", "-q", "-w", "3")
    _, said = goes_on.communicate(timeout=120)
    assert said == ""
    events = read(Path("out/journal.jsonl")).events
    assert again(events) == set()
    assert lines("out/answers.jsonl") == 40
