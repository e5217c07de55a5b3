"""The live lines in a real terminal multiplexer, which reflows what it shows when it is resized."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not shutil.which("tmux"), reason="there is no tmux here")

SLOWLY = """
import sys, time
from headgate.budget.cost import Limits
from headgate.budget.events import Trace
from headgate.orchestrator.console.console import Console

with Console(limits=Limits(tokens=1000)) as console:
    trace = Trace(console)
    for n in range(3):
        path = f"p1/solve/step-{n}"
        trace.emit("reserve", "p1/solve", role="draft", purpose="think")
        for word in range(24):
            trace.emit("token", f"{path}/draft", role="draft", text=f"word{n}-{word} ")
            time.sleep(0.05)
        trace.emit("step", path, index=n, author="draft", kept=True, text=f"step {n} stood", tokens=24)
print("over", flush=True)
time.sleep(60)
"""


class Pane:
    """A tmux server of its own, with one pane."""

    def __init__(self, socket: str, columns: int, rows: int, command: list[str]) -> None:
        self._tmux = ["tmux", "-f", os.devnull, "-L", socket]
        size = ["-x", str(columns), "-y", str(rows)]
        path = os.pathsep.join(filter(None, [*sys.path, ""]))
        self.run("new-session", "-d", *size, "-e", f"PYTHONPATH={path}", *command)

    def run(self, *command: str) -> str:
        return subprocess.run([*self._tmux, *command], capture_output=True, text=True, check=True, timeout=20).stdout

    def resize(self, columns: int, rows: int) -> None:
        self.run("resize-window", "-x", str(columns), "-y", str(rows))

    def shown(self) -> str:
        """The screen; where it narrows tmux itself moves rows off it, and nobody can take those back."""
        return self.run("capture-pane", "-p")

    def told(self) -> str:
        """The screen and what scrolled off it."""
        return self.run("capture-pane", "-p", "-S", "-")

    def wait(self, until: Callable[[str], bool]) -> str:
        ends = time.monotonic() + 30
        while not until(shown := self.shown()):
            assert time.monotonic() < ends, shown
            time.sleep(0.05)
        return shown


@pytest.fixture
def pane(tmp_path: Path) -> Iterator[Pane]:
    script = tmp_path / "slowly.py"
    script.write_text(SLOWLY, encoding="utf-8")
    made = Pane(f"headgate-{os.getpid()}", 100, 24, [sys.executable, str(script)])
    yield made
    made.run("kill-server")


def test_live_lines_leave_nothing_behind_when_a_terminal_is_resized(pane: Pane) -> None:
    pane.wait(lambda shown: "word0-6" in shown)
    for columns, rows in ((48, 24), (90, 12), (60, 30)):
        pane.resize(columns, rows)
        time.sleep(0.4)
        shown = pane.shown()
        assert shown.count("budget") == shown.count("draft writes") == 1, shown
    shown = pane.wait(lambda shown: "over" in shown)
    assert "budget" not in shown
    assert "word" not in shown
    stood = [line.split()[2:5] for line in pane.told().splitlines() if "stood" in line]
    assert stood == [["draft", "step", str(n)] for n in range(3)]
