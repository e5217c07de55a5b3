"""Writes a run's journal: whoever tells an event queues its line; one thread writes and syncs all that waits.

Group commit: while one sync is under way, others queue, and the next one serves them all, however many event loops and
threads they wait in. Lines are encoded and closed where they are told: another thread would have to wait for the same
interpreter, and would read everything from another core's cache. With nobody waiting the thread lingers, and a chain of
quick nodes costs one wake in ten milliseconds. After a failed write or sync nothing more is written: what the kernel
still has of the file cannot be known.

An interrupt may come anywhere while a line is told. What must happen together there, a checksum and its line, a mark
and what it stands for, is written side by side with no call between, so that the interpreter looks for none.
"""

import asyncio
import atexit
import os
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Final, Literal, NamedTuple, Self, TypeVar
from zlib import crc32

from ...budget.events import Event
from ...strategies.base import Answer
from ..errors import JournalError
from .answers import pack_end, pack_rest
from .blobs import Blobs, blob_name
from .disk import closed_on_error, refused, sync, sync_folder, write
from .lines import CLOSED, Header, closed, encoded, event_body, header_body
from .lock import lock
from .past import Past, gather
from .reader import Scan
from .redaction import redacted

Level = Literal["off", "group", "strict"]
Item = TypeVar("Item")

LINGER_S: Final = 0.01
INLINE_BYTES: Final = 8192
_AT_EXIT_S: Final = 5.0


class _Waiter(NamedTuple):
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[None]"


class Journal:
    """A sink that keeps every event but tokens in one append-only file, and long results in blobs beside it.

    level: off never syncs, and `flush` waits for the write alone; group syncs before `flush` returns; strict does the
    same, and its run waits for it at every step (see `Trace.strict`). commits: how often it has written.
    """

    streaming = False

    def __init__(self, path: Path, header: Header, level: Level, fd: int, crc: int) -> None:
        self.path, self.header, self.level, self.commits = path, header, level, 0
        self._fd, self._crc = fd, crc
        self._blobs, self._redacted = Blobs(path, durable=level != "off"), header.redacted
        self._lines, self._long, self._waiters = list[bytes](), list[bytes](), list[_Waiter]()
        self._awake, self._closed = True, False
        self._wake, self._urgent = SimpleQueue[None](), threading.Event()
        self._failure: BaseException | None = None
        # a daemon, so that a program that forgets to close still ends
        self._thread = threading.Thread(target=self._work, name="headgate journal", daemon=True)
        self._thread.start()
        _open.add(self)
        atexit.register(self._at_exit)

    @classmethod
    def create(cls, path: Path, header: Header, level: Level = "group") -> Self:
        """Begin a journal. Raises: JournalError when there is one, or it cannot be written."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise refused(error, path, "begin again, or choose another folder") from error
        with closed_on_error(fd):
            lock(fd, path)
            if os.fstat(fd).st_size:
                hint = f"go on with it by `headgate resume {path.parent}`, or choose another folder"
                raise JournalError("holds a run already", file=path, hint=hint)
            return cls(path, header, level, fd, _begin(fd, path, header, level))

    @classmethod
    def reopen(cls, path: Path, level: Level = "group") -> tuple[Self, Past]:
        """Go on with a journal after its last whole line; a torn one is cut off. Raises: JournalError."""
        try:
            fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        except OSError as error:
            raise JournalError(f"cannot be continued: {error.strerror}", file=path, hint="choose a journal") from error
        with closed_on_error(fd):
            lock(fd, path)
            scan = Scan(path)
            past = gather(scan)
            try:
                _mend(fd, path, scan)
            except OSError as error:
                raise refused(error, path, f"go on with: headgate resume {path.parent}") from error
            return cls(path, scan.header, level, fd, scan.crc), past

    def write(self, event: Event) -> None:
        """Queue an event's line. Raises: JournalError when an earlier write failed."""
        if event.kind == "token":
            return
        if self._failure or self._closed:
            raise self._refusal()
        payload = redacted(event.payload) if self._redacted else event.payload
        body = (self._with_result(event, payload) if "result" in payload else event_body(event, payload))[:-1]
        crc = crc32(body, self._crc)
        line = CLOSED % (body, crc)
        self._crc = crc
        self._lines.append(line)
        if not self._awake:
            self._awake = True
            self._wake.put(None)

    async def flush(self) -> None:
        """Return once everything written before is as durable as the level makes it. Raises: JournalError."""
        if self._failure or self._closed:
            raise self._refusal()
        if not self._awake and not self._lines:
            return  # the thread sleeps only when all it ever got is committed
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._waiters.append(_Waiter(loop, future))
        self._hurry()
        await future

    def close(self) -> None:
        """Commit what has queued, and free the file. Raises: JournalError when anything could not be written."""
        self._end(None)
        if self._failure:
            raise self._refusal()

    def _end(self, timeout_s: float | None) -> None:
        if self._closed:
            return
        self._closed = True
        atexit.unregister(self._at_exit)
        _open.discard(self)
        self._hurry()
        self._thread.join(timeout_s)
        if not self._thread.is_alive():
            os.close(self._fd)

    def _at_exit(self) -> None:
        self._end(_AT_EXIT_S)

    def _hurry(self) -> None:
        if not self._urgent.is_set():
            self._urgent.set()
        if not self._awake:
            self._awake = True
            self._wake.put(None)

    def _work(self) -> None:
        """The thread: sleep while there is nothing, linger while nobody waits, commit all that has queued."""
        while True:
            if not (self._lines or self._waiters):
                self._awake = False
                if not (self._lines or self._waiters):  # again, for what came before `_awake` fell
                    if self._closed:
                        return
                    self._wake.get()
                self._awake = True
            self._urgent.wait(LINGER_S)
            self._urgent.clear()
            # in this order: who waits has told its lines before, and a line comes after its blob
            waiters, lines, long = _taken(self._waiters), _taken(self._lines), _taken(self._long)
            if lines and self._failure is None:
                self._commit(lines, long)
            self._tell(waiters)

    def _commit(self, lines: list[bytes], long: list[bytes]) -> None:
        try:
            for blob in long:
                self._blobs.put(blob)
            self._blobs.sync()  # a line never names a blob that a crash could lose
            write(self._fd, b"".join(lines))
            if self.level != "off":
                sync(self._fd)
        except BaseException as error:  # whatever it is, those who wait must hear of it
            self._failure = error
        self.commits += 1

    def _with_result(self, event: Event, payload: Mapping[str, object]) -> bytes:
        """The object of an event that carries an answer; one that is too long goes into a blob."""
        beside = dict(payload)
        result = beside.pop("result")
        if not isinstance(result, Answer):
            return event_body(event, payload)
        # what a node spent stands in the settles at and below its path
        more = pack_rest(result, bill=event.kind == "problem_end")
        rest = encoded(more) if more else b"{}"
        if len(rest) + len(result.text) + len(result.reason) > INLINE_BYTES:
            self._long.append(whole := _joined(pack_end(result), rest))
            return event_body(event, beside, encoded({"blob": blob_name(whole), "bytes": len(whole)}))
        # what the event says beside it is not said again
        said = beside.get("text", beside.get("answer")), beside.get("status"), beside.get("reason")
        if said != (result.text, result.status, result.reason):
            rest = _joined(pack_end(result), rest)
        return event_body(event, beside, rest)

    def _tell(self, waiters: Iterable[_Waiter]) -> None:
        """Wake those who wait, one call into each event loop."""
        loops: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
        for waiter in waiters:
            loops.setdefault(waiter.loop, []).append(waiter.future)
        for loop, futures in loops.items():
            with suppress(RuntimeError):  # a loop that was closed meanwhile
                loop.call_soon_threadsafe(_settle, futures, self._refusal if self._failure else None)

    def _refusal(self) -> JournalError:
        if self._failure is None:
            return JournalError("is closed", file=self.path, hint="write while its run is open")
        error = refused(self._failure, self.path, f"go on with: headgate resume {self.path.parent}")
        error.__cause__ = self._failure
        return error

    def forsake(self) -> None:
        """In a forked child: the journal, its lock and its thread are the parent's."""
        os.close(self._fd)
        self._closed = True
        atexit.unregister(self._at_exit)


