"""A model behind servers that speak OpenAI's language: one's own vLLMs, a hosted API, or anything between.

A vLLM is given token ids and gives token ids back, so that what holds for engines in this process holds for it. Any
other server is told messages or text, and what it cannot do is not declared: `entropy_stop`, exact entropies, scores.
Answers stream throughout, since a call that ends early then knows what it had received.
"""

import asyncio
import math
import os
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final, Literal

from openai import AsyncOpenAI, Timeout

from ...budget.cost import Cost
from ..base import (
    Capabilities,
    Completion,
    Context,
    Likelihood,
    NextToken,
    OnToken,
    Piece,
    Sampling,
)
from ..dialect import Dialect
from ..errors import Cancelled, ContextTooLong, Refused
from ..writing import Writing
from . import probe
from .answer import Answer, Reading, Result, Writer
from .entropy import lower_bound
from .errors import Whose
from .fleet import Fleet, Server
from .folder import checkpoint
from .line import Line
from .meter import Meter
from .parts import Json, scores, token_id, token_name, top
from .requests import Requests
from .settings import Settings
from .text import TextWriting
from .wording import Prompt, Wording

_HOSTED: Final = "https://api.openai.com/v1"
_UNKNOWN_CONTEXT: Final = 131_072
_DEFAULT: Final = Settings()


