"""A bound on how much is at work at once, handed out turn by turn among those that share it.

Every run has a line of its own. A slot that comes free goes to the line whose turn it is, so that a run with a thousand
nodes that could start does not keep back a run with one. Granting, giving back and cancelling take constant time.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager


class Slots:
    """So many at work at once, over all the lines that share them. One event loop at a time."""

    def __init__(self, most: int = 64) -> None:
        if most < 1:
            raise ValueError(f"{most} slots let nothing run; write at least 1")
        self.most = most
        self.free = most  # below zero while somebody who was interrupted holds one too many
        self.turns: deque[Line] = deque()

    def line(self, begin: Callable[[], None]) -> "Line":
        """A line of its own for one run; `begin` starts one of those that it announced, with a slot."""
        return Line(self, begin)

    def give(self) -> None:
        """Pass a slot on to the line whose turn it is; where nobody waits it is free."""
        if self.free < 0:
            self.free += 1
            return
        while self.turns:
            line = self.turns.popleft()
            line.queued = False
            if line.grant():
                line.queue()
                return
        self.free += 1


class Line:
    """One run's place in the turns: what it could start, and what waits to go on."""

    __slots__ = ("_back", "_begin", "_open", "_ready", "_slots", "held", "queued")

    def __init__(self, slots: Slots, begin: Callable[[], None]) -> None:
        self._slots, self._begin = slots, begin
        self._ready, self._back = 0, deque[asyncio.Future[None]]()
        self.held, self.queued, self._open = 0, False, True

    @property
    def most(self) -> int:
        """How many slots there are, for all lines together."""
        return self._slots.most

    def announce(self, more: int) -> None:
        """So many more could start: at once, as far as slots are free, else when it is their turn."""
        self._ready += more if self._open else 0
        slots = self._slots
        while self._ready and slots.free > 0:
            slots.free -= 1
            self._ready -= 1
            self.held += 1
            self._begin()
        self.queue()

    def go_on(self, more: int) -> bool:
        """So many more could start. Whether who asks may use its slot for one of them; if not, it is given away."""
        self._ready += more if self._open else 0
        slots = self._slots
        others = len(slots.turns) > self.queued or self._back or slots.free < 0
        stays = self._ready > 0 and not others
        self._ready -= stays
        if self._ready:
            self.announce(0)
        if not stays:
            self.give()
        return stays

    async def take(self) -> None:
        """A slot, when it is this line's turn."""
        if self._slots.free > 0:
            self._slots.free -= 1
            self.held += 1
            return
        granted = asyncio.get_running_loop().create_future()
        self._back.append(granted)
        self.queue()
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self.give()
            raise

    def force(self) -> None:
        """A slot at once, one too many if none is free: for who must end what it had begun."""
        self._slots.free -= 1
        self.held += 1

    def give(self) -> None:
        """Give a slot back."""
        self.held -= 1
        self._slots.give()

    def withdraw(self) -> None:
        """Start nothing more, neither of what was announced nor of what will be."""
        self._ready, self._open = 0, False

    def close(self) -> None:
        """Withdraw, and give back what those held who never came to their first step."""
        self.withdraw()
        while self.held:
            self.give()

    def grant(self) -> bool:
        """Take a slot for who waits to go on, else for the next that was announced; False when nobody is left."""
        while self._back:
            granted = self._back.popleft()
            if not granted.done():
                self.held += 1
                granted.set_result(None)
                return True
        if not self._ready:
            return False
        self._ready -= 1
        self.held += 1
        self._begin()
        return True

    def queue(self) -> None:
        """Stand in the turns while anybody waits here."""
        if not self.queued and (self._ready or self._back):
            self.queued = True
            self._slots.turns.append(self)


class Seat:
    """The slot of one node at work; it is given up while the node only waits for nodes below itself."""

    __slots__ = ("_waits", "line")

    def __init__(self, line: Line) -> None:
        self.line, self._waits = line, 0

    @asynccontextmanager
    async def away(self) -> AsyncGenerator[None]:
        """Give up the slot for as long as this lasts; several at once count as one."""
        self._waits += 1
        if self._waits == 1:
            self.line.give()
        try:
            yield
        except BaseException:
            self._returned()
            raise
        if self._waits > 1:
            self._waits -= 1
            return
        try:
            await self.line.take()
        except BaseException:
            self._returned()
            raise
        self._waits -= 1
        if self._waits:  # another wait began meanwhile
            self.line.give()

    def _returned(self) -> None:
        """An interrupted wait: the node must end, whether a slot is free or not."""
        self._waits -= 1
        if not self._waits:
            self.line.force()
