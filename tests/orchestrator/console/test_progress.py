import io

from headgate.budget.cost import Cost, Limits
from headgate.orchestrator.console.console import Console
from headgate.orchestrator.console.ink import MARKS
from headgate.orchestrator.console.progress import Progress

from .log import Log


def batch(log: Log) -> None:
    for i, (status, correct) in enumerate([("answered", True), ("answered", False), ("exhausted", False)]):
        log.tell("problem_start", f"p{i}", question="?")
        reserved = log.tell("reserve", f"p{i}", role="draft", purpose="think")
        log.tell("settle", f"p{i}", reserved, Cost(input=30, output=12, nanodollars=7_800))
        log.tell("problem_end", f"p{i}", status=status, answer="", correct=correct, reason="120 tokens left")


def test_a_batch_counts_statuses_verdicts_and_cost() -> None:
    now = 10.0
    view = Progress(6, Limits(), MARKS, lambda: now)
    batch(Log(view.take))
    now = 40.0
    shown = "\n".join(line.plain.strip() for line in view.live(80, 24))
    assert "3/6  50%  30 s to go" in shown
    assert "✓ 1 right (33%)   ✗ 2 wrong   2 answered   1 exhausted" in shown
    assert "126 tok · $0.000023 · 30 s" in shown


def test_a_batch_in_a_pipe_names_what_went_wrong_and_ends_with_the_counts() -> None:
    file = io.StringIO()
    with Console(file, total=3) as console:
        batch(Log(console.write))
    lines = file.getvalue().splitlines()
    assert lines[0] == "  ▲ p2: exhausted: 120 tokens left"
    assert lines[-1].startswith("3/3 100%: ✓ 1 right (33%)   ✗ 2 wrong   2 answered   1 exhausted; 126 tok")


def drawn(view: Progress, width: int = 80, height: int = 24) -> list[str]:
    return [line.plain for line in view.live(width, height)]


def test_a_problem_that_ended_is_one_line_with_its_verdict_answer_steps_and_cost() -> None:
    view = Progress(6, Limits(), MARKS, lambda: 0.0)
    log = Log(view.take)
    log.tell("problem_start", "p7", question="?")
    reserved = log.tell("reserve", "p7/solve", role="draft", purpose="think")
    log.tell("settle", "p7/solve", reserved, Cost(input=30, output=12, nanodollars=7_800))
    log.tell("step", "p7/solve/step-0", author="draft", kept=False)
    log.tell("step", "p7/solve/step-0", author="target", kept=True)
    log.tell("problem_end", "p7", status="answered", answer="66\n", correct=True, seconds=0.5)
    (line,) = view.finished(100)
    assert line.plain.split() == [
        "✓",
        "p7",
        "66",
        "1",
        "step,",
        "1",
        "rejected",
        "42",
        "tok",
        "$0.0000078",
        "0.50",
        "s",
    ]
    assert line.cell_len == 100
    assert view.finished(100) == []


def test_a_problem_without_an_answer_says_why_on_its_line() -> None:
    view = Progress(3, Limits(), MARKS, lambda: 0.0)
    batch(Log(view.take))
    said = [line.plain for line in view.finished(80)]
    assert [line.split()[:2] for line in said] == [["✓", "p0"], ["✗", "p1"], ["✗", "p2"]]
    assert "exhausted: 120 tokens left" in said[2]


def test_a_problem_at_work_keeps_its_line_while_others_end() -> None:
    view = Progress(9, Limits(), MARKS, lambda: 0.0)
    log = Log(view.take)
    for name in ("p1", "p2", "p3"):
        log.tell("problem_start", name, question="?")
        log.tell("reserve", f"{name}/solve", role="draft", purpose="think")
    before = drawn(view)
    log.tell("problem_end", "p1", status="answered", answer="1")
    assert [line.split()[:1] for line in drawn(view)[1:4]] == [[], ["p2"], ["p3"]]
    log.tell("problem_start", "p4", question="?")
    assert [line.split()[0] for line in drawn(view)[1:4]] == ["p4", "p2", "p3"]
    assert [line.split()[1:3] for line in before[1:4]] == [["draft", "writes"]] * 3


def test_a_batch_tells_which_models_write_and_how_many_steps_were_rejected() -> None:
    view = Progress(9, Limits(), MARKS, lambda: 0.0)
    log = Log(view.take)
    for name in ("p1", "p2"):
        log.tell("problem_start", name, question="?")
        log.tell("reserve", f"{name}/solve", role="draft", purpose="think")
    log.tell("step", "p1/solve/step-0", author="draft", kept=False)
    assert "  2 running: draft writes \u00d72" in drawn(view)
    assert drawn(view)[-1].endswith("0 steps, 1 rejected")


def test_the_live_lines_leave_at_least_half_the_screen() -> None:
    view = Progress(99, Limits(tokens=1000), MARKS, lambda: 0.0)
    log = Log(view.take)
    for n in range(40):
        log.tell("problem_start", f"p{n}", question="?")
    assert {height: len(view.live(80, height)) for height in (4, 12, 24, 60)} == {4: 3, 12: 6, 24: 13, 60: 15}


def test_what_ended_before_a_resume_is_counted_in_one_line() -> None:
    view = Progress(6, Limits(), MARKS, lambda: 0.0)
    log = Log(view.take)
    log.tell("run_start", "")
    batch(log)
    log.tell("run_start", "")
    assert [line.plain for line in view.finished(80)] == ["  · 3 problems ended before"]


def test_of_more_lines_than_anybody_reads_the_last_are_shown() -> None:
    view = Progress(1000, Limits(), MARKS, lambda: 0.0)
    log = Log(view.take)
    for n in range(500):
        log.tell("problem_end", f"p{n}", status="answered", answer="1")
    said = view.finished(80)
    assert said[0].plain == "    300 more ended"
    assert len(said) == 201


def test_no_line_of_a_batch_is_wider_than_the_terminal() -> None:
    view = Progress(9, Limits(tokens=1000), MARKS, lambda: 0.0)
    log = Log(view.take)
    for n in range(5):
        log.tell("problem_start", f"a name of many letters {n}" * 5, question="?")
    batch(log)
    log.tell("problem_end", "漢字" * 20, status="failed", reason="漢字 " * 99)
    for width in (20, 40, 71, 80, 119):
        assert max(line.cell_len for line in view.live(width, 40)) <= width
    for width in (20, 40, 71, 80, 119):
        log.tell("problem_end", "漢字" * 20, status="failed", reason="漢字 " * 99)
        assert max(line.cell_len for line in view.finished(width)) <= width
