"""The command itself in a real terminal, which tmux is."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..conftest import SUM, furnish

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="there is no tmux")
PATIENCE_S = 60.0


class Pane:
    """A terminal of 80 x 24 cells with a shell in it."""

    def __init__(self, folder: Path) -> None:
        self.socket = str(folder / "tmux")
        self.tmux("-f", os.devnull, "new-session", "-d", "-x", "80", "-y", "24", "-c", str(folder), "sh")

    def tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", self.socket, *words], capture_output=True, text=True, check=True, timeout=30
        )
        return done.stdout

    def headgate(self, *words: str) -> None:
        command = shlex.join([sys.executable, "-m", "headgate", *words])
        self.tmux(
            "send-keys",
            f"env -u COLUMNS -u LINES PYTHONPATH={shlex.quote(os.environ.get('PYTHONPATH', ''))} {command}",
            "Enter",
        )

    def keys(self, *keys: str) -> None:
        self.tmux("send-keys", *keys)

    def shows(self, *words: str) -> str:
        """The screen, once all these words stand on it."""
        until, screen = time.monotonic() + PATIENCE_S, ""
        while time.monotonic() < until:
            screen = self.tmux("capture-pane", "-p")
            if all(word in screen for word in words):
                return screen
            time.sleep(0.1)
        raise AssertionError(f"{words} never came:\n{screen}")


@pytest.fixture
def pane(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pane]:
    monkeypatch.chdir(tmp_path)
    furnish()
    pane = Pane(tmp_path)
    yield pane
    pane.tmux("kill-server")


def test_a_run_is_watched_walked_through_and_left_in_a_real_terminal(pane: Pane) -> None:
    pane.headgate("run", "r.yaml", "--input", "p.jsonl", "--out", "x", "--watch")
    pane.shows("2 problems", "ended", "q quit")
    pane.keys("Enter")
    pane.shows("▾ solve  spec_reason")
    pane.keys("b")
    pane.shows("the whole run", "together")
    pane.keys("q")
    pane.shows("kept in x")  # the summary comes when the view is left
    pane.headgate("trace", "x", "--problem", "a")
    pane.shows("▾ a  ✓ right = 5")
    pane.tmux("resize-window", "-x", "130", "-y", "30")
    pane.shows("│ problem a")  # the text moves beside the tree
    pane.keys("q")


def test_a_view_that_is_left_early_leaves_the_run_at_work(pane: Pane, tmp_path: Path) -> None:
    many = [json.dumps({"question": SUM, "answer": "5", "id": f"n{number}"}) + "\n" for number in range(3000)]
    (tmp_path / "many.jsonl").write_text("".join(many))
    pane.headgate("run", "r.yaml", "--input", "many.jsonl", "--parallel", "1", "--out", "y", "--watch")
    pane.shows("y r  live")
    pane.keys("q")
    pane.shows("the view is closed, the run goes on", "trace y --follow")
    pane.keys("C-c")
    pane.shows("interrupted; go on with: headgate resume y")
