"""What holds for engines in this process holds for a real vLLM server; one that is killed costs retries only."""

import asyncio
import json
import math
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from headgate.backends.base import Backend, Completion, Constraint, Context, Sampling
from headgate.backends.errors import Cancelled, ContextTooLong, Refused, Unreachable
from headgate.backends.local.backend import LocalBackend
from headgate.backends.model import Model
from headgate.backends.openai.backend import OpenAIBackend
from headgate.backends.openai.settings import Settings
from headgate.benchmarks.server import VllmServer, installed
from headgate.budget.cost import Cost, Limits
from headgate.budget.events import Event, Trace
from headgate.budget.ledger import Ledger
from headgate.tasks import registry as tasks

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not installed(), reason="vLLM is not installed"),
]
PROMPTS = [Context.ask(problem.text) for problem in tasks.sample("word_problems", 24, seed=7)]
DIGITS = [str(digit) for digit in range(10)]


@pytest.fixture(scope="module")
def server() -> Iterator[VllmServer]:
    running = VllmServer().start()
    try:
        yield running.wait()
    finally:
        running.stop()


@asynccontextmanager
async def opened(server: VllmServer, **settings: Any) -> AsyncIterator[OpenAIBackend]:
    backend = await asyncio.to_thread(_open, server, settings)
    try:
        yield backend
    finally:
        await backend.close()


def _open(server: VllmServer, settings: dict[str, Any]) -> OpenAIBackend:
    return OpenAIBackend(server.model, base_urls=(server.url,), settings=Settings(**settings))


@asynccontextmanager
async def local() -> AsyncIterator[LocalBackend]:
    backend = LocalBackend("embedded/draft")
    try:
        yield backend
    finally:
        await backend.close()


async def one(backend: Backend, context: Context, **wishes: Any) -> Completion:
    return (await backend.generate(context, Sampling(**wishes)))[0]


def parts_at_a_tie(ours: Completion, theirs: Completion) -> bool:
    """Whether two continuations are the same up to a choice between equals."""
    at = next((i for i, (a, b) in enumerate(zip(ours.token_ids, theirs.token_ids, strict=False)) if a != b), None)
    return at is not None and abs(ours.logprobs[at] - theirs.logprobs[at]) < 1e-4


async def test_it_knows_what_the_server_is_and_can(server: VllmServer) -> None:
    async with opened(server) as backend:
        can = backend.capabilities
        assert can.operations == {"generate", "continue", "peek", "score", "regex", "json_schema"}
        assert (can.token_ids, can.entropy, can.cancel, can.external) == (True, "lower_bound", "bill_partial", True)
        assert can.max_context == 2048


@pytest.mark.parametrize("api", ["completions", "chat"])
async def test_greedy_writing_is_that_of_the_local_engine(server: VllmServer, api: str) -> None:
    async with opened(server, api=api) as backend, local() as engine:
        wishes = {"max_tokens": 200}
        theirs = await asyncio.gather(*(one(engine, context, **wishes) for context in PROMPTS))
        ours = await asyncio.gather(*(one(backend, context, **wishes) for context in PROMPTS))
        for mine, other in zip(ours, theirs, strict=True):
            assert mine.text == other.text or parts_at_a_tie(mine, other)
            assert mine.token_ids == (other.token_ids if api == "completions" else ()) or mine.text != other.text
            assert mine.stop == other.stop
            assert mine.usage.output == mine.usage.reasoning == other.usage.output
        assert len({mine.text for mine in ours}) > 10


async def test_steps_and_the_answer_behind_them_are_those_of_one_call(server: VllmServer) -> None:
    for settings in ({}, {"api": "chat"}):
        async with opened(server, **settings) as backend:
            for context in PROMPTS[:6]:
                whole, text, stepped = await one(backend, context, max_tokens=200), "", context
                for _ in range(20):
                    step = await one(backend, stepped, max_tokens=64, stop=("\n\n",))
                    text, stepped = text + step.text, stepped.append(step.piece("think", "draft"))
                    if step.stop != "delimiter":
                        break
                assert (text, step.stop) == (whole.text, whole.stop)
                answer = await one(backend, stepped.then("answer"), max_tokens=30)
                assert (answer.text[:7], answer.stop) == ("\\boxed{", "eos")


