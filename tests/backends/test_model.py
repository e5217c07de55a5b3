import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from headgate.backends.base import Context, Piece, Sampling
from headgate.backends.errors import (
    BackendError,
    Cancelled,
    ContextTooLong,
    EngineFailed,
    RateLimited,
    Refused,
    TimedOut,
    Unreachable,
    Unread,
)
from headgate.backends.model import Model, derive
from headgate.backends.scripted import Scripted, Table
from headgate.budget.cost import Cost, Limits
from headgate.budget.errors import BudgetExceeded
from headgate.budget.events import Event, Trace
from headgate.budget.ledger import Ledger
from headgate.budget.prices import Price

PRICE = Price.of({"input": 1.0, "cached_input": 0.1, "output": 4.0})
ASK = Context.ask("What is 2 + 2?")
COIN = Table({"*": {" heads": 0.5, " tails": 0.5}})
EngineOf = Callable[..., Any]


class Recorder:
    streaming = False

    def __init__(self, *, streaming: bool = False) -> None:
        self.events: list[Event] = []
        self.streaming = streaming

    def write(self, event: Event) -> None:
        self.events.append(event)

    async def flush(self) -> None: ...

    def of(self, kind: str) -> list[Event]:
        return [event for event in self.events if event.kind == kind]


def model(backend: Any, limits: Limits | None = None, *, reserve: float = 0.0, **more: Any) -> tuple[Model, Recorder]:
    seen = Recorder(streaming=more.pop("streaming", False))
    trace = Trace(seen)
    ledger = Ledger(limits, answer_reserve=reserve, trace=trace)
    return Model(name="draft", backend=backend, ledger=ledger, trace=trace, backoff_s=0.001, **more), seen


# -- binding --------------------------------------------------------------------------------------------------


async def test_what_is_asked_for_becomes_max_tokens(engine: EngineOf) -> None:
    backend = engine()
    draft, _ = model(backend)
    completion = await draft.generate(ASK, Sampling(max_tokens=7), at="step-0")
    assert (backend.asked[0].max_tokens, len(completion.text), completion.stop) == (7, 7, "length")


async def test_a_shrunk_grant_becomes_max_tokens_and_the_stop_says_budget(engine: EngineOf) -> None:
    backend = engine()
    draft, seen = model(backend, Limits(tokens=50))
    completion = await draft.generate(ASK, Sampling(max_tokens=500), at="step-0")
    assert (backend.asked[0].max_tokens, completion.stop) == (40, "budget")
    assert seen.of("reserve")[0].payload["shrunk"] is True
    assert draft.ledger.spent.tokens == 50


async def test_a_shrunk_call_that_ends_by_itself_is_not_called_cut(engine: EngineOf) -> None:
    draft, _ = model(engine(wants=5), Limits(tokens=50))
    assert (await draft.generate(ASK, Sampling(max_tokens=500), at="step-0")).stop == "eos"


async def test_a_grant_below_what_is_useful_to_the_engine_is_refused(engine: EngineOf) -> None:
    draft, seen = model(engine(min_useful=41), Limits(tokens=50))
    with pytest.raises(BudgetExceeded):
        await draft.generate(ASK, Sampling(max_tokens=500), at="step-0")
    assert [event.kind for event in seen.events] == ["refuse"]


async def test_several_samples_share_one_prompt_and_one_bound(engine: EngineOf) -> None:
    backend = engine()
    draft, _ = model(backend, Limits(tokens=100))
    done = await draft.sample(ASK, Sampling(max_tokens=500), 3, at="step-0")
    assert backend.asked[0].max_tokens == 30
    assert [c.stop for c in done] == ["budget"] * 3
    assert draft.ledger.spent == Cost(input=10, output=90, calls=1)


async def test_a_call_is_bound_by_the_room_in_the_context(engine: EngineOf) -> None:
    backend = engine(max_context=25)
    draft, _ = model(backend)
    await draft.generate(ASK, Sampling(max_tokens=500), at="step-0")
    assert backend.asked[0].max_tokens == 15


