"""Any model that vLLM runs, in this process or in its children: token ids throughout, every token billed.

What was read or written before is found again by vLLM's prefix cache, in whole blocks. Where we differ from vLLM's own
use: tokens are drawn by our logits processor, so that the same seed writes the same text as on the local engine.
"""

import asyncio
import weakref
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Protocol

from ...budget.cost import Cost
from ..base import (
    Capabilities,
    Completion,
    Context,
    Embeddings,
    Exactness,
    Likelihood,
    NextToken,
    OnToken,
    Piece,
    Rewards,
    Sampling,
)
from ..checkpoint import Checkpoint
from ..dialect import Dialect
from ..errors import Cancelled, ContextTooLong, NotAModel, Refused, Unread, rewardless
from ..follower import Follower
from ..reward import Solutions, form_of
from ..writing import Writing
from .children import Children
from .held import Held
from .jobs import Embed, Generation, Job, Peek, Reward, Score
from .settings import Settings
from .start import BLOCK, Arguments, arguments, on_cpu
from .stepper import Engine

_SMALL = 200 << 20  # bytes of weights under which a second thread costs more than it brings


class Runs(Protocol):
    """An engine in one of its forms."""

    def submit(self, job: Job) -> None:
        """Queue a job; its future is set when it is over."""
        ...

    def wake(self) -> None:
        """Some jobs are now cancelled."""
        ...

    def forget(self) -> None:
        """Empty the prefix cache."""
        ...

    def stop(self) -> None:
        """Cancel what is in flight and free what is held, soon."""
        ...

    def close(self) -> None:
        """Stop, and wait for it."""
        ...