class OpenAIBackend:
    """The model `model` on the servers at `base_urls`; `key_env` is the environment variable that holds their key.

    Raises: BackendError when the servers cannot be spoken to.
    """

    def __init__(
        self,
        model: str,
        *,
        base_urls: tuple[str, ...] = (),
        key_env: str | None = None,
        dialect: Dialect | None = None,
        settings: Settings = _DEFAULT,
    ) -> None:
        self.model, self.settings = model, settings
        key_env = key_env or (None if base_urls else "OPENAI_API_KEY")
        urls, key = [url.rstrip("/") for url in base_urls or (_HOSTED,)], _key(key_env)
        facts = _facts([Whose(url, model, key_env, key) for url in urls], settings)
        spoken = checkpoint(settings.tokenizer, model, facts.root)
        completions = facts.vllm and (spoken is not None or dialect is not None)
        chat = not completions if settings.api == "auto" else settings.api == "chat"
        continuation = _continuation(settings, facts)
        self._tokens = spoken.tokens if spoken else None
        self.dialect = dialect or (spoken.dialect() if spoken else Dialect())
        self._wording = Wording(
            chat=chat,
            dialect=self.dialect,
            tokens=self._tokens,
            continuation=continuation,
            answer_request=settings.answer_request,
        )
        self._by_ids = facts.vllm and not chat and spoken is not None
        self._ends = spoken.ends(self.dialect) if spoken and self._by_ids else frozenset[int]()
        self._requests = Requests(
            model=model, wording=self._wording, settings=settings, vllm=facts.vllm, ends=self._ends
        )
        whose = [Whose(url, model, key_env, key, facts.models) for url in urls]
        self._line = Line(_fleet(whose, settings), chat=chat, total_s=settings.total_s)
        self.capabilities = _capabilities(
            settings,
            facts,
            goes_on=not chat or continuation != "ask",
            held=_held(settings, facts.vllm, chat, hosted=not base_urls),
            by_ids=self._by_ids,
            servers=len(urls),
            positions=spoken.max_context if spoken else 0,
        )

    def __repr__(self) -> str:
        return f"OpenAIBackend({self.model!r}, {', '.join(s.whose.url for s in self._line.fleet.servers)})"

    def count(self, context: Context) -> int:
        """The number of prompt tokens, exact where ids are sent; an upper bound elsewhere."""
        return self._wording.count(context)

    async def generate(
        self, context: Context, sampling: Sampling, n: int = 1, on_token: OnToken | None = None
    ) -> list[Completion]:
        """Continue a context n times; greedily, one continuation is given n times. Raises: BackendError, Cancelled."""
        if sampling.entropy_stop:
            raise Refused("a server cannot end at an entropy", hint="take `local` or `vllm` for this entropy_stop")
        for operation in sampling.needs:
            self._need(operation)
        prompt, greedy = self._prompt(context), sampling.temperature == 0
        room = self.capabilities.max_context - prompt.tokens if prompt.exact else sampling.max_tokens
        room, asked = min(sampling.max_tokens, room), 1 if greedy else n
        think_end = self.dialect.think_end if context.writing == "think" else ""
        answer = Answer(
            writers=[self._writer(prompt, sampling, room, think_end) for _ in range(asked)],
            meter=self._meter(prompt, max(0, room) * asked),
            k=self.settings.top_logprobs if sampling.entropies else 0,
            think_end=think_end,
            on_token=on_token,
            drain=self.capabilities.cancel == "drain",
        )
        cost = Cost(calls=1)
        if not answer.over:
            fields = self._requests.generate(prompt, sampling, room, asked, think_end)
            cost = await self._paid(answer.meter, self._write(context, fields, answer))
        done = answer.completions(cost)
        return done + [_again(done[0])] * (n - asked)

    async def peek(self, context: Context, texts: Sequence[str] = ()) -> NextToken:
        """The distribution of the next token, as far as it is told; a text that is not told of is -inf.

        Raises: BackendError, Cancelled.
        """
        self._need("peek")
        prompt, most = self._prompt(context), self.settings.top_logprobs
        spelled = self._spellings(texts)
        asked = sorted({name for names in spelled.values() for name in names}) if self._by_ids else []
        asked = asked if len(asked) <= most else []
        fields = self._requests.peek(prompt, [token_id(name) for name in asked])
        told, cost = await self._read(context, prompt, fields, top)
        bound = lower_bound(list(told.values()), len(told) + 1 if asked else most)
        logs = {text: _sum([told[name] for name in names if name in told]) for text, names in spelled.items()}
        likeliest = () if asked else tuple(sorted(told.values(), reverse=True))
        return NextToken(entropy=bound, exactness="lower_bound", logprobs=logs, usage=cost, top=likeliest)

    async def score(self, context: Context, continuation: Piece) -> Likelihood:
        """Log-probabilities of a continuation's tokens. Raises: BackendError, Cancelled."""
        self._need("score")
        following: tuple[int, ...] = ()
        if self._tokens:
            closing = self._tokens.encode(self.dialect.think_end) if continuation.stop == "think_end" else ()
            following = (*self._tokens.piece(continuation), *closing)
        prompt = self._prompt(context.then(continuation.part), following)
        fields = self._requests.score(prompt)
        logs, cost = await self._read(context, prompt, fields, lambda answer: scores(answer, prompt.ids))
        return Likelihood(logprobs=tuple(logs[len(logs) - len(following) :]), usage=cost)

    def judge(self, context: Context) -> Context:
        """The context with the request to rate its last step, in this model's dialect."""
        return self._wording.judge(context)

    def same(self, left: str, right: str) -> Context:
        """The question whether two steps say the same, in this model's dialect."""
        return self.dialect.same(left, right)

    async def close(self) -> None:
        """Free its connections; calls in flight are cancelled."""
        await self._line.close()

    # -- one call -----------------------------------------------------------------------------------------------

    def _prompt(self, context: Context, following: Sequence[int] = ()) -> Prompt:
        prompt = self._wording.prompt(context)
        if following:
            ids = (*prompt.ids, *following)
            prompt = Prompt(fields={"prompt": ids}, tokens=len(ids), exact=True, ids=ids)
        most = self.capabilities.max_context
        if prompt.exact and prompt.tokens > most:
            hint = "shorten the context, or take a model with a longer one"
            raise ContextTooLong(f"the prompt has {prompt.tokens} tokens, `{self.model}` reads {most}", hint=hint)
        return prompt

    def _meter(self, prompt: Prompt, most: int) -> Meter:
        return Meter(prompt.tokens, exact=prompt.exact, max_context=self.capabilities.max_context, most=most)

    def _writer(self, prompt: Prompt, sampling: Sampling, room: int, think_end: str) -> Writer:
        if self._by_ids and self._tokens:
            return Writing(prompt.ids, sampling, room, self._tokens, self._ends, think_end)
        think_open = self.dialect.think_open if think_end else ""
        return TextWriting(sampling, room, think_open, think_end, self.dialect.turn_close)

    def _spellings(self, texts: Sequence[str]) -> dict[str, list[str]]:
        """How each text may stand among the tokens that are told, with and without a leading space."""
        if self._by_ids and self._tokens:
            return {text: [token_name(token) for token in self._tokens.spellings(text)] for text in texts}
        return {text: [text, f" {text}"] if text else [] for text in texts}

    async def _write(self, context: Context, fields: dict[str, object], answer: Answer) -> Cost:
        """Stream an answer to its end, or to where nothing that follows would be kept."""
        await self._line.stream(context, fields, answer)
        known = answer.complete or self.capabilities.cancel == "bill_partial"
        return answer.cost() if known else answer.meter.full()

    async def _read(
        self, context: Context, prompt: Prompt, fields: dict[str, object], read: Callable[[Json], Result]
    ) -> tuple[Result, Cost]:
        """What is wanted of a prompt that is only read, with its bill."""
        reading = Reading(self._meter(prompt, 1), read)

        async def work() -> Cost:
            await self._line.ask(context, fields, reading)
            return reading.meter.cost()

        cost = await self._paid(reading.meter, work())
        return reading.found[0], cost

    async def _paid(self, meter: Meter, work: Coroutine[Any, Any, Cost]) -> Cost:
        """Wait for a call's bill; one that is cancelled costs what `cancel` says. Raises: Cancelled."""
        policy = self.capabilities.cancel
        call = asyncio.ensure_future(work)
        try:
            return await (asyncio.shield(call) if policy == "drain" else call)
        except asyncio.CancelledError:
            if not meter.sent:
                call.cancel()
                raise Cancelled(Cost(calls=1)) from None
            if policy == "unknown":
                raise
            if policy == "drain":
                raise Cancelled(await _drained(call, meter)) from None
            raise Cancelled(meter.cost() if policy == "bill_partial" else meter.full()) from None

    def _need(self, operation: str) -> None:
        if operation not in self.capabilities.operations:
            said = f"`{self.model}`, as it is served, has no {operation}"
            raise Refused(said, hint="see `engine.api` and its fellows")