async def test_a_context_without_room_is_refused_with_figures_before_anything_is_spent(
    engine: EngineOf,
) -> None:
    draft, seen = model(engine(max_context=10))
    with pytest.raises(ContextTooLong, match="at most 10 tokens, this context has 10; shorten"):
        await draft.generate(ASK, Sampling(), at="step-0")
    assert seen.events == []


async def test_scoring_needs_no_room_beyond_what_it_reads(engine: EngineOf) -> None:
    draft, _ = model(engine(max_context=20))
    seen = await draft.score(ASK, Piece(role="assistant", text="4", part="think"))
    assert seen.logprobs == (-1.0,)
    with pytest.raises(ContextTooLong):
        await draft.peek(ASK.append(Piece(role="assistant", text="4", part="think")))


async def test_every_operation_is_billed_by_model_and_purpose(engine: EngineOf) -> None:
    draft, _ = model(engine(wants=5), price=PRICE)
    await draft.generate(ASK, Sampling(), at="step-0")
    await draft.generate(ASK, Sampling(), at="answer", purpose="answer")
    await draft.peek(ASK, purpose="judge")
    await draft.score(ASK, Piece(role="assistant", text="4", part="think"))
    bill = {purpose: cost.tokens for (_, purpose), cost in draft.ledger.bill.items()}
    assert bill == {"think": 15, "answer": 15, "judge": 11, "score": 20}
    assert sum(bill.values()) == draft.ledger.spent.tokens
    assert draft.ledger.spent.nanodollars == 2 * 30_000 + 14_000 + 20_000


async def test_what_a_call_cost_is_priced_on_what_it_returns(engine: EngineOf) -> None:
    draft, seen = model(engine(wants=5), price=PRICE)
    completion = await draft.generate(ASK, Sampling(), at="step-0")
    assert completion.usage.nanodollars == 10 * 1000 + 5 * 4000
    assert seen.of("settle")[0].cost == completion.usage


async def test_a_reservation_assumes_that_nothing_is_cached(engine: EngineOf) -> None:
    draft, seen = model(engine(wants=5), price=PRICE)
    await draft.generate(ASK, Sampling(max_tokens=100), at="step-0")
    reserved = seen.of("reserve")[0].cost
    assert reserved
    assert (reserved.tokens, reserved.nanodollars) == (110, 10 * 1000 + 100 * 4000)


# -- retries --------------------------------------------------------------------------------------------------


async def test_every_attempt_is_a_hold_and_a_record_of_its_own(engine: EngineOf) -> None:
    draft, seen = model(engine(Unreachable("nobody there"), TimedOut("too slow"), wants=5))
    completion = await draft.generate(ASK, Sampling(max_tokens=90), at="step-0")
    assert completion.stop == "eos"
    kinds = ["reserve", "settle", "retry", "reserve", "settle", "retry", "reserve", "settle"]
    assert [event.kind for event in seen.events] == kinds
    assert [e.parent for e in seen.of("settle")] == [e.id for e in seen.of("reserve")]
    # nothing was sent, then an unknown outcome in full, then what was measured
    assert [e.cost.tokens for e in seen.of("settle") if e.cost] == [0, 100, 15]
    assert draft.ledger.spent == Cost(input=20, output=95, calls=3)


@pytest.mark.parametrize(
    ("error", "attempts", "tokens"),
    [
        (RateLimited("busy"), 2, 0),
        (Unreachable("nobody there"), 2, 0),
        (TimedOut("too slow"), 2, 100),
        (EngineFailed("it died"), 2, 100),
        (Refused("not this one"), 1, 0),
        (ContextTooLong("too long"), 1, 0),
        (BackendError("who knows"), 1, 100),
        (ZeroDivisionError("a bug"), 1, 100),
    ],
)
async def test_an_error_says_whether_to_try_again_and_what_it_costs(
    engine: EngineOf, error: Exception, attempts: int, tokens: int
) -> None:
    backend = engine(error, error, wants=5)
    draft, seen = model(backend, attempts=2)
    with pytest.raises(type(error)):
        await draft.generate(ASK, Sampling(max_tokens=90), at="step-0")
    assert len(backend.asked) == len(seen.of("settle")) == attempts
    assert draft.ledger.spent.tokens == tokens * attempts


