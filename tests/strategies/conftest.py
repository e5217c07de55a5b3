"""Runs over scripted models, and a sink that remembers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest

from headgate.backends.base import Backend
from headgate.backends.model import Model
from headgate.budget.cost import Limits
from headgate.budget.events import Event, Trace
from headgate.budget.ledger import Ledger
from headgate.strategies.base import Run


@dataclass
class Recorder:
    """A sink that remembers."""

    streaming: bool = False
    events: list[Event] = field(default_factory=list[Event])

    def write(self, event: Event) -> None:
        self.events.append(event)

    async def flush(self) -> None: ...


def make_run(
    models: Mapping[str, Backend],
    limits: Limits | None = None,
    *,
    reserve: float = 0.0,
    seed: int = 0,
    path: str = "p1",
    sink: Recorder | None = None,
) -> Run:
    """A run whose roles are played by these engines, each under its role's name; one engine may play two roles."""
    trace = Trace(*([sink] if sink else []))
    ledger = Ledger(limits, answer_reserve=reserve, trace=trace)
    names = {id(backend): role for role, backend in reversed(list(models.items()))}
    named = {
        role: Model(name=names[id(b)], backend=b, ledger=ledger, trace=trace, path=path, seed=seed)
        for role, b in models.items()
    }
    return Run(models=named, ledger=ledger, trace=trace, path=path, seed=seed)


@pytest.fixture
def new_run() -> Callable[..., Run]:
    return make_run


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()
