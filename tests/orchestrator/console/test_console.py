import asyncio
import fcntl
import io
import os
import pty
import re
import struct
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest

from headgate.budget.cost import Cost, Limits
from headgate.budget.events import Event
from headgate.orchestrator.console.console import Console
from headgate.orchestrator.console.ink import MARKS
from headgate.orchestrator.console.transcript import Transcript

from .log import Log

DRAFT, TARGET = (
    Cost(input=30, output=12, calls=1, nanodollars=7_800),
    Cost(input=30, output=11, nanodollars=74_000),
)

JUDGE = Cost(input=40, output=1, calls=1, nanodollars=44_000)


def tell(log: Log, right: str = "17 + 5 = 22.", wrong: str = "3 * 22 = 56.") -> None:
    """A problem with a step that stands, one that is rewritten, and an answer."""
    solve = "p1/solve"
    log.tell("problem_start", "p1", question="How many apples has Mia?")
    log.tell("node_start", solve, strategy="spec_reason")
    call(log, "draft", "think", DRAFT, right)
    call(log, "target", "judge", JUDGE)
    step(log, 0, "draft", right, DRAFT, score=8.5, reason="8.50 of 9")
    call(log, "draft", "think", DRAFT, wrong)
    call(log, "target", "judge", JUDGE)
    step(log, 1, "draft", wrong, DRAFT, kept=False, score=1.25, reason="1.25 of 9, below 7")
    call(log, "target", "think", TARGET, "3 * 22 = 66.")
    step(log, 1, "target", "3 * 22 = 66.", TARGET)
    call(log, "target", "answer", Cost(output=3), r"\boxed{66}")
    log.tell("answer", solve, status="answered", text="66")
    log.tell("problem_end", "p1", status="answered", answer="66", correct=True)


def call(log: Log, role: str, purpose: str, cost: Cost, text: str = "") -> None:
    reserved = log.tell("reserve", "p1/solve", role=role, purpose=purpose)
    if text:
        log.tell("token", f"p1/solve/step-0/{role}", role=role, purpose=purpose, text=text)
    log.tell("settle", "p1/solve", reserved, cost, role=role, purpose=purpose, text=text)


def step(log: Log, index: int, author: str, text: str, cost: Cost, *, kept: bool = True, **more: object) -> None:
    told = {
        "index": index,
        "author": author,
        "text": text + "\n\n",
        "kept": kept,
        "tokens": cost.output,
        **more,
    }
    log.tell("step", f"p1/solve/step-{index}", None, cost, **told)


def plain(play: Callable[[Log], None]) -> str:
    file = io.StringIO()
    with Console(file) as console:
        play(Log(console.write))
    assert console.error is None
    return file.getvalue()


class Terminal:
    """A real pseudo-terminal, whose far end collects what is written; `writes` counts the chunks."""

    def __init__(self, columns: int = 80, rows: int = 24) -> None:
        self._far, near = pty.openpty()
        self.file = os.fdopen(near, "w", encoding="utf-8")
        self.resize(columns, rows)
        self._heard: list[bytes] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._far, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    @property
    def heard(self) -> str:
        return b"".join(self._heard).decode("utf-8")

    def waits_for(self, what: str, after: int = 0) -> bool:
        """Whether a text is heard within some seconds, beyond what was heard before."""
        for _ in range(400):
            if what in words(self.heard[after:]):
                return True
            time.sleep(0.02)
        return False

    def close(self) -> str:
        self.file.close()
        self._reader.join(5)
        os.close(self._far)
        return self.heard

    def _read(self) -> None:
        try:
            while chunk := os.read(self._far, 65536):
                self._heard.append(chunk)
        except OSError:
            return  # the near end was closed


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    yield Terminal()


