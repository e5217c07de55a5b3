"""Where workers live: what starts one, ends one and knows how it ended."""

from collections.abc import Callable
from typing import Protocol

from ..recipe import Executor
from .messages import Call


class Process(Protocol):
    """A worker's process, wherever it is."""

    def kill(self) -> None:
        """End it now."""
        ...

    def ended(self, timeout_s: float) -> str:
        """How it ended, in a few words; killed where it does not end in time. Blocks."""
        ...


class Host(Protocol):
    """A place for workers. address: of this machine, as its workers reach it."""

    address: str

    def start(self, call: Call, over: Callable[[], None]) -> Process:
        """A new worker; `over` is called from some thread when its process has ended."""
        ...

    def close(self) -> None:
        """Give back what all workers together needed."""
        ...


def host(executor: Executor, workers: int) -> Host:
    """Make ready for so many workers; may take seconds. Raises: FleetError, RecipeError."""
    if executor.use == "ray":
        from .ray_host import RayHost

        return RayHost(executor)
    from .local_host import LocalHost

    return LocalHost(workers)