def _begin(fd: int, path: Path, header: Header, level: Level) -> int:
    """Write the first line, durable with the file's name, and return its CRC."""
    line, crc = closed(header_body(header), 0)
    try:
        write(fd, line)
        if level != "off":
            os.fsync(fd)
            sync_folder(path.parent)
    except OSError as error:
        raise refused(error, path, "begin again, or choose another folder") from error
    return crc


def _mend(fd: int, path: Path, scan: Scan) -> None:
    """Cut off the line and the blobs that a writer had not finished when it died, and make the rest durable."""
    if scan.torn:
        os.ftruncate(fd, scan.good)
    os.fsync(fd)
    Blobs(path).clear_drafts()


def _taken(queue: list[Item]) -> list[Item]:
    """All that stands in a queue, which others go on to fill."""
    items = queue[:]
    del queue[: len(items)]
    return items


def _joined(end: Mapping[str, object], rest: bytes) -> bytes:
    """One object of two."""
    return b"%b%b%b" % (encoded(end)[:-1], b"," if len(rest) > len(b"{}") else b"", rest[1:])


def _settle(futures: Iterable["asyncio.Future[None]"], refusal: Callable[[], JournalError] | None) -> None:
    for future in futures:
        if future.done():  # cancelled meanwhile
            continue
        if refusal:
            future.set_exception(refusal())
        else:
            future.set_result(None)


_open: "weakref.WeakSet[Journal]" = weakref.WeakSet()


def _forked() -> None:
    for journal in list(_open):
        journal.forsake()
    _open.clear()


os.register_at_fork(after_in_child=_forked)
