"""Several servers of one model: which one takes a call, and which ones are left alone for a while.

A chain of calls stays with the server that has its beginning in its cache, unless that one has clearly more to do than
another. A server that failed rests. While none is left, or all ask for patience, a call waits before it leaves.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final
from weakref import WeakKeyDictionary

from openai import AsyncOpenAI

from ..base import Context
from ..errors import BackendError, EngineFailed, RateLimited, TimedOut, Unreachable
from .errors import BrokenOff, Whose

_REMEMBERED: Final = 65_536  # contexts
_LONGEST_REST_S: Final = 60.0
_ASKED_EVERY_S: Final = 0.5
_SLACK: Final = 8  # calls more than the idlest that the server with the cache may have before a chain leaves it


class Server:
    """One address: what it does now, and how it has done lately; `connect` makes a client for an event loop."""

    def __init__(self, whose: Whose, connect: Callable[[], AsyncOpenAI]) -> None:
        self.whose, self._connect = whose, connect
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncOpenAI] = WeakKeyDictionary()
        self.busy = self.failures = 0
        self.rests_until = self.asks_until = 0.0  # since it failed; since it asked for patience
        self.down = False  # nobody listened, or it died under a call: it must answer before it is given another

    @property
    def client(self) -> AsyncOpenAI:
        """The client of the running event loop: connections belong to the loop that opened them."""
        loop = asyncio.get_running_loop()
        if (client := self._clients.get(loop)) is None:
            client = self._clients[loop] = self._connect()
        return client

    @property
    def awake(self) -> bool:
        """Whether it may be given a call."""
        return not self.down and max(self.rests_until, self.asks_until) <= time.monotonic()

    async def close(self) -> None:
        """Let go of the running loop's connections."""
        if client := self._clients.pop(asyncio.get_running_loop(), None):
            await client.close()


class Fleet:
    """Servers of one model; `answers` asks one whether it is there."""

    def __init__(
        self,
        servers: Iterable[Server],
        answers: Callable[[Server], Awaitable[bool]],
        *,
        rest_s: float,
        patience_s: float,
    ) -> None:
        self.servers = tuple(servers)
        self._answers, self._rest_s, self._patience_s = answers, rest_s, patience_s
        self._homes: OrderedDict[int, Server] = OrderedDict()
        self._watch: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def lease(self, context: Context) -> AsyncGenerator[Server, None]:
        """A server for one call. Raises: Unreachable when none came back in time."""
        if all(server.down for server in self.servers):
            await self._wait()
        server = self._choose(prefixes(context))
        server.busy += 1
        try:
            await asyncio.sleep(min(max(0.0, server.asks_until - time.monotonic()), self._patience_s))
            yield server
            server.failures = 0
        except BackendError as error:
            self._failed(server, error)
            raise
        finally:
            server.busy -= 1

    async def close(self) -> None:
        """Let go of every connection."""
        if self._watch:
            self._watch.cancel()
        await asyncio.gather(*(server.close() for server in self.servers))

    def _choose(self, chain: Sequence[int]) -> Server:
        """The one that knows the longest beginning of a chain, if it is not much busier than the idlest."""
        up = [server for server in self.servers if not server.down] or self.servers
        awake = [server for server in up if server.awake] or [
            min(up, key=lambda server: max(server.rests_until, server.asks_until))
        ]
        turn = chain[0] % len(awake)  # spreads chains over equals
        idlest = min(awake[turn:] + awake[:turn], key=lambda server: server.busy)
        home = next((self._homes[prefix] for prefix in reversed(chain) if prefix in self._homes), idlest)
        if home not in awake or home.busy > idlest.busy + _SLACK:
            home = idlest
        self._homes[chain[-1]] = home
        self._homes.move_to_end(chain[-1])
        if len(self._homes) > _REMEMBERED:
            self._homes.popitem(last=False)
        return home

    async def _wait(self) -> None:
        until = time.monotonic() + self._patience_s
        while all(server.down for server in self.servers):
            if time.monotonic() >= until:
                names = ", ".join(server.whose.url for server in self.servers)
                hint = "start it; `engine.patience_s` says how long a call waits"
                gone = Unreachable(f"nothing answers at {names} for {self._patience_s:g} s", hint=hint)
                gone.retryable = False  # it has been waited for
                raise gone
            self._look()
            await asyncio.sleep(min(_ASKED_EVERY_S, self._patience_s) / 4)

    def _look(self) -> None:
        """One watch serves all calls that wait."""
        loop = asyncio.get_running_loop()
        if self._watch is None or self._watch.done() or self._watch.get_loop() is not loop:
            self._watch = loop.create_task(self._ask())

    async def _ask(self) -> None:
        while down := [server for server in self.servers if server.down]:
            for server in down:
                server.down = not await self._answers(server)
            await asyncio.sleep(_ASKED_EVERY_S)

    def _failed(self, server: Server, error: BackendError) -> None:
        """Let it rest; where others are left, they take over at once."""
        now = time.monotonic()
        if isinstance(error, Unreachable | EngineFailed | TimedOut):
            server.failures += 1
            rest_s = min(self._rest_s * 2 ** min(server.failures - 1, 16), _LONGEST_REST_S)
            server.rests_until = max(server.rests_until, now + rest_s)
        elif isinstance(error, RateLimited):
            wait_s = self._rest_s if error.retry_after_s is None else error.retry_after_s
            server.asks_until = max(server.asks_until, now + wait_s)
            if any(other.awake for other in self.servers if other is not server):
                error.retry_after_s = 0.0
        if isinstance(error, Unreachable | BrokenOff):
            server.down = True
            self._look()


def prefixes(context: Context) -> list[int]:
    """A number for each beginning of a context, the shortest first."""
    found = [0]
    for piece in context.pieces:
        found.append(hash((found[-1], piece.role, piece.part, piece.text)))
    return found[1:] or found
