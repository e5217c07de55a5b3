"""One engine in one role, metered: reserve, call, retry, settle. The only retry loop and the only door to an engine.

What the ledger grants becomes the call's `max_tokens`. Every attempt is a hold and a record of its own; an attempt
whose outcome nobody knows is paid in full. A call in flight at the deadline is cancelled within one decode step and
billed for what it computed.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import TypeVar, cast

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

from ..budget.cost import Cost
from ..budget.errors import BudgetExceeded
from ..budget.events import Trace
from ..budget.ledger import Bound, Hold, Ledger
from ..budget.prices import Price
from .base import (
    Backend,
    Completion,
    Context,
    Embeddings,
    Likelihood,
    NextToken,
    OnToken,
    Piece,
    Pooling,
    Rewarding,
    Rewards,
    Sampling,
    Token,
)
from .errors import BackendError, Cancelled, ContextTooLong, RateLimited, Refused, Unread, rewardless

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A backend under the name that a recipe gives it, spending from one scope, at one place of a run.

    seed and path decide every random draw: the same call at the same place draws the same, whenever it comes.
    """

    name: str
    backend: Backend
    ledger: Ledger
    price: Price | None = None
    trace: Trace = field(default_factory=Trace)
    path: str = ""
    seed: int = 0
    attempts: int = 4
    backoff_s: float = 0.5

    def at(self, path: str, ledger: Ledger) -> "Model":
        """The same model at another place, spending from another scope."""
        return replace(self, path=path, ledger=ledger)

    async def generate(
        self, context: Context, sampling: Sampling, *, at: str, purpose: str = "think", final: bool = False
    ) -> Completion:
        """Continue a context once. `at` names the call within its path; `final` may use the answer reserve.

        Raises: BudgetExceeded, BackendError.
        """
        (completion,) = await self.sample(context, sampling, 1, at=at, purpose=purpose, final=final)
        return replace(completion, usage=self._priced(completion.usage))

    async def sample(
        self,
        context: Context,
        sampling: Sampling,
        n: int,
        *,
        at: str,
        purpose: str = "think",
        final: bool = False,
    ) -> list[Completion]:
        """Continue a context n times in one call. Raises: BudgetExceeded, BackendError."""
        if (held := sampling.constraint) and held.operation not in self.backend.capabilities.operations:
            raise Refused(f"`{self.name}` has no {held.operation}", hint="give the role a model on another backend")
        place = f"{self.path}/{at}/{self.name}"
        seeded = replace(sampling, seed=derive(self.seed, place))
        bound = self._bound(context, seeded.max_tokens, n)

        async def call(hold: Hold) -> list[Completion]:
            bounded = replace(seeded, max_tokens=hold.tokens)
            done = await self.backend.generate(context, bounded, n, self._stream(place, purpose))
            return [_cut_by_budget(completion) for completion in done] if hold.shrunk else done

        return await self._metered(
            bound, call, lambda done: sum((c.usage for c in done), Cost()), purpose, final, _told
        )

    async def peek(
        self, context: Context, texts: Sequence[str] = (), *, purpose: str = "probe", final: bool = False
    ) -> NextToken:
        """The distribution of the next token. Raises: BudgetExceeded, BackendError."""
        seen = await self._metered(
            self._bound(context, 1, 1, fixed=True),
            lambda _: self.backend.peek(context, texts),
            lambda token: token.usage,
            purpose,
            final,
        )
        return replace(seen, usage=self._priced(seen.usage))

    async def score(
        self, context: Context, continuation: Piece, *, purpose: str = "score", final: bool = False
    ) -> Likelihood:
        """Log-probabilities of a continuation. Raises: BudgetExceeded, BackendError."""
        written = int(self.backend.capabilities.external)  # a server writes a token to score the others
        scored = await self._metered(
            self._bound(context.append(continuation), written, 1, fixed=True),
            lambda _: self.backend.score(context, continuation),
            lambda likelihood: likelihood.usage,
            purpose,
            final,
        )
        return replace(scored, usage=self._priced(scored.usage))

    async def embed(self, texts: Sequence[str], *, purpose: str = "embed", final: bool = False) -> Embeddings:
        """A vector of unit length for each text. Raises: BudgetExceeded, BackendError."""
        backend = cast(Pooling, self.backend)
        if "embed" not in backend.capabilities.operations:
            hint = "name an embedding model, on a backend that serves one"
            raise Refused(f"`{self.name}` has no embedding", hint=hint)
        shown = Context(tuple(Piece(role="user", text=text) for text in texts))
        read = await self._metered(
            self._bound(shown, 0, 1, fixed=True),
            lambda _: backend.embed(texts),
            lambda embeddings: embeddings.usage,
            purpose,
            final,
        )
        return replace(read, usage=self._priced(read.usage))

    async def rewards(self, context: Context, *, purpose: str = "reward", final: bool = False) -> Rewards:
        """A reward from 0 to 1 for each step of a solution. Raises: BudgetExceeded, BackendError."""
        backend = cast(Rewarding, self.backend)
        if "reward" not in backend.capabilities.operations:
            raise rewardless(self.name)
        read = await self._metered(
            self._bound(context, 0, 1, fixed=True),
            lambda _: backend.rewards(context),
            lambda rewards: rewards.usage,
            purpose,
            final,
        )
        return replace(read, usage=self._priced(read.usage))

    def judge(self, context: Context) -> Context:
        """The context with this model's own request to rate the last step."""
        return self.backend.judge(context)

    def same(self, left: str, right: str) -> Context:
        """This model's own question whether two steps say the same, about to be answered with yes or no."""
        return self.backend.same(left, right)

    def room(self, context: Context) -> int:
        """How many tokens this model can still read or write after a context."""
        return self.backend.capabilities.max_context - self.backend.count(context)

    # -- metering ---------------------------------------------------------------------------------------------

    def _bound(self, context: Context, most: int, n: int, *, fixed: bool = False) -> Bound:
        """The dearest outcome: nothing cached, every token generated. Raises: ContextTooLong."""
        can, prompt = self.backend.capabilities, self.backend.count(context)
        room = can.max_context - prompt
        if room < min(most, 1):
            raise ContextTooLong(
                f"`{self.name}` reads at most {can.max_context} tokens, this context has {prompt}",
                hint="shorten the question, or give the role a model with a longer context",
            )
        most = min(most, room)

        read = prompt + (n - 1) * min(prompt, can.reread)

        def cost(tokens: int) -> Cost:
            nanodollars = self.price.worst(read, tokens * n) if self.price else 0
            return Cost(input=read, output=tokens * n, calls=1, nanodollars=nanodollars)

        return Bound(cost=cost, most=most, least=most if fixed else min(most, can.min_useful))

    def _priced(self, cost: Cost) -> Cost:
        return self.price.priced(cost) if self.price else cost

    async def _metered(
        self,
        bound: Bound,
        call: Callable[[Hold], Awaitable[Result]],
        usage: Callable[[Result], Cost],
        purpose: str,
        final: bool,
        told: Callable[[Result], dict[str, object]] = lambda _: {},
    ) -> Result:
        """Attempts until one succeeds, each reserved and settled on its own."""
        retrying = AsyncRetrying(
            stop=stop_after_attempt(self.attempts),
            retry=retry_if_exception(lambda e: isinstance(e, BackendError) and e.retryable),
            wait=lambda state: min(self._backoff(state), max(0.0, self.ledger.seconds_left(final=final))),
            before_sleep=self._tell_retry,
            reraise=True,
        )

        async def attempt() -> Result:
            hold = await self.ledger.reserve(
                bound,
                role=self.name,
                purpose=purpose,
                final=final,
                durable=self.backend.capabilities.external,
            )
            result = await self._leave(hold, call, final)
            hold.settle(self._priced(usage(result)), **told(result))
            return result

        return await retrying(attempt)

    async def _leave(self, hold: Hold, call: Callable[[Hold], Awaitable[Result]], final: bool) -> Result:
        """The attempt itself, cancelled at the deadline; whatever ends it early is settled here."""
        left = self.ledger.seconds_left(final=final)
        deadline = asyncio.timeout(left if left < math.inf else None)
        try:
            async with deadline:
                return await self._cancellable(hold, call)
        except TimeoutError as error:
            hold.settle(None)
            if not deadline.expired():
                raise
            raise BudgetExceeded(self.ledger.path, "seconds", 0, 0) from error
        except BackendError as error:
            hold.settle(self._known(error), error=str(error))
            raise
        except BaseException:
            hold.settle(None)
            raise

    def _known(self, error: BackendError) -> Cost | None:
        """What a failed attempt took; None where nobody knows."""
        if error.usage is not None:
            return self._priced(error.usage)
        return None if error.charged else Cost(calls=1)

    async def _cancellable(self, hold: Hold, call: Callable[[Hold], Awaitable[Result]]) -> Result:
        try:
            return await call(hold)
        except Cancelled as error:
            hold.settle(self._priced(error.usage), stop="cancelled")
            # asyncio.timeout knows only the plain class
            raise asyncio.CancelledError from error

    def _stream(self, place: str, purpose: str) -> OnToken | None:
        if not self.trace.streaming:
            return None

        def tell(token: Token) -> None:
            self.trace.emit("token", place, role=self.name, purpose=purpose, text=token.text)

        return tell

    def _backoff(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, RateLimited) and error.retry_after_s is not None:
            return error.retry_after_s
        if isinstance(error, Unread):
            return 0.0
        jitter = derive(self.seed, f"{self.path}/{state.attempt_number}") % 1000 / 1000
        return float(self.backoff_s * 2 ** (state.attempt_number - 1) * (0.5 + jitter))

    def _tell_retry(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        wait_s = state.next_action.sleep if state.next_action else 0.0
        self.trace.emit(
            "retry", self.path, role=self.name, error=str(error), attempt=state.attempt_number, wait_s=wait_s
        )


def derive(seed: int, path: str) -> int:
    """A seed for one place of a run: 63 bits of BLAKE2b over the run's seed and the structural path."""
    digest = blake2b(f"{seed}:{path}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def _cut_by_budget(completion: Completion) -> Completion:
    return replace(completion, stop="budget") if completion.stop == "length" else completion


def _told(done: list[Completion]) -> dict[str, object]:
    return {"stop": done[0].stop, "text": done[0].text} if len(done) == 1 else {"stops": [c.stop for c in done]}