class VllmBackend:
    """A checkpoint's folder, or `embedded/NAME`, on vLLM. Raises: NotAModel, Refused, ModuleNotFoundError."""

    def __init__(
        self,
        where: str,
        *,
        dtype: str | None = None,
        dialect: Dialect | None = None,
        settings: Settings | None = None,
    ) -> None:
        settings = settings or Settings()
        checkpoint = Checkpoint.open(where)
        self.where = where
        self.dialect = dialect or checkpoint.dialect()
        self._tokens, self._ends = checkpoint.tokens, checkpoint.ends(self.dialect)
        self._exactness: Exactness = "none" if settings.speculative else "exact"
        form = form_of(checkpoint.config, self.dialect.reward, checkpoint.opening)
        runner = settings.runner or ("reward" if form else "generate")
        if runner == "reward" and form is None:
            raise rewardless(where)
        self._solutions = Solutions(checkpoint.tokens, form) if form and runner == "reward" else None
        chosen = arguments(checkpoint, settings, dtype, runner)
        self.capabilities = _capabilities(settings, chosen, runner, settings.max_context or checkpoint.max_context)
        self._held = Held(BLOCK, 1 << 16)
        self._stops = lru_cache(maxsize=64)(self._find_stops)
        self._engine = _engine(checkpoint, settings, chosen)
        weakref.finalize(self, self._engine.stop)

    def count(self, context: Context) -> int:
        """The exact number of prompt tokens."""
        if self._solutions is not None:
            return sum(map(len, self._solutions.parts(context)))
        return len(self._tokens.prompt(self.dialect, context))

    async def generate(
        self, context: Context, sampling: Sampling, n: int = 1, on_token: OnToken | None = None
    ) -> list[Completion]:
        """Continue a context n times. Raises: ContextTooLong, Refused, Cancelled, EngineFailed."""
        self._agree(sampling)
        ids = self._prompt(context)
        room = min(sampling.max_tokens, self.capabilities.max_context - len(ids))
        think_end = self.dialect.think_end if context.writing == "think" else ""
        ending = (think_end,) if sampling.constraint else (*sampling.stop, think_end)
        stops = self._stops(frozenset(ending))
        jobs = [
            Generation(ids, Writing(ids, sampling, room, self._tokens, self._ends, think_end), sample, stops)
            for sample in range(n)
        ]
        if on_token is not None and jobs:
            jobs[0].follower = Follower(on_token)
        await self._finish(job for job in jobs if not job.over)
        return [job.writing.completion(job.usage, self._exactness) for job in jobs]

    async def peek(self, context: Context, texts: Sequence[str] = ()) -> NextToken:
        """The distribution of the next token. Raises: ContextTooLong, Cancelled, EngineFailed."""
        self._need("peek")
        job = Peek(self._prompt(context, 1), {text: self._tokens.spellings(text) for text in texts})
        await self._finish([job])
        return NextToken(
            entropy=job.entropy, exactness=self._exactness, logprobs=job.logprobs, usage=job.usage, top=job.top
        )

    async def score(self, context: Context, continuation: Piece) -> Likelihood:
        """Log-probabilities of a continuation's tokens. Raises: ContextTooLong, Cancelled, EngineFailed."""
        self._need("score")
        closing = self._tokens.encode(self.dialect.think_end) if continuation.stop == "think_end" else ()
        following = (*self._tokens.piece(continuation), *closing)
        ids = self._prompt(context.then(continuation.part), len(following) + 1)
        whole = (*ids, *following)
        job = Score(ids, following, afresh=self._held.reach(whole) >= len(ids))
        await self._finish([job])
        if job.logprobs is None:
            raise self._surprise(whole, job.usage)
        return Likelihood(logprobs=tuple(job.logprobs), usage=job.usage)

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        """A vector of unit length for each text. Raises: ContextTooLong, Refused, Cancelled, EngineFailed."""
        self._need("embed")
        jobs = [Embed(self._fitting(self._tokens.encode(text, "user"))) for text in texts]
        for job in jobs[:1]:
            job.calls = 1
        await self._finish(jobs)
        usage = sum((job.usage for job in jobs), Cost())
        return Embeddings(vectors=tuple(job.vector for job in jobs), usage=usage)

    async def rewards(self, context: Context) -> Rewards:
        """A reward for each step. Raises: Refused, ContextTooLong, Cancelled, EngineFailed."""
        if self._solutions is None:
            raise rewardless(self.where)
        return await self._solutions.rewards(context, self._read)

    async def _read(self, text: list[int], places: list[int]) -> tuple[Sequence[Sequence[float]], Cost]:
        """What the head says at these places of a text, and what that cost."""
        ids = self._fitting(text)
        job = Reward(ids, places, afresh=self._held.reach(ids) > places[0])
        self._held.add(ids)  # already now: the same solution may be asked for again meanwhile, and find it read
        await self._finish([job])
        if job.outputs is None:
            raise self._surprise(ids, job.usage)
        return job.outputs, job.usage

    def judge(self, context: Context) -> Context:
        """The context with the request to rate its last step, in this model's dialect."""
        return self.dialect.rate(context)

    def same(self, left: str, right: str) -> Context:
        """The question whether two steps say the same, in this model's dialect."""
        return self.dialect.same(left, right)

    async def forget(self) -> None:
        """Empty the cache of what was read and written before; between calls only."""
        await asyncio.to_thread(self._engine.forget)
        self._held.clear()
        if self._solutions is not None:
            self._solutions.forget()

    async def close(self) -> None:
        """Free what it holds; calls in flight are cancelled."""
        await asyncio.to_thread(self._engine.close)

    def _surprise(self, ids: Sequence[int], usage: Cost) -> Unread:
        """The cache held more than it was known to hold; now it is known."""
        self._held.add(ids)
        return Unread("the cache held what was to be read", usage=usage)

    def _agree(self, sampling: Sampling) -> None:
        for operation in sampling.needs:
            self._need(operation)
        if sampling.constraint and sampling.entropy_stop:
            raise Refused("a constrained text cannot end at an entropy", hint="ask for one of the two")

    def _need(self, operation: str) -> None:
        if operation not in self.capabilities.operations:
            raise Refused(f"`{self.where}`, as configured, has no {operation}")

    def _find_stops(self, texts: frozenset[str]) -> list[int]:
        """The tokens that end a text whatever stands before them, so that the engine itself stops there."""
        wanted = [text.encode() for text in texts if text]
        found = {i for i, spelling in enumerate(self._tokens.bytes) if any(text in spelling for text in wanted)}
        return sorted(found | self._ends)

    def _prompt(self, context: Context, more: int = 0) -> list[int]:
        return self._fitting(self._tokens.prompt(self.dialect, context), more)

    def _fitting(self, ids: list[int], more: int = 0) -> list[int]:
        most = self.capabilities.max_context
        if len(ids) + more > most:
            asked = f"{len(ids)} tokens" + (f" and {more} more to read or write" if more else "")
            hint = "shorten the context, or take a model with a longer one"
            raise ContextTooLong(f"the prompt has {asked}, the context of `{self.where}` holds {most}", hint=hint)
        return ids

    async def _finish(self, jobs: Iterable[Job]) -> None:
        """Hand over and wait; a cancelled call waits for the step in progress, and then knows its bill."""
        submitted = list(jobs)
        for job in submitted:
            self._engine.submit(job)
        waiting = {asyncio.wrap_future(job.future) for job in submitted}
        cancelled = failed = False
        while waiting:
            try:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_EXCEPTION)
                failed |= {future.exception() for future in done} != {None}
            except asyncio.CancelledError:
                cancelled = True
            if cancelled or failed:
                for job in submitted:
                    job.cancelled = True
                self._engine.wake()
        for job in submitted:
            self._held.add(job.held)
        if error := next((job.error for job in submitted if job.error and not cancelled), None):
            raise error
        if cancelled or any(job.cancelled for job in submitted):
            raise Cancelled(sum((job.usage for job in submitted), Cost()))


def _capabilities(settings: Settings, chosen: Arguments, runner: str, max_context: int) -> Capabilities:
    writes = {"generate", "continue", "score"} | (set[str]() if settings.speculative else {"peek", "entropy_stop"})
    writes |= set[str]() if chosen["skip_tokenizer_init"] else {"regex", "json_schema"}
    operations = writes if runner == "generate" else {runner}
    return Capabilities(
        operations=frozenset(operations),
        max_context=max_context,
        entropy="exact" if "entropy_stop" in operations else "none",
        cancel="bill_partial",
        parallel=settings.max_batch * settings.replicas,
        reread=BLOCK,
    )


def _engine(checkpoint: Checkpoint, settings: Settings, chosen: Arguments) -> Runs:
    small = on_cpu() and sum(file.stat().st_size for file in checkpoint.folder.glob("*.safetensors")) < _SMALL
    ours = not settings.speculative
    apart = settings.form == "async" or settings.replicas > 1 or not (settings.form or on_cpu())
    try:
        if apart:
            return Children(chosen, replicas=settings.replicas, ours=ours, lora=settings.lora, small=small)
        return Engine(chosen, ours=ours, lora=settings.lora, small=small)
    except (ValueError, TypeError) as error:  # what vLLM says of its arguments, or of a checkpoint
        raise NotAModel(
            f"vLLM does not start `{checkpoint.folder}` so: {' '.join(str(error).split())[:500]}"
        ) from error
