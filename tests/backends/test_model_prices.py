"""What a metered call reserves and pays, under a price with tiers and classes of its own."""

from collections.abc import Callable
from typing import Any

import pytest

from headgate.backends.base import Context, Piece, Sampling
from headgate.backends.errors import TimedOut
from headgate.backends.model import Model
from headgate.budget.cost import Limits
from headgate.budget.events import Event, Trace
from headgate.budget.ledger import Ledger
from headgate.budget.prices import Price

PRICE = Price.of(
    {
        "input": 1,
        "cached_input": 0.1,
        "cache_write_1h": 2,
        "output": 4,
        "reasoning": 5,
        "tiers": [{"above": 10, "input": 3, "cache_write_1h": 6, "output": 7}],
    }
)
SHORT = Context.ask("What is 2 + 2?")  # ten tokens, as the engine counts
LONG = SHORT.append(Piece(role="assistant", text="4", part="think"))
EngineOf = Callable[..., Any]


class Recorder:
    streaming = False

    def __init__(self) -> None:
        self.reserved: list[int] = []

    def write(self, event: Event) -> None:
        if event.kind == "reserve" and event.cost:
            self.reserved.append(event.cost.nanodollars)

    async def flush(self) -> None: ...


def model(backend: Any, limits: Limits | None = None, price: Price | None = PRICE) -> tuple[Model, Recorder]:
    seen = Recorder()
    ledger = Ledger(limits, trace=Trace(seen))
    return Model(name="draft", backend=backend, ledger=ledger, price=price, attempts=1), seen


async def test_a_reservation_is_the_dearest_class_of_the_tier_that_its_prompt_reaches(engine: EngineOf) -> None:
    draft, seen = model(engine())
    await draft.generate(SHORT, Sampling(max_tokens=5), at="step-0")
    await draft.generate(LONG, Sampling(max_tokens=5), at="step-1")
    assert seen.reserved == [10 * 2_000 + 5 * 5_000, 20 * 6_000 + 5 * 7_000]


async def test_several_samples_reserve_one_prompt_and_every_output(engine: EngineOf) -> None:
    draft, seen = model(engine(wants=2))
    await draft.sample(SHORT, Sampling(max_tokens=5), 3, at="step-0")
    assert seen.reserved == [10 * 2_000 + 15 * 5_000]
    assert draft.ledger.spent.nanodollars == 10 * 1_000 + 6 * 4_000


async def test_a_call_of_unknown_outcome_pays_its_whole_reservation(engine: EngineOf) -> None:
    draft, seen = model(engine(TimedOut("too slow")))
    with pytest.raises(TimedOut):
        await draft.generate(SHORT, Sampling(max_tokens=5), at="step-0")
    assert [draft.ledger.spent.nanodollars] == seen.reserved == [45_000]


async def test_a_limit_in_dollars_cuts_the_call_where_its_dearest_outcome_still_fits(engine: EngineOf) -> None:
    backend = engine()
    draft, _ = model(backend, Limits(dollars=0.000_045))  # type: ignore[arg-type]  # read as a recipe's is
    await draft.generate(SHORT, Sampling(max_tokens=500), at="step-0")
    assert backend.asked[0].max_tokens == 5
    assert draft.ledger.spent.nanodollars == 10 * 1_000 + 5 * 4_000


async def test_calls_of_a_model_without_a_price_count_no_dollars(engine: EngineOf) -> None:
    draft, seen = model(engine(wants=5), Limits(dollars=0), price=None)  # type: ignore[arg-type]  # as above
    await draft.generate(SHORT, Sampling(), at="step-0")
    assert seen.reserved == [0]
    assert (draft.ledger.spent.nanodollars, draft.ledger.spent.output) == (0, 5)
