"""Every engine behind the one contract, opened on the embedded pair, for the checks that hold for all of them."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from headgate.backends.base import Backend, Completion, Context, Sampling
from headgate.backends.checkpoint import EMBEDDED
from headgate.backends.registry import ModelSpec, open_backend
from headgate.benchmarks.server import serving

T = TypeVar("T")
Opened = Callable[[str], Backend]


@dataclass(slots=True)
class Seat:
    """Backends by role, used from one event loop that runs on a thread of its own, as in a run."""

    name: str
    open: Opened
    roles: dict[str, Backend] = field(default_factory=dict[str, Backend])
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    def backend(self, role: str = "draft") -> Backend:
        if role not in self.roles:
            self.roles[role] = self.do(self._opened(role), 400)
        return self.roles[role]

    async def _opened(self, role: str) -> Backend:
        return self.open(role)

    def do(self, work: Coroutine[Any, Any, T], timeout_s: float = 120) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout_s)

    def write(self, context: Context, role: str = "draft", **wishes: Any) -> Completion:
        (done,) = self.do(self.backend(role).generate(context, Sampling(**wishes)))
        return done


@contextmanager
def seated(name: str) -> Iterator[Seat]:
    """An engine's seat; everything that it opened is closed behind it."""
    ways = WAYS[name]()
    seat = Seat(name, next(ways))
    thread = threading.Thread(target=seat.loop.run_forever)
    thread.start()
    try:
        yield seat
    finally:
        for backend in seat.roles.values():
            seat.do(backend.close())
        seat.loop.call_soon_threadsafe(seat.loop.stop)
        thread.join()
        seat.loop.close()
        next(ways, None)


def local() -> Iterator[Opened]:
    yield lambda role: open_backend(ModelSpec(backend="local", model=f"embedded/{role}"))


def vllm(**engine: object) -> Iterator[Opened]:
    spec = {"backend": "vllm", "dtype": "float32", "engine": engine}
    yield lambda role: open_backend(ModelSpec(model=f"embedded/{role}", **spec))  # type: ignore[arg-type]


def openai() -> Iterator[Opened]:
    with ExitStack() as running:

        def opened(role: str) -> Backend:
            url = running.enter_context(serving(role))
            return open_backend(ModelSpec(backend="openai", model=str(EMBEDDED / role), base_url=(url,)))

        yield opened


WAYS: Mapping[str, Callable[[], Iterator[Opened]]] = {
    "local": local,
    "vllm": vllm,
    "vllm-async": partial(vllm, form="async"),
    "openai": openai,
}
QUICK = ("local",)