async def test_the_last_error_is_raised_as_itself(engine: EngineOf) -> None:
    errors = [TimedOut(f"attempt {i}") for i in range(4)]
    draft, seen = model(engine(*errors))
    with pytest.raises(TimedOut, match="attempt 3"):
        await draft.peek(ASK)
    assert len(seen.of("retry")) == 3


async def test_a_server_that_asks_for_patience_gets_it(engine: EngineOf) -> None:
    draft, seen = model(engine(RateLimited("busy", retry_after_s=0.05), wants=1))
    began = asyncio.get_running_loop().time()
    await draft.generate(ASK, Sampling(), at="step-0")
    assert asyncio.get_running_loop().time() - began >= 0.05
    assert seen.of("retry")[0].payload["wait_s"] == 0.05


async def test_patience_ends_at_the_deadline(engine: EngineOf) -> None:
    draft, _ = model(engine(RateLimited("busy", retry_after_s=3600)), Limits(seconds=0.05))
    with pytest.raises(BudgetExceeded, match="deadline"):
        await asyncio.wait_for(draft.generate(ASK, Sampling(max_tokens=5), at="step-0"), 5)


async def test_a_retry_that_the_budget_does_not_allow_is_refused(engine: EngineOf) -> None:
    draft, _ = model(engine(TimedOut("too slow")), Limits(tokens=100))
    with pytest.raises(BudgetExceeded):
        await draft.generate(ASK, Sampling(max_tokens=90), at="step-0")
    assert draft.ledger.spent.tokens == 100


async def test_a_timeout_of_the_engine_itself_is_not_blamed_on_the_deadline(engine: EngineOf) -> None:
    draft, _ = model(engine(TimeoutError("a socket")), Limits(seconds=60))
    with pytest.raises(TimeoutError, match="a socket"):
        await draft.peek(ASK)
    assert draft.ledger.spent.tokens == 11


# -- cancelling -----------------------------------------------------------------------------------------------


