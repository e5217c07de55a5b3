"""Verifiers that foreign packages bring, in one process of their own: what hangs there is ended, and counts as wrong.

They read what a model wrote with parsers that can take for ever (`9^9^9^9`), import for seconds, and print. The
process is started at the first question and goes on until this one ends; a line of JSON each way.
"""

import atexit
import json
import resource
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any, Final, TextIO

ANSWER_S: Final = 10.0  # for one answer
LOAD_S: Final = 120.0  # for the import of a package


class Apart:
    """The process; any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._loaded: set[str] = set()

    def ask(self, judge: str, answer: str, told: Mapping[str, object], *, timeout_s: float = ANSWER_S) -> bool:
        """Whether a judge, a module here with `load()` and `right(answer, told)`, takes an answer for right.

        What it cannot read, or not in time, is wrong.
        """
        with self._lock:
            if judge not in self._loaded and self._exchange({"judge": judge}, LOAD_S) is not None:
                self._loaded.add(judge)
            return self._exchange({"judge": judge, "answer": answer, "told": told}, timeout_s) is True

    def close(self) -> None:
        """End the process; another question starts one again."""
        with self._lock:
            self._end()

    def _exchange(self, line: Mapping[str, object], timeout_s: float) -> object:
        """What the process says; None, and it has ended, where it says nothing in time."""
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        timer = threading.Timer(timeout_s, process.kill)
        timer.start()
        try:
            process.stdin.write(json.dumps(line) + "\n")
            process.stdin.flush()
            said = process.stdout.readline()
        except OSError:
            said = ""
        finally:
            timer.cancel()
        if not said:
            self._end()
            return None
        return json.loads(said)

    def _running(self) -> "subprocess.Popen[str]":
        if self._process is None:
            code = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import main; main()"
            pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
            pipes |= {"text": True, "encoding": "utf-8", "process_group": 0}  # out of a terminal's interrupts
            self._process = subprocess.Popen([sys.executable, "-c", code], **pipes)
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        self._loaded.clear()
        if process:
            process.kill()
            with suppress(OSError):
                process.communicate()


def ask(judge: str, answer: str, told: Mapping[str, object]) -> bool:
    """As `Apart.ask`, of the one process that this one has."""
    return _APART.ask(judge, answer, told)


def close() -> None:
    """End that process."""
    _APART.close()


def main() -> None:
    """What runs in the process: answer every line until there are no more."""
    out, sys.stdout = sys.stdout, sys.stderr  # what a package prints is no answer
    for line in sys.stdin:
        _limit()
        _reply(out, line)


def _limit() -> None:
    """Let the system end this process, should it hang when nobody is left to do so."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = resource.getrlimit(resource.RLIMIT_CPU)[1]
    with suppress(ValueError):  # more than a lower limit that was set from outside
        resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime + LOAD_S), most))


def _reply(out: TextIO, line: str) -> None:
    told: Mapping[str, Any] = json.loads(line)
    verdict = False
    with suppress(Exception):  # what a package cannot read is wrong
        module = import_module(f".{told['judge']}", __package__)
        verdict = bool(module.right(told["answer"], told["told"]) if "answer" in told else module.load())
    out.write(json.dumps(verdict) + "\n")
    out.flush()


_APART: Final = Apart()
atexit.register(close)
