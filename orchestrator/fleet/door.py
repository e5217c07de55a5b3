"""Where workers call: a listening socket, the proof that a caller holds the run's key, an inbox for what they say."""

import asyncio
import queue
import secrets
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, answer_challenge, deliver_challenge
from typing import Any, Final

from .channel import lively
from .messages import Call, Hello

Arrived = Callable[[Hello, "Connection[Any, Any]"], None]
_PATIENCE_S: Final = 20.0  # with a caller that says nothing
_MOST: Final = 64  # batches that wait for the event loop; then readers wait, and so do those who write


class Inbox:
    """What threads hand to the event loop at work, in order; where that loop has ended, it waits for the next."""

    def __init__(self) -> None:
        self._acts: queue.Queue[Callable[[], None]] = queue.Queue(_MOST)
        self._loop: asyncio.AbstractEventLoop | None = None

    def bind(self) -> bool:
        """Act in the running loop from now on; whether that is another than before."""
        loop = asyncio.get_running_loop()
        if loop is self._loop:
            return False
        self._loop = loop
        for _ in range(self._acts.qsize()):
            loop.call_soon(self._act)
        return True

    def post(self, act: Callable[[], None]) -> None:
        """From any thread but the loop's; waits while the loop is behind."""
        self._acts.put(act)
        if loop := self._loop:
            with suppress(RuntimeError):  # it has ended
                loop.call_soon_threadsafe(self._act)

    def _act(self) -> None:
        with suppress(queue.Empty):
            self._acts.get_nowait()()


class Door:
    """Listens at an address of this machine, on a port of its own, with a key that is made for it."""

    def __init__(self, host: str, arrived: Arrived) -> None:
        self._socket = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._host, self._port = host, int(self._socket.getsockname()[1])
        self._key, self._arrived = secrets.token_bytes(32), arrived
        threading.Thread(target=self._listen, name="headgate door", daemon=True).start()

    def call(self, launch: int) -> Call:
        """What a worker needs to find its way here."""
        return Call(self._host, self._port, self._key, launch)

    def close(self) -> None:
        """Let nobody in any more."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread, which `close` would not
        self._socket.close()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                wire, _ = self._socket.accept()
                connection = Connection(wire.detach())
                threading.Thread(target=self._meet, args=(connection,), name="headgate caller", daemon=True).start()

    def _meet(self, connection: "Connection[Any, Any]") -> None:
        """Let a caller in that knows the key; before that, nothing that it says is unpickled."""
        wire = lively(connection)
        patience = threading.Timer(_PATIENCE_S, wire.shutdown, (socket.SHUT_RDWR,))
        patience.daemon = True
        patience.start()
        try:
            deliver_challenge(connection, self._key)
            answer_challenge(connection, self._key)
            hello = connection.recv()
        except (OSError, EOFError, AuthenticationError):
            connection.close()
            return
        finally:
            patience.cancel()
            wire.close()
        self._arrived(hello, connection)
