"""What a person sees of a run while it goes on: every step in its author's colour, or a bar for a batch.

`write` only appends to a queue; a thread of its own folds the events into a view and draws it, at most ten times a
second and never more than a fiftieth of the time. A terminal that is slow or stopped therefore holds up nothing, and
an error here is noted once and ends the display, never the run.
"""

import atexit
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Final, Protocol, Self, TextIO

from rich.text import Text

from ...budget.cost import Limits
from ...budget.events import Event
from .ink import harmless, marks
from .line import Line
from .progress import Progress
from .region import Aside, Region
from .transcript import Transcript

TICK_S: Final = 0.1
SHARE: Final = 50  # of the time between two drawings, one part in so many may go into drawing


class View(Protocol):
    """What events add up to, as lines."""

    def take(self, event: Event) -> None:
        """Fold one event in."""
        ...

    def finished(self, width: int) -> list[Line]:
        """Lines that became final since the last call; they scroll away."""
        ...

    def live(self, width: int, height: int) -> list[Line]:
        """Lines that still change."""
        ...

    def plain(self) -> list[str]:
        """As `finished`, for a file or a pipe: a line a step, no colours."""
        ...


class Console:
    """A sink that shows events; a context manager, or `start` and `stop`.

    file: standard error unless told otherwise. quiet: shows nothing. total: how many problems there are; more than
    one are shown as a bar. limits: of the whole display, to show what is left. terminal: whether the file is one,
    where it cannot be asked. again: the events are told from a journal, long after they happened.
    """

    def __init__(
        self,
        file: TextIO | None = None,
        *,
        quiet: bool = False,
        total: int = 1,
        limits: Limits | None = None,
        terminal: bool | None = None,
        again: bool = False,
    ) -> None:
        self.file = file or sys.stderr
        self.error: Exception | None = None
        is_terminal = _is_terminal(self.file) if terminal is None else terminal
        self.streaming = is_terminal and not quiet and total == 1
        signs = marks(self.file.encoding or "utf-8")
        self._view: View = Progress(total, limits, signs) if total > 1 else Transcript(limits, signs, again=again)
        self._region = Region(self.file) if is_terminal else None
        self._asides: dict[str, Aside] = {}
        self._queue: deque[Event | str] = deque()
        self._quiet, self._stopping = quiet, threading.Event()
        self._thread: threading.Thread | None = None

    def write(self, event: Event) -> None:
        """Take one event; shown at the next tick."""
        if not self._quiet:
            self._queue.append(event)

    async def flush(self) -> None:
        """Nothing here is durable, so nobody waits for it."""

    def start(self) -> None:
        """Begin to draw."""
        if self._thread is None and not self._quiet:
            self._stopping.clear()
            if self._region and self.file is sys.stderr:
                self._redirect()
            atexit.register(self.stop)
            self._thread = threading.Thread(target=self._run, name="headgate-console", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Show what is left and give the terminal back."""
        thread, self._thread = self._thread, None
        if thread is not None:
            atexit.unregister(self.stop)
            self._restore()
            self._stopping.set()
            thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _redirect(self) -> None:
        """What others print on this terminal must not break the live lines."""
        for name in ("stdout", "stderr"):
            stream: TextIO | None = getattr(sys, name)
            if stream is not None and stream.isatty():
                self._asides[name] = Aside(stream, self._queue.append)
                setattr(sys, name, self._asides[name])

    def _restore(self) -> None:
        for name, aside in self._asides.items():
            aside.close()
            if getattr(sys, name) is aside:
                setattr(sys, name, aside.file)

    def _run(self) -> None:
        try:
            rest = TICK_S
            while not self._stopping.wait(rest):
                began = time.thread_time()
                self._tick()
                rest = min(1.0, max(TICK_S, SHARE * (time.thread_time() - began)))
            self._tick()
            if self._region:
                self._region.close()
        except Exception as error:
            self._give_up(error)

    def _tick(self) -> None:
        said: list[Line] = []
        while self._queue:
            item = self._queue.popleft()
            if isinstance(item, Event):
                self._view.take(item)
            else:
                said.append(Line(harmless(Text.from_ansi(item).plain)))
        if self._region is None:
            self._print(self._view.plain())
            return
        width, height = self._region.size()
        self._region.draw(said + self._view.finished(width), self._view.live(width, height))

    def _print(self, lines: Sequence[str]) -> None:
        if lines:
            encoding = self.file.encoding or "utf-8"
            text = "".join(f"{line}\n" for line in lines)
            self.file.write(text.encode(encoding, "backslashreplace").decode(encoding))
            self.file.flush()

    def _give_up(self, error: Exception) -> None:
        self.error, self._quiet = error, True
        self._restore()
        said = [f"the console stopped, the run goes on: {type(error).__name__}: {harmless(error)}"]
        said += [item for item in self._queue if isinstance(item, str)]
        self._queue.clear()
        with suppress(OSError, ValueError):  # the file itself may be gone: nobody is left to tell
            if self._region:
                self._region.close()
            self._print(said)


def _is_terminal(file: TextIO) -> bool:
    return file.isatty() and os.environ.get("TERM", "") not in ("dumb", "")
