"""A slow and failing engine, real but small, for the tests of what stands around engines."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from headgate.backends.base import (
    Capabilities,
    Completion,
    Context,
    Likelihood,
    NextToken,
    OnToken,
    Piece,
    Sampling,
    Stop,
)
from headgate.backends.errors import Cancelled
from headgate.budget.cost import Cost


class Engine:
    """Reads ten tokens and writes as many as it may, one a `pause_s`; raises `errors` first, one an attempt.

    bills: whether a cancelled call tells what it had cost. wants: how many tokens it would write.
    """

    def __init__(
        self,
        *errors: BaseException,
        pause_s: float = 0.0,
        bills: bool = True,
        wants: int = 10**6,
        external: bool = False,
        max_context: int = 1000,
        min_useful: int = 1,
    ) -> None:
        self.errors, self.pause_s, self.bills, self.wants = list(errors), pause_s, bills, wants
        self.asked: list[Sampling] = []
        operations = frozenset({"generate", "peek", "score"})
        self.capabilities = Capabilities(
            operations=operations, max_context=max_context, external=external, min_useful=min_useful
        )

    def count(self, context: Context) -> int:
        return 10 * len(context.pieces)

    async def generate(
        self, context: Context, sampling: Sampling, n: int = 1, on_token: OnToken | None = None
    ) -> list[Completion]:
        self.asked.append(sampling)
        written = 0
        try:
            while written < min(self.wants, sampling.max_tokens):
                await asyncio.sleep(self.pause_s)
                written += 1
        except asyncio.CancelledError:
            if self.bills:
                raise Cancelled(Cost(input=10, output=written * n, calls=1)) from None
            raise
        self.fail()
        stop: Stop = "length" if written == sampling.max_tokens else "eos"
        first = Completion(text="x" * written, stop=stop, usage=Cost(input=10, output=written, calls=1))
        return [first] + [Completion(text="x" * written, stop=stop, usage=Cost(output=written))] * (n - 1)

    async def peek(self, context: Context, texts: Sequence[str] = ()) -> NextToken:
        self.fail()
        return NextToken(entropy=0.0, exactness="exact", logprobs={}, usage=Cost(input=10, output=1, calls=1))

    async def score(self, context: Context, continuation: Piece) -> Likelihood:
        self.fail()
        return Likelihood(logprobs=(-1.0,), usage=Cost(input=20, calls=1))

    def fail(self) -> None:
        if self.errors:
            raise self.errors.pop(0)

    def judge(self, context: Context) -> Context:
        return context

    def same(self, left: str, right: str) -> Context:
        return Context.ask(f"{left} {right}")

    async def close(self) -> None: ...


@pytest.fixture
def engine() -> Callable[..., Engine]:
    return Engine
