"""Qwen3 checkpoints inside this process: every operation exact, every token billed as it was computed.

What was read or written before is kept, and found again by its tokens: continuing a context, judging it and taking the
judgement back cost only the tokens that are new. Results do not depend on who else is in the batch, but for rounding.
"""

import asyncio
import weakref
from collections.abc import Iterable, Sequence
from typing import Final

import torch

from ...budget.cost import Cost
from ..base import Capabilities, Completion, Context, Likelihood, NextToken, OnToken, Piece, Sampling
from ..checkpoint import Checkpoint, reading
from ..dialect import Dialect
from ..errors import Cancelled, ContextTooLong, NotAModel
from ..follower import Follower
from ..writing import Writing
from .engine import Engine
from .jobs import Generation, Job, Peek, Score
from .qwen3 import Qwen3
from .settings import Settings

_PRECISIONS: Final = {"float32": torch.float32, "float64": torch.float64}
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
        model = reading(where, "the weights", lambda: _qwen3(checkpoint)).to(place, _precision(dtype))
        self._ends = checkpoint.ends(self.dialect)
        self._tokens = checkpoint.tokens
        self._engine = Engine(model, place, max_batch=settings.max_batch, cache_bytes=settings.cache_bytes)
        self.capabilities = Capabilities(
            operations=frozenset({"generate", "stop_above", "peek", "score"}),
            max_context=model.config.max_position_embeddings,
            entropy="exact",
            cancel="bill_partial",
            parallel=settings.max_batch,
        )
        weakref.finalize(self, self._engine.stop)

    def count(self, context: Context) -> int:
        """The exact number of prompt tokens."""
        return len(self._tokens.prompt(self.dialect, context))

    async def generate(
        self, context: Context, sampling: Sampling, n: int = 1, on_token: OnToken | None = None
    ) -> list[Completion]:
        """Continue a context n times. Raises: ContextTooLong if the prompt does not fit, Cancelled, EngineFailed."""
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
        return NextToken(entropy=job.entropy, exactness="exact", logprobs=job.logprobs, usage=job.usage)

    async def score(self, context: Context, continuation: Piece) -> Likelihood:
        """Log-probabilities of a continuation's tokens. Raises: ContextTooLong, Cancelled, EngineFailed."""
        closing = self._tokens.encode(self.dialect.think_end) if continuation.stop == "think_end" else ()
        following = (*self._tokens.piece(continuation), *closing)
        job = Score(self._prompt(context.then(continuation.part), len(following)), following)
        await self._finish([job])
        return Likelihood(logprobs=tuple(job.logprobs), usage=job.usage)

    def judge(self, context: Context) -> Context:
        """The context with the request to rate its last step, in this model's dialect."""
        return self.dialect.rate(context)

    async def close(self) -> None:
        """Free what it holds; calls in flight are cancelled."""
        await asyncio.to_thread(self._engine.close)

    def _prompt(self, context: Context, more: int = 0) -> list[int]:
        ids = self._tokens.prompt(self.dialect, context)
        most = self.capabilities.max_context
        if len(ids) + more > most:
            asked = f"{len(ids)} tokens" + (f" and {more} to score" if more else "")
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
            for job in submitted if cancelled or failed else ():
                job.cancelled = True
        if error := next((job.error for job in submitted if job.error and not cancelled), None):
            raise error
        if cancelled or any(job.cancelled for job in submitted):
            raise Cancelled(sum((job.usage for job in submitted), Cost()))


def _qwen3(checkpoint: Checkpoint) -> Qwen3:
    if (kind := checkpoint.config.get("model_type")) != "qwen3":
        raise ValueError(f"model_type is {kind!r}, not 'qwen3'")
    return Qwen3.load(checkpoint.folder)


def _place(where: str, device: str) -> torch.device:
    if device == "cuda" and not torch.cuda.is_available():
        raise NotAModel(f"`{where}` asks for cuda, and torch sees none here", hint="use device: auto or cpu")
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)


def _precision(written: str | None) -> torch.dtype:
    if (precision := _PRECISIONS.get(written or "float32")) is None:
        raise NotAModel(f"`local` computes in no `{written}`", hint=f"write {' or '.join(_PRECISIONS)}")
    return precision