def words(written: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", written).replace("\r", "")


# -- a file or a pipe --------------------------------------------------------------------------------------------


def test_a_pipe_gets_one_plain_line_a_step() -> None:
    assert plain(tell).splitlines()[:6] == [
        "How many apples has Mia?",
        "",
        "── solve ── spec_reason",
        "1 draft: 17 + 5 = 22. (score 8.50, 12 tok, $0.0000078)",
        "2 draft: rejected: 3 * 22 = 56. (1.25 of 9, below 7, 12 tok, $0.0000078)",
        "2 target: rewrite: 3 * 22 = 66. (11 tok, $0.000074)",
    ]


def test_the_end_says_the_answer_the_verdict_and_what_was_spent() -> None:
    last = plain(tell).splitlines()[-1]
    # 12 + 12 written by the draft, 11 + 1 + 1 + 3 by the target, 3 * 30 + 2 * 40 read
    assert last.startswith("= 66  ✓ right  210 tok · $0.00018 · ")


def test_a_pipe_sees_no_colour_codes_even_where_colour_is_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" not in plain(tell)


def test_a_step_of_many_lines_is_one_line_in_a_pipe() -> None:
    assert "1 draft: a / b (" in plain(lambda log: step(log, 0, "draft", "a\n\nb", DRAFT))


def test_a_pipe_that_cannot_spell_a_text_gets_it_escaped() -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii")
    with Console(file) as console:
        step(Log(console.write), 0, "draft", "π ≈ 3", DRAFT)
    assert console.error is None
    assert b"1 draft: \\u03c0 \\u2248 3 (" in raw.getvalue()


def test_quiet_shows_nothing() -> None:
    file = io.StringIO()
    with Console(file, quiet=True) as console:
        tell(Log(console.write))
    assert file.getvalue() == ""
    assert not console.streaming


# -- text from models --------------------------------------------------------------------------------------------


def test_control_characters_of_a_model_never_reach_a_terminal(terminal: Terminal) -> None:
    with Console(terminal.file) as console:
        tell(Log(console.write), right="\x1b]0;owned\x07\x1b[2J")
    assert r"\x1b]0;owned\x07\x1b[2J" in words(terminal.close())
    assert "\x1b]" not in terminal.heard
    assert "\x1b[2J" not in terminal.heard


def test_markup_is_shown_as_it_was_written(terminal: Terminal) -> None:
    with Console(terminal.file) as console:
        tell(Log(console.write), right="[bold]17[/bold] :smile: [/]")
    assert "[bold]17[/bold] :smile: [/]" in words(terminal.close())


# -- a terminal --------------------------------------------------------------------------------------------------


def test_a_rejected_step_is_struck_through_with_its_reason_beside_the_rewrite(terminal: Terminal) -> None:
    with Console(terminal.file) as console:
        tell(Log(console.write))
    written = terminal.close()
    assert re.search(r"\x1b\[[0-9;]*\b9\b[0-9;]*m3 \* 22 = 56\.", written)
    assert re.search(r"✗ 1\.25 .*\n.*rejected: 1\.25 of 9, below 7\n.*target  3 \* 22 = 66\. +rewrite", words(written))


def test_no_color_leaves_no_colours(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    with Console(terminal.file) as console:
        tell(Log(console.write))
    assert not re.search(r"\x1b\[[0-9;]*(38|48|3[0-7]|9[0-7])[;m]", terminal.close())


def test_a_terminal_streams_and_a_batch_does_not(terminal: Terminal) -> None:
    assert Console(terminal.file).streaming
    assert not Console(terminal.file, total=2).streaming
    assert not Console(io.StringIO()).streaming


def test_a_step_is_seen_while_it_is_written(terminal: Terminal) -> None:
    with Console(terminal.file) as console:
        log = Log(console.write)
        log.tell("reserve", "p1", role="draft", purpose="think")
        log.tell("token", "p1/step-0/draft", role="draft", text="Mia has ")
        assert terminal.waits_for("  1 │ draft   Mia has▌")
        assert "draft writes" in words(terminal.heard)


def test_drawings_are_at_least_a_tenth_of_a_second_apart(terminal: Terminal) -> None:
    with Console(terminal.file) as console:
        log, began = Log(console.write), time.monotonic()
        while time.monotonic() - began < 1.0:
            log.tell("token", "p1/step-0/draft", role="draft", text="x ")
            time.sleep(0.001)
    assert 2 <= terminal.close().count("\x1b[?2026h") <= 12


def test_a_line_is_written_over_and_never_cleared_before(terminal: Terminal) -> None:
    with Console(terminal.file) as console:
        log = Log(console.write)
        for word in ("Mia ", "has ", "5"):
            log.tell("token", "p1/step-0/draft", role="draft", text=word)
            time.sleep(0.25)
        drawn = terminal.heard.split("\x1b[?2026h")[1:]
    assert len(drawn) >= 3
    assert all(chunk.index("\x1b[J") > chunk.index("draft") for chunk in drawn)


def test_nothing_is_written_where_nothing_changed(terminal: Terminal) -> None:
    with Console(terminal.file):
        time.sleep(0.5)
    assert terminal.close().count("\x1b[?2026h") <= 1


def test_a_terminal_that_became_narrow_is_cleared_by_the_rows_that_it_wrapped_to(terminal: Terminal) -> None:
    terminal.resize(100, 24)
    with Console(terminal.file) as console:
        log = Log(console.write)
        log.tell("token", "p1/step-0/draft", role="draft", text="x")
        assert terminal.waits_for("x▌")
        time.sleep(0.3)  # whatever was being drawn is drawn
        terminal.resize(40, 24)
        seen = len(terminal.heard)
        log.tell("token", "p1/step-0/draft", role="draft", text="y")
        assert terminal.waits_for("xy▌", after=seen)
        time.sleep(0.3)
        # 99 cells of the step and 99 of the status are three rows each, the empty line between is one
        assert "\r\x1b[6A" in terminal.heard[seen:]
        assert terminal.heard.endswith("\x1b[J\x1b[?2026l")
        lines = re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal.heard[seen:]))
        assert max(map(len, lines)) < 40


