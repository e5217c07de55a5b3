"""`headgate run --watch`: the viewer on a live run, in a process of its own: the run never waits for a screen."""

import signal
import subprocess
import sys
import threading
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from ..run_folder import RunFolder
from .terminal import complain

_POLL_S: Final = 0.05
_GRACE_S: Final = 3.0  # for the viewer to give the terminal back


class Watch:
    """Opens the viewer once the run's journal has begun; leaving it early leaves the run at work.

    A context: it ends when the viewer was left, or at once where the run was interrupted.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self._over, self._failed = threading.Event(), False
        self._viewer: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._look, name="headgate-watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._failed = error is not None
        self._over.set()
        if self._failed and self._viewer:
            self._end(self._viewer)
        self._thread.join()

    def _look(self) -> None:
        while not self.folder.began:
            if self._over.wait(_POLL_S) and not self.folder.began:
                return
        if self._failed:
            return
        command = [sys.executable, "-m", __name__.partition(".")[0], "trace", str(self.folder.path), "--follow"]
        self._viewer = subprocess.Popen(command)
        left = self._viewer.wait()
        if not self._over.is_set():
            how = "the view is closed" if left == 0 else "the viewer ended"
            print(f"{how}, the run goes on; see it again: {' '.join(command[3:])}", file=sys.stderr)  # noqa: T201

    def _end(self, viewer: "subprocess.Popen[bytes]") -> None:
        """Ask it to give the terminal back; what does not is killed."""
        with suppress(ProcessLookupError):
            viewer.send_signal(signal.SIGINT)
        try:
            viewer.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            viewer.kill()
            complain("the viewer did not end; `reset` mends the terminal")