async def test_a_cancelled_call_pays_what_it_computed(engine: EngineOf) -> None:
    draft, seen = model(engine(pause_s=0.01), Limits(tokens=900), price=PRICE)
    call = asyncio.create_task(draft.generate(ASK, Sampling(max_tokens=500), at="step-0"))
    await asyncio.sleep(0.1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await call
    assert not isinstance(caught.value, Cancelled)
    spent = draft.ledger.spent
    assert 1 <= spent.output <= 20
    assert spent.nanodollars == 10 * 1000 + spent.output * 4000
    assert draft.ledger.held["tokens"] == 0
    assert seen.of("settle")[0].payload["stop"] == "cancelled"


async def test_a_cancelled_call_that_does_not_know_its_bill_pays_in_full(engine: EngineOf) -> None:
    draft, _ = model(engine(pause_s=0.01, bills=False))
    call = asyncio.create_task(draft.generate(ASK, Sampling(max_tokens=500), at="step-0"))
    await asyncio.sleep(0.03)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    assert draft.ledger.spent.tokens == 510


async def test_the_deadline_cancels_what_is_in_flight_and_bills_it(engine: EngineOf) -> None:
    draft, _ = model(engine(pause_s=0.01), Limits(tokens=900, seconds=0.1))
    began = asyncio.get_running_loop().time()
    with pytest.raises(BudgetExceeded, match="deadline"):
        await draft.generate(ASK, Sampling(max_tokens=500), at="step-0")
    assert asyncio.get_running_loop().time() - began < 1
    assert 1 <= draft.ledger.spent.output <= 20
    assert draft.ledger.held["tokens"] == 0


async def test_an_ordinary_call_is_cancelled_before_the_time_that_is_kept_for_the_answer(
    engine: EngineOf,
) -> None:
    draft, _ = model(engine(pause_s=0.01), Limits(seconds=0.2), reserve=0.5)
    with pytest.raises(BudgetExceeded):
        await draft.generate(ASK, Sampling(max_tokens=500), at="step-0")
    assert draft.ledger.seconds_left() > 0
    assert (await draft.generate(ASK, Sampling(max_tokens=1), at="answer", final=True)).text == "x"


# -- seeds and streams ----------------------------------------------------------------------------------------


async def test_the_same_call_at_the_same_place_draws_the_same_whatever_came_before() -> None:
    sampling = Sampling(temperature=1.0, max_tokens=12)
    forward, _ = model(Scripted(COIN), seed=3, path="p1/solve")
    backward, _ = model(Scripted(COIN), seed=3, path="p1/solve")
    places = [f"step-{i}" for i in range(6)]
    texts = [(await forward.generate(ASK, sampling, at=place)).text for place in places]
    other = await asyncio.gather(*(backward.generate(ASK, sampling, at=place) for place in reversed(places)))
    assert texts == [completion.text for completion in reversed(other)]
    assert len(set(texts)) > 1


@pytest.mark.parametrize(("change", "value"), [("seed", 4), ("path", "p2/solve"), ("name", "target")])
async def test_another_seed_place_or_model_draws_something_else(change: str, value: Any) -> None:
    sampling = Sampling(temperature=1.0, max_tokens=64)
    who: dict[str, Any] = {"name": "draft", "seed": 3, "path": "p1/solve"}
    texts = [
        (await Model(backend=Scripted(COIN), ledger=Ledger(), **these).generate(ASK, sampling, at="step-0")).text
        for these in (who, who | {change: value})
    ]
    assert texts[0] != texts[1]


def test_seeds_are_whole_numbers_of_63_bits_that_never_change() -> None:
    seeds = {derive(seed, f"p{i}") for seed in range(10) for i in range(100)}
    assert len(seeds) == 1000
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derive(0, "p1/solve/step-0/draft") == 1_796_110_330_436_526_372


async def test_text_streams_as_it_is_written_when_somebody_listens() -> None:
    draft, seen = model(Scripted(COIN), streaming=True, path="p1")
    completion = await draft.generate(ASK, Sampling(max_tokens=5), at="step-0")
    told = seen.of("token")
    assert "".join(str(event.payload["text"]) for event in told) == completion.text
    assert {event.path for event in told} == {"p1/step-0/draft"}


async def test_nothing_streams_when_nobody_listens() -> None:
    draft, seen = model(Scripted(COIN))
    await draft.generate(ASK, Sampling(max_tokens=5), at="step-0")
    assert seen.of("token") == []


class Surprised(Scripted):
    """Finds in its cache what it is to score, the first time."""

    asked = 0

    async def score(self, context: Context, continuation: Piece) -> Any:
        self.asked += 1
        if self.asked == 1:
            raise Unread("the cache held it", usage=Cost(input=1, cached_input=6, output=1, calls=1))
        return await super().score(context, continuation)


async def test_a_reading_that_the_cache_prevented_is_billed_and_asked_again_under_a_hold_of_its_own() -> None:
    step = Piece(role="assistant", text=" heads tails", part="think")
    draft, seen = model(Surprised(COIN))
    draft = replace(draft, backoff_s=60.0)
    scored = await asyncio.wait_for(draft.score(ASK, step), 5)  # at once, whatever the patience
    assert [event.cost for event in seen.of("settle")] == [
        Cost(input=1, cached_input=6, output=1, calls=1),
        scored.usage,
    ]
    assert len(seen.of("reserve")) == 2
    enough = draft.backend.count(ASK.append(step))
    for cap in (enough, enough + 1, enough + 2):
        draft, _ = model(Surprised(COIN), Limits(tokens=cap))
        try:
            await draft.score(ASK, step)
        except BudgetExceeded:
            assert cap < enough + 2
        assert draft.ledger.spent.tokens <= cap