def test_the_cursor_is_given_back(terminal: Terminal) -> None:
    with pytest.raises(KeyboardInterrupt), Console(terminal.file) as console:
        tell(Log(console.write))
        raise KeyboardInterrupt
    assert terminal.close().endswith("\x1b[?25h")


def test_what_others_write_to_standard_error_stands_above_the_live_lines(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", terminal.file)
    with Console() as console:
        Log(console.write).tell("reserve", "p1", role="draft", purpose="think")
        time.sleep(0.2)
        print("a warning of a library", file=sys.stderr)
    assert sys.stderr is terminal.file
    assert "a warning of a library\n" in words(terminal.close())


def test_what_others_print_survives_a_console_that_fails(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal.file)
    with Console() as console:
        console.write(Event(id=1, parent=None, path="", kind="reserve", t=0.0, payload={"role": Unspeakable()}))
        print("a warning of a library", file=sys.stderr)
        time.sleep(0.3)
        assert sys.stderr is terminal.file
    written = words(terminal.close())
    assert "the console stopped, the run goes on: TypeError" in written
    assert "a warning of a library\n" in written


class Unspeakable:
    def __str__(self) -> str:
        raise TypeError("no words")


def test_what_is_left_of_the_budget_is_shown(terminal: Terminal) -> None:
    with Console(terminal.file, limits=Limits(tokens=1000, dollars=Decimal("0.05"))) as console:
        tell(Log(console.write))
    assert "790 tok · $0.050 left" in words(terminal.close())


# -- who is at work ------------------------------------------------------------------------------------------------


def live(play: Callable[[Log], object], width: int = 80, height: int = 24) -> list[str]:
    view = Transcript(Limits(), MARKS)
    play(Log(view.take))
    return [line.plain for line in view.live(width, height)]


def test_models_at_work_are_named_with_how_many_calls_each_has_out() -> None:
    def play(log: Log) -> None:
        log.tell("reserve", "p1", role="target", purpose="judge")
        for _ in range(3):
            log.tell("reserve", "p1", role="draft", purpose="think")

    assert live(play)[-1].startswith("  draft writes \u00d73, target judges  ")


def test_a_call_that_waits_for_the_budget_is_told_until_it_is_served() -> None:
    def waiting(log: Log) -> None:
        log.tell("wait", "p1/solve", asked=64, unit="tokens")
        log.tell("wait", "p1/solve", asked=64, unit="tokens")
        log.tell("reserve", "p1/solve", role="draft", purpose="think")

    def served(log: Log) -> None:
        waiting(log)
        log.tell("refuse", "p1/solve", role="draft", purpose="think", unit="tokens", asked=64, left=2)

    assert "draft writes, ▲ 1 waiting for the budget" in live(waiting)[-1]
    assert "waiting" not in live(served)[-1]


def test_a_tool_is_told_while_it_runs() -> None:
    assert "  calculator runs" in live(lambda log: log.tell("tool_start", "p1/solve", tool="calculator"))[-1]


def test_the_status_counts_steps_that_stood_and_that_were_rejected() -> None:
    assert "2 steps, 1 rejected · 210 tok · " in live(tell)[-1]


def test_a_narrow_status_leaves_out_all_but_the_bill() -> None:
    assert live(tell, width=40)[-1].split(" · ")[0].strip() == "210 tok"


def test_texts_that_are_written_at_once_have_a_line_each_with_their_place() -> None:
    def play(log: Log) -> None:
        for sample in range(3):
            path = f"p1/vote/sample-{sample}"
            log.tell("token", f"{path}/step-0/target", role="target", text=f"First.\n\nThen {sample}\n")

    rows = live(play)
    assert [row.split("target")[1].split() for row in rows[:3]] == [
        ["Then", f"{sample}▌", f"sample-{sample}", "1", "tok"] for sample in range(3)
    ]


def test_texts_beyond_the_screen_are_counted() -> None:
    def play(log: Log) -> None:
        for sample in range(40):
            log.tell("token", f"p1/vote/sample-{sample}/answer/target", role="target", text="42")

    rows = live(play, height=12)
    assert "sample-7 " in rows[7]
    assert rows[8] == "      and 32 more"


def test_an_answer_is_placed_where_it_was_written() -> None:
    def play(log: Log) -> None:
        for sample in range(2):
            told = {"role": "target", "purpose": "answer", "text": f"4{sample}"}
            log.tell("settle", f"p1/vote/sample-{sample}", None, Cost(output=3), **told)

    assert plain(play).splitlines() == [
        "── vote/sample-0",
        "target: 40 (3 tok)",
        "── vote/sample-1",
        "target: 41 (3 tok)",
    ]


def test_a_step_without_words_says_so() -> None:
    assert "1 draft: (empty) (12 tok" in plain(lambda log: step(log, 0, "draft", "", DRAFT))
    assert "(ends its thinking)" in plain(lambda log: step(log, 0, "draft", "", DRAFT, stop="think_end"))


def test_a_second_problem_is_counted_anew() -> None:
    def twice(log: Log) -> None:
        tell(log)
        tell(log)

    assert plain(twice).splitlines()[-1].startswith("= 66  ✓ right  210 tok")


@pytest.mark.parametrize("width", [20, 40, 55, 56, 80, 96, 119])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    view = Transcript(Limits(tokens=1000, seconds=9), MARKS)
    tell(Log(view.take), wrong="a long word: " + "9" * 300 + " 漢字" * 40)
    lines = view.finished(width) + view.live(width, 24)
    assert max(line.cell_len for line in lines) <= width


def test_the_live_lines_never_outgrow_the_screen() -> None:
    view = Transcript(Limits(tokens=1000), MARKS)
    log = Log(view.take)
    for sample in range(40):
        log.tell("token", f"p1/sample-{sample}/step-0/draft", role="draft", text="word " * 200)
    for height in (2, 5, 24):
        assert len(view.live(80, height)) < height


# -- failures and cost -------------------------------------------------------------------------------------------


class Broken(io.StringIO):
    def flush(self) -> None:
        raise OSError("no space left")


def test_a_console_that_fails_never_fails_the_run() -> None:
    with Console(Broken()) as console:
        log = Log(console.write)
        tell(log)
        time.sleep(0.3)
        tell(log)
    assert isinstance(console.error, OSError)


def test_an_event_without_its_payload_is_shown_as_far_as_it_goes() -> None:
    kinds = [
        "problem_start",
        "step",
        "settle",
        "token",
        "retry",
        "refuse",
        "overrun",
        "note",
        "tool_end",
        "answer",
    ]
    events = [Event(id=i, parent=None, path="", kind=kind, t=0.0) for i, kind in enumerate(kinds)]  # type: ignore[arg-type]
    for total in (1, 5):
        with Console(io.StringIO(), total=total) as console:
            for event in events:
                console.write(event)
        assert console.error is None


def test_nobody_waits_for_a_flush() -> None:
    asyncio.run(Console(io.StringIO()).flush())


def test_a_hundred_thousand_events_are_taken_in_a_second_and_shown_in_ten(terminal: Terminal) -> None:
    with Console(terminal.file) as console:
        event = Event(id=1, parent=None, path="p1/step-0/draft", kind="token", t=0.0, payload={"text": "x "})
        began = time.thread_time()
        for _ in range(100_000):
            console.write(event)
        taken, began = time.thread_time() - began, time.monotonic()
    assert taken < 1
    assert time.monotonic() - began < 10
    assert console.error is None
