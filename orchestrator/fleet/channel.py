"""One end of a worker's socket: messages in order, gathered for one turn of the event loop and sent together.

`multiprocessing.connection` frames them and proves by HMAC that both ends hold the run's key; then they are pickles,
plain on the wire. A thread reads, so that an end notices at once when the other is gone.
"""

import asyncio
import os
import pickle
import socket
import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, Final

from ...budget.events import Event
from .messages import Message

_SILENCE: Final = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 30_000}


class Channel:
    """Sends from any thread; `heard` and `lost` are called in the thread that reads, the latter once, at the end."""

    def __init__(
        self, connection: "Connection[Any, Any]", heard: Callable[[Sequence[Message]], None], lost: Callable[[], None]
    ) -> None:
        self._connection, self._heard, self._lost = connection, heard, lost
        self._socket = lively(connection)
        self._outbox: list[Message] = []
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread = 0
        self._waits = False  # for the end of the loop's turn
        self.messages = 0  # so far, both ways
        self._reader = threading.Thread(target=self._read, name="headgate channel", daemon=True)

    def open(self) -> None:
        """Begin to read, and send from the running loop."""
        self.bind()
        self._reader.start()

    def bind(self) -> None:
        """Send from the running loop from now on."""
        self._loop, self._loop_thread = asyncio.get_running_loop(), threading.get_ident()
        self.flush()

    def send(self, message: Message) -> None:
        """Queue a message; never blocks where another thread than the loop's sends."""
        with self._lock:
            self._outbox.append(message)
            if self._waits or not self._loop:
                return
            self._waits = True
        if threading.get_ident() == self._loop_thread:
            self._loop.call_soon(self.flush)
        else:
            with suppress(RuntimeError):  # a loop that was closed: the next one sends it
                self._loop.call_soon_threadsafe(self.flush)

    def flush(self) -> None:
        """Send what has queued; the loop's thread alone may. What a dead end never reads, nobody misses."""
        with self._lock:
            batch, self._outbox, self._waits = self._outbox, [], False
        if not batch:
            return
        self.messages += len(batch)
        try:
            data = _packed(batch)
        except Exception:
            traceback.print_exc()
            self.close()
            return
        with suppress(OSError):
            self._connection.send_bytes(data)

    def close(self) -> None:
        """End both directions; what the other end sent before is still heard."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _read(self) -> None:
        try:
            while True:
                batch: list[Message] = pickle.loads(self._connection.recv_bytes())
                self.messages += len(batch)
                self._heard(batch)
        except (EOFError, OSError):
            pass
        except Exception:  # what cannot be read ends the channel as surely
            traceback.print_exc()
        finally:
            self._lost()
            self._connection.close()
            self._socket.close()


def lively(connection: "Connection[Any, Any]") -> socket.socket:
    """The connection's socket, set to send at once and to notice within half a minute when a machine is gone."""
    wire = socket.socket(fileno=os.dup(connection.fileno()))
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for name, value in _SILENCE.items():
        if hasattr(socket, name):
            wire.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return wire


def _packed(batch: list[Message]) -> bytes:
    try:
        return pickle.dumps(batch, pickle.HIGHEST_PROTOCOL)
    except Exception:  # some payload holds what cannot be copied
        return pickle.dumps([_plain(message) for message in batch], pickle.HIGHEST_PROTOCOL)


def _plain(message: Message) -> Message:
    """The same with words for what cannot be copied in an event's payload, as a journal has them."""
    if not isinstance(message, Event):
        return message
    return message._replace(payload={name: _copied(value) for name, value in message.payload.items()})


def _copied(value: object) -> object:
    try:
        pickle.dumps(value)
    except Exception:
        return str(value)
    return value
