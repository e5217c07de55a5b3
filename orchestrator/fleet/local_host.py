"""Workers as processes of this machine: fresh interpreters, never forks, since the threads of torch survive none.

Not by `multiprocessing`, which runs the caller's script anew in every child: a script that uses an agent at its top
level would start workers without end.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from .messages import Call

_THREADS: Final = "OMP_NUM_THREADS"


class LocalHost:
    """This machine; its cores are divided among the workers, unless the user has said how many threads to use."""

    address = "127.0.0.1"

    def __init__(self, workers: int) -> None:
        self._environment = {_THREADS: str(max(1, cores() // max(1, workers))), **os.environ}

    def start(self, call: Call, over: Callable[[], None]) -> "LocalProcess":
        """A new interpreter that finds modules where this one does."""
        # an interrupt is the owner's to answer, also while the worker is still importing
        deaf = "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN)"
        code = f"{deaf}; sys.path[:] = {sys.path!r}; from {__package__}.worker import main; main()"
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=2,  # what a model's library prints is no answer
            env=self._environment,
            process_group=0,  # out of the terminal's reach: an interrupt is the driver's business
        )
        assert process.stdin is not None
        told = {"host": call.host, "port": call.port, "key": call.key.hex(), "launch": call.launch}
        with suppress(OSError), process.stdin:  # one that has ended already is told by `over`
            process.stdin.write(json.dumps(told).encode())
        return LocalProcess(process, over)

    def close(self) -> None:
        """Nothing is held."""


class LocalProcess:
    """One of them, and a thread that waits for its end."""

    def __init__(self, process: "subprocess.Popen[bytes]", over: Callable[[], None]) -> None:
        self._process, self._over, self._ended = process, over, threading.Event()
        threading.Thread(target=self._wait, name="headgate worker", daemon=True).start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()

    def ended(self, timeout_s: float) -> str:
        """How it ended."""
        if not self._ended.wait(timeout_s):
            self.kill()
            self._ended.wait()
        code = self._process.returncode
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def _wait(self) -> None:
        self._process.wait()
        self._ended.set()
        self._over()


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
