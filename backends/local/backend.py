"""Decoders inside this process: every operation exact, every token billed as it was computed.

What was read or written before is kept, and found again by its tokens: continuing a context, judging it and taking the
judgement back cost only the tokens that are new. Results do not depend on who else is in the batch, but for rounding.
"""

import asyncio
import weakref
from collections.abc import Iterable, Sequence
from threading import get_ident
from typing import Final

import torch

from ...budget.cost import Cost
from ..base import Capabilities, Completion, Context, Likelihood, NextToken, OnToken, Piece, Rewards, Sampling
from ..checkpoint import Checkpoint, reading
from ..dialect import Dialect
from ..errors import Cancelled, ContextTooLong, NotAModel, Refused, rewardless
from ..follower import Follower
from ..reward import Solutions, form_of
from ..writing import Writing
from .decoder import Decoder, Lean
from .engine import Engine
from .jobs import Generation, Job, Peek, Reward, Score
from .settings import Settings
from .shape import shape_of

_PRECISIONS: Final[dict[str, torch.dtype]] = {
    name: getattr(torch, name) for name in ("float32", "bfloat16", "float16", "float64")
}
_DEFAULT: Final = Settings()


class LocalBackend:
    """A model of this machine; `where` is `embedded/draft`, `embedded/target` or a checkpoint's folder.

    Raises: NotAModel.
    """

    def __init__(
        self,
        where: str,
        *,
        dtype: str | None = None,
        dialect: Dialect | None = None,
        settings: Settings = _DEFAULT,
    ) -> None:
        checkpoint = Checkpoint.open(where)
        self.where = where
        self.dialect = dialect or checkpoint.dialect()
        place = _place(where, settings.device)
        precision = _precision(dtype)
        form = form_of(checkpoint.config, self.dialect.reward, checkpoint.opening)
        self._solutions = Solutions(checkpoint.tokens, form) if form else None
        model = reading(where, "the weights", lambda: _decoder(checkpoint, place, precision, rewards=form is not None))
        self._ends = checkpoint.ends(self.dialect)
        self._tokens = checkpoint.tokens
        sizes = {"cache_bytes": settings.cache_bytes, "batch_bytes": settings.batch_bytes}
        self._engine = Engine(model, max_batch=settings.max_batch, **sizes)
        self.capabilities = Capabilities(
            operations=frozenset({"reward"} if form else {"generate", "continue", "entropy_stop", "peek", "score"}),
            max_context=min(model.positions, self._engine.most // 2),
            entropy="none" if form else "exact",
            cancel="bill_partial",
            parallel=settings.max_batch,
        )
        weakref.finalize(self, self._engine.stop)

    def count(self, context: Context) -> int:
        """The exact number of prompt tokens."""
        if self._solutions is not None:
            return sum(map(len, self._solutions.parts(context)))
        return len(self._tokens.prompt(self.dialect, context))

    async def generate(
        self, context: Context, sampling: Sampling, n: int = 1, on_token: OnToken | None = None
    ) -> list[Completion]:
        """Continue a context n times. Raises: ContextTooLong if the prompt does not fit, Cancelled, EngineFailed."""
        if sampling.constraint:
            raise Refused("the local engine holds no text to a form", hint="use vllm, or openai with a server that can")
        ids = self._prompt(context)
        room = min(sampling.max_tokens, self.capabilities.max_context - len(ids))
        think_end = self.dialect.think_end if context.writing == "think" else ""
        jobs = [
            Generation(ids, Writing(ids, sampling, room, self._tokens, self._ends, think_end), sample)
            for sample in range(n)
        ]
        if on_token is not None and jobs:
            jobs[0].follower = Follower(on_token)
        await self._finish(job for job in jobs if not job.over)
        return [job.writing.completion(job.usage) for job in jobs]

    async def peek(self, context: Context, texts: Sequence[str] = ()) -> NextToken:
        """The distribution of the next token. Raises: ContextTooLong, Cancelled, EngineFailed."""
        job = Peek(self._prompt(context), {text: self._tokens.spellings(text) for text in texts})
        await self._finish([job])
        return NextToken(entropy=job.entropy, exactness="exact", logprobs=job.logprobs, usage=job.usage, top=job.top)

    async def score(self, context: Context, continuation: Piece) -> Likelihood:
        """Log-probabilities of a continuation's tokens. Raises: ContextTooLong, Cancelled, EngineFailed."""
        closing = self._tokens.encode(self.dialect.think_end) if continuation.stop == "think_end" else ()
        following = (*self._tokens.piece(continuation), *closing)
        job = Score(self._prompt(context.then(continuation.part), len(following)), following)
        await self._finish([job])
        return Likelihood(logprobs=tuple(job.logprobs), usage=job.usage)

    async def rewards(self, context: Context) -> Rewards:
        """A reward for each step. Raises: Refused, ContextTooLong, Cancelled, EngineFailed."""
        if self._solutions is None:
            raise rewardless(self.where)
        return await self._solutions.rewards(context, self._read)

    async def _read(self, ids: list[int], places: list[int]) -> tuple[Sequence[Sequence[float]], Cost]:
        """What the head says at these places of a text, and what that cost."""
        job = Reward(self._fitting(ids), places)
        await self._finish([job])
        return job.outputs, job.usage

    def judge(self, context: Context) -> Context:
        """The context with the request to rate its last step, in this model's dialect."""
        return self.dialect.rate(context)

    def same(self, left: str, right: str) -> Context:
        """The question whether two steps say the same, in this model's dialect."""
        return self.dialect.same(left, right)

    async def forget(self) -> None:
        """Empty what was kept of earlier calls, so that the next ones are billed as the first were."""
        await asyncio.to_thread(self._engine.forget)
        if self._solutions is not None:
            self._solutions.forget()

    async def close(self) -> None:
        """Free what it holds; calls in flight are cancelled."""
        await asyncio.to_thread(self._engine.close)

    def _prompt(self, context: Context, more: int = 0) -> list[int]:
        if self._solutions is not None:
            raise Refused(f"`{self.where}` scores steps and writes nothing", hint="give the role a model that writes")
        return self._fitting(self._tokens.prompt(self.dialect, context), more)

    def _fitting(self, ids: list[int], more: int = 0) -> list[int]:
        most = self.capabilities.max_context
        if len(ids) + more > most:
            asked = f"{len(ids)} tokens" + (f" and {more} to score" if more else "")
            memory = most < self._engine.model.positions
            other = "raise engine.batch_bytes" if memory else "take a model with a longer one"
            said = f"the prompt has {asked}, the context of `{self.where}` holds {most}"
            raise ContextTooLong(said, hint=f"shorten the context, or {other}")
        return ids

    async def _finish(self, jobs: Iterable[Job]) -> None:
        """Hand over and wait; a cancelled call waits for the step in progress, and then knows its bill."""
        call, cancelled = _Call(list(jobs)), False
        self._engine.submit(call.jobs)
        try:
            while call.left:
                try:
                    await asyncio.sleep(0)  # so that whoever calls at the same time is seen, and whoever cancels
                    if call.left and not self._engine.drive(call.left):
                        self._engine.wake()
                        await call.news()
                except asyncio.CancelledError:
                    cancelled = True
                    call.cancel()
        finally:
            if call.left:  # its event loop ends without it
                call.cancel()
                self._engine.wake()
        if error := next((job.error for job in call.jobs if job.error and not cancelled), None):
            raise error
        if cancelled or any(job.cancelled for job in call.jobs):
            raise Cancelled(sum((job.usage for job in call.jobs), Cost()))


class _Call:
    """The jobs of one call, heard of on its own event loop, which a future of that loop wakes in half the time."""

    def __init__(self, jobs: list[Job]) -> None:
        self.jobs, self.left = jobs, len(jobs)
        self._loop, self._thread = asyncio.get_running_loop(), get_ident()
        self._news: asyncio.Future[None] | None = None
        for job in jobs:
            job.tell = self._hear

    async def news(self) -> None:
        """Wait until all are over."""
        self._news = self._loop.create_future()
        await self._news

    def cancel(self) -> None:
        """Have the engine end them."""
        for job in self.jobs:
            job.cancelled = True

    def _hear(self, job: Job) -> None:
        if get_ident() == self._thread:
            self._told(job)
        else:
            self._loop.call_soon_threadsafe(self._told, job)

    def _told(self, job: Job) -> None:
        self.left -= 1
        if job.error:
            self.cancel()
        if self.left == 0 and self._news and not self._news.done():
            self._news.set_result(None)


def _decoder(checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype, *, rewards: bool) -> Decoder:
    shape = shape_of(checkpoint.config)
    if shape is not None:
        return Lean(checkpoint.folder, shape, device, dtype, rewards=rewards)
    from .foreign import Foreign, ForeignRewards  # loads transformers, which the others do without

    return (ForeignRewards if rewards else Foreign)(checkpoint.folder, device, dtype)


def _place(where: str, device: str) -> torch.device:
    if device == "cuda" and not torch.cuda.is_available():
        raise NotAModel(f"`{where}` asks for cuda, and torch sees none here", hint="use device: auto or cpu")
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)


def _precision(written: str | None) -> torch.dtype:
    if (precision := _PRECISIONS.get(written or "float32")) is None:
        raise NotAModel(f"`local` computes in no `{written}`", hint=f"write {' or '.join(_PRECISIONS)}")
    return precision