async def test_an_answer_is_what_it_is_constrained_to_be(server: VllmServer) -> None:
    boxed = Constraint(regex=r"\\boxed\{[0-9]+\}")
    schema = {"type": "object", "properties": {"a": {"enum": [3, 5]}}, "required": ["a"], "additionalProperties": False}
    for api in ("completions", "chat"):
        async with opened(server, api=api) as backend:
            for seed, context in enumerate(PROMPTS[:4]):
                wishes: dict[str, Any] = {"max_tokens": 60, "temperature": 1.0, "seed": seed}
                done = await one(backend, context.then("answer"), **wishes, constraint=boxed)
                assert re.fullmatch(boxed.regex, done.text), done.text
                assert done.stop == "eos"
                assert api == "chat" or done.usage.output == len(done.token_ids) + 1
                word = await one(backend, context, **wishes, constraint=Constraint.choice("yes", "no", "a|b"))
                assert word.text in ("yes", "no", "a|b")
            told = await one(backend, context, max_tokens=60, constraint=Constraint(json_schema=json.dumps(schema)))
            tight = re.sub(r"\s", "", told.text)  # it may write spaces up to its length
            assert any(text.startswith(tight) for text in ('{"a":3}', '{"a":5}')) and tight
            with pytest.raises(Refused):
                await one(backend, context, max_tokens=9, constraint=Constraint(regex="[0-9]{3"))


async def test_a_seed_gives_the_same_text_alone_and_beside_others(server: VllmServer) -> None:
    async with opened(server) as backend:
        wishes: dict[str, Any] = {"max_tokens": 30, "temperature": 0.9, "seed": 2**62 + 7}
        alone = [(await one(backend, context, **wishes)).text for context in PROMPTS[:12]]
        crowd = await asyncio.gather(*(one(backend, context, **wishes) for context in PROMPTS[:12]))
        assert sum(a != b.text for a, b in zip(alone, crowd, strict=True)) <= 1
        hot: dict[str, Any] = {"max_tokens": 30, "temperature": 2.0}
        said = {(await one(backend, PROMPTS[0], **hot, seed=seed)).text for seed in (1, 1, 2, 3)}
        assert 1 < len(said) < 4
        several = await backend.generate(PROMPTS[0], Sampling(**hot, seed=1), 3)
        assert several[0].text == (await one(backend, PROMPTS[0], **hot, seed=1)).text
        assert len({done.text for done in several}) > 1


async def test_more_seeded_prompts_than_one_pass_reads_are_all_answered(server: VllmServer) -> None:
    contexts = [Context.ask(problem.text) for problem in tasks.sample("word_problems", 64, seed=8)]
    async with opened(server) as backend:
        assert sum(backend.count(context) for context in contexts) > 2 * 2048
        crowd = await asyncio.gather(*(one(backend, c, max_tokens=2, temperature=1.0, seed=1) for c in contexts))
        assert all(done.text for done in crowd)


async def test_figures_are_those_of_the_local_engine_or_bounds_below_them(server: VllmServer) -> None:
    async with opened(server) as backend, local() as engine:
        for context in PROMPTS[:4]:
            step = await one(backend, context, max_tokens=30, temperature=1.0, seed=3, entropies=True)
            piece = step.piece("think", "draft")
            mine, other = await backend.score(context, piece), await engine.score(context, piece)
            assert mine.logprobs == pytest.approx(other.logprobs, abs=2e-5, rel=1e-5)
            assert step.logprobs == pytest.approx(other.logprobs[: len(step.logprobs)], abs=2e-5, rel=1e-5)
            rating = backend.judge(context.append(piece))
            seen, exact = await backend.peek(rating, DIGITS), await engine.peek(rating, DIGITS)
            assert seen.logprobs == pytest.approx(exact.logprobs, abs=1e-3)
            for asked in ([], DIGITS):
                bound = await backend.peek(context, asked)
                assert 0 <= bound.entropy <= (await engine.peek(context)).entropy + 1e-5
            assert step.entropies
            assert all(0 <= nats < math.log(512) for nats in step.entropies)