# -- opening ------------------------------------------------------------------------------------------------------


def _key(key_env: str | None) -> str:
    """The key that an environment variable holds. Raises: Refused."""
    if not key_env:
        return ""
    if not (key := os.environ.get(key_env, "").strip()):
        raise Refused(f"the environment variable {key_env} holds no key", hint="set it, or name another with `key_env`")
    if not (key.isascii() and key.isprintable()):
        raise Refused(f"what the environment variable {key_env} holds is no key", hint="it has signs that no key has")
    return key


def _facts(servers: Sequence[Whose], settings: Settings) -> probe.Facts:
    if settings.server == "auto":
        return probe.ask(servers)
    return probe.Facts(vllm=settings.server == "vllm")


def _continuation(settings: Settings, facts: probe.Facts) -> str:
    if settings.continuation != "auto":
        return settings.continuation
    return "continue_final" if facts.vllm else "ask"


def _fleet(servers: Sequence[Whose], settings: Settings) -> Fleet:
    def connect(whose: Whose) -> AsyncOpenAI:
        timeout = Timeout(settings.silence_s, connect=settings.connect_s)
        return AsyncOpenAI(api_key=whose.key or "none", base_url=whose.url, max_retries=0, timeout=timeout)

    return Fleet(
        [Server(whose, partial(connect, whose)) for whose in servers],
        lambda server: probe.answers(server.client, server.whose),
        rest_s=settings.rest_s,
        patience_s=settings.patience_s,
    )


def _held(settings: Settings, vllm: bool, chat: bool, *, hosted: bool) -> set[str]:
    """The constraints that the server holds a text to."""
    if vllm:
        return {"regex"} if settings.json_schema is False else {"regex", "json_schema"}
    trusted = hosted if settings.json_schema is None else settings.json_schema
    return {"json_schema"} if trusted and chat else set[str]()


def _capabilities(
    settings: Settings,
    facts: probe.Facts,
    *,
    goes_on: bool,
    held: set[str],
    by_ids: bool,
    servers: int,
    positions: int,
) -> Capabilities:
    operations = {"generate", "continue"} if goes_on else {"generate"}
    operations |= held
    operations |= {"peek"} if settings.top_logprobs else set()
    operations |= {"score"} if by_ids else set()
    entropy: Literal["lower_bound", "none"] = "lower_bound" if settings.top_logprobs else "none"
    return Capabilities(
        operations=frozenset(operations),
        max_context=settings.max_context or facts.max_context or positions or _UNKNOWN_CONTEXT,
        external=True,
        token_ids=by_ids,
        entropy=entropy,
        cancel=settings.cancel or ("bill_partial" if facts.vllm else "unknown"),
        parallel=settings.parallel * servers,
    )


# -- after a call -------------------------------------------------------------------------------------------------


async def _drained(call: "asyncio.Future[Cost]", meter: Meter) -> Cost:
    """The bill of a call that goes on though nobody wants it."""
    while not call.done():
        try:
            await asyncio.wait([call])
        except asyncio.CancelledError:
            continue
    return meter.full() if call.cancelled() or call.exception() else call.result()


def _again(done: Completion) -> Completion:
    """A continuation that was computed once."""
    return replace(done, usage=Cost())


def _sum(logs: Sequence[float]) -> float:
    """The log of the sum of these logs' probabilities."""
    highest = max(logs, default=-math.inf)
    return highest if math.isinf(highest) else highest + math.log(sum(math.exp(log - highest) for log in logs))
