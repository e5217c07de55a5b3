"""Writing the next step of a chain while the one before it is still being judged.

What is written ahead is booked as wasted until it is taken, so that a step that is cancelled between two tokens stays
where it belongs. A step's seed follows from its place, so that a chain says the same with this and without.
"""

import asyncio
from types import TracebackType
from typing import Self, TypeVar

from ..backends.errors import BackendError
from ..backends.model import Model
from ..budget.errors import BudgetExceeded
from ..verifiers.base import Step
from .chain import Chain

Result = TypeVar("Result")


class Ahead:
    """One model's next step, begun early; the end of the block cancels what nobody took.

    early: whether to begin early at all.
    """

    def __init__(self, chain: Chain, model: Model, *, early: bool = True) -> None:
        self._chain, self._model, self._early = chain, model, early
        self._task: asyncio.Task[Step] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.drop()

    def begin(self, after: Step) -> None:
        """Begin the step after a proposal, if there can be one."""
        if self._early and after.completion.stop not in ("think_end", "eos") and self._chain.left([after]):
            ahead = self._chain.write(self._model, after=[after], purpose="wasted")
            self._task = asyncio.create_task(ahead)

    async def take(self) -> Step:
        """The step that was begun, or one from now on, as a proposal. Raises: BudgetExceeded, BackendError."""
        if self._task is None:
            return await self._chain.propose(self._model)
        step = await self._task
        self._task = None
        self._chain.run.ledger.rebook(step.completion.usage, step.author, "wasted", "think")
        return self._chain.adopt(step)

    async def drop(self) -> None:
        """Cancel the step that was begun; as far as it was written, it is paid."""
        if (task := self._task) is None:
            return
        self._task = None
        task.cancel()
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            await asyncio.wait([task])  # it is about to end, and nobody else would wait for it
            raise
        if (step := unneeded(task)) is not None:
            self._chain.waste(step)


def unneeded(call: asyncio.Task[Result]) -> Result | None:
    """What came of a call that nobody needs; None of one that came to nothing. Raises: what is no such error."""
    if call.cancelled():
        return None
    if (error := call.exception()) is not None and not isinstance(error, BudgetExceeded | BackendError):
        raise error
    return None if error else call.result()