async def test_the_bill_is_the_prompt_and_every_token_once(server: VllmServer) -> None:
    async with opened(server) as backend:
        context = PROMPTS[5]
        for _ in range(3):
            step = await one(backend, context, max_tokens=64, stop=("\n\n",))
            assert step.usage.input + step.usage.cached_input == backend.count(context)
            assert step.usage.output == len(step.token_ids) + (step.stop in ("think_end", "eos"))
            context = context.append(step.piece("think", "draft"))
        assert step.usage.cached_input > 0


async def test_the_limits_of_the_server_are_errors_with_figures(server: VllmServer) -> None:
    long = Context.ask("Tom has 3 pens. " * 2048)
    async with opened(server) as backend:
        with pytest.raises(ContextTooLong, match="reads 2048"):
            await one(backend, long)
        with pytest.raises(Refused, match="temperature"):
            await one(backend, PROMPTS[0], temperature=50.0)
    async with opened(server, api="chat", tokenizer="embedded/draft") as backend:
        with pytest.raises(ContextTooLong, match="2048"):
            await one(backend, long)


async def test_a_cancelled_call_is_billed_for_what_came_and_the_server_stops(server: VllmServer) -> None:
    async with opened(server) as backend:
        begun = asyncio.Event()

        async def call() -> Cost:
            try:
                wishes = Sampling(max_tokens=1500, temperature=2.0)
                await backend.generate(PROMPTS[0].then("text"), wishes, 1, lambda _: begun.set())
            except Cancelled as error:
                return error.usage
            return Cost()

        running = asyncio.create_task(call())
        await begun.wait()
        running.cancel()
        usage = await running
        assert usage.input + usage.cached_input == backend.count(PROMPTS[0].then("text"))
        assert 1 <= usage.output < 1500


class Recorder:
    streaming = False

    def __init__(self) -> None:
        self.events: list[Event] = []

    def write(self, event: Event) -> None:
        self.events.append(event)

    async def flush(self) -> None: ...


async def test_a_server_that_is_gone_for_good_is_an_error_once_patience_ends() -> None:
    server = VllmServer()
    backend = OpenAIBackend(
        "m", base_urls=(server.url,), settings=Settings(server="vllm", tokenizer="embedded/draft", patience_s=0.2)
    )
    model = Model(name="draft", backend=backend, ledger=Ledger(), backoff_s=0.01)
    with pytest.raises(Unreachable, match="nothing answers"):
        await asyncio.wait_for(model.generate(PROMPTS[0], Sampling(), at="step"), 30)
    await backend.close()
    assert model.ledger.spent.tokens == 0


async def test_a_server_that_is_killed_and_started_again_costs_retries_and_no_problem(server: VllmServer) -> None:
    async with opened(server, patience_s=500) as backend:
        seen = Recorder()
        ledger = Ledger(Limits(tokens=10**6), trace=Trace(seen))
        model = Model(name="draft", backend=backend, ledger=ledger, trace=Trace(seen), backoff_s=0.05)

        async def chain(number: int) -> str:
            place, context, text = model.at(f"p{number}", ledger.scope(f"p{number}")), PROMPTS[number].then("text"), ""
            for step in range(12):
                done = await place.generate(context, Sampling(max_tokens=24, temperature=1.0), at=f"step-{step}")
                context, text = context.append(done.piece("text", "draft")), text + done.text
            return text

        batch = [asyncio.create_task(chain(number)) for number in range(len(PROMPTS))]
        while sum(event.kind == "settle" for event in seen.events) < 2 * len(PROMPTS):
            await asyncio.sleep(0.01)
        server.kill()
        await asyncio.sleep(0.5)
        await asyncio.to_thread(server.start().wait)
        assert all(await asyncio.wait_for(asyncio.gather(*batch), 120))
        retried, settled = ([event for event in seen.events if event.kind == kind] for kind in ("retry", "settle"))
        assert retried
        reserved = [event.id for event in seen.events if event.kind == "reserve"]
        assert sorted(reserved) == sorted(event.parent for event in settled if event.parent)
        assert sum(event.cost.tokens for event in settled if event.cost) == ledger.spent.tokens
        assert ledger.held["tokens"] == 0
        assert sum(bool(event.payload["unmeasured"]) for event in settled) <= len(retried)
