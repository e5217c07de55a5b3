import json
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.budget import prices
from headgate.budget.cost import Cost
from headgate.budget.prices import Price
from headgate.budget.rates import RATES, Tier

SONNET = Price.of({"input": 3.00, "cached_input": 0.30, "cache_write": 3.75, "output": 15.00})
LONG = Price.of({"input": 3, "output": 15, "tiers": [{"above": 1000, "input": 6, "output": 22.5}]})
COUNT = st.integers(0, 10**7)
RATE = st.integers(0, 10**15 - 1)
PARTS: dict[str, Any] = dict.fromkeys(RATES, RATE)
TIERS = st.lists(st.builds(Tier, above=st.integers(0, 10**7), **PARTS), max_size=3, unique_by=lambda tier: tier.above)
PRICES = st.builds(
    Price,
    **PARTS,
    tiers=TIERS.map(lambda tiers: tuple(sorted(tiers, key=lambda tier: tier.above))),
    source=st.text(max_size=9),
    version=st.text(max_size=9),
    date=st.just("2026-11-21"),
    nominal=st.booleans(),
)


@st.composite
def calls(draw: st.DrawFn) -> Cost:
    """A call whose parts are parts."""
    written, output = draw(COUNT), draw(COUNT)
    return Cost(
        input=draw(COUNT),
        cached_input=draw(COUNT),
        cache_write=written,
        cache_write_1h=draw(st.integers(0, written)),
        output=output,
        reasoning=draw(st.integers(0, output)),
    )


def prompt(call: Cost) -> int:
    return call.input + call.cached_input + call.cache_write


@pytest.mark.parametrize(
    ("cost", "nanodollars"),
    [
        (Cost(), 0),
        (Cost(input=1_000_000), 3_000_000_000),
        (Cost(cached_input=1_000_000), 300_000_000),
        (Cost(cache_write=1_000_000), 3_750_000_000),
        (Cost(output=1_000_000), 15_000_000_000),
        (Cost(output=1_000_000, reasoning=900_000), 15_000_000_000),
        (
            Cost(input=1000, cached_input=9000, cache_write=200, output=500),
            3_000_000 + 2_700_000 + 750_000 + 7_500_000,
        ),
    ],
)
def test_a_call_is_priced_by_class_and_reasoning_is_not_paid_twice(cost: Cost, nanodollars: int) -> None:
    assert SONNET.nanodollars(cost) == nanodollars


@given(PRICES, calls())
def test_a_price_is_the_exact_sum_rounded_up_to_a_nanodollar(price: Price, call: Cost) -> None:
    rates = price.rates(prompt(call))
    text, short = call.output - call.reasoning, call.cache_write - call.cache_write_1h
    exact = Fraction(call.input * rates.input + call.cached_input * rates.cached_input, 1000)
    exact += Fraction(short * rates.cache_write + call.cache_write_1h * rates.cache_write_1h, 1000)
    exact += Fraction(text * rates.output + call.reasoning * rates.reasoning, 1000)
    assert 0 <= price.nanodollars(call) - exact < 1


# -- the dearest outcome --------------------------------------------------------------------------------------


@given(PRICES, calls(), st.integers(0, 10**6), st.integers(0, 10**6))
def test_no_call_within_a_reservation_costs_more_than_it(price: Price, call: Cost, room: int, unwritten: int) -> None:
    assert price.nanodollars(call) <= price.worst(prompt(call) + room, call.output + unwritten)


@given(PRICES, COUNT, COUNT, st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_reservation_grows_with_the_prompt_and_with_what_may_be_generated(
    price: Price, prompt: int, output: int, more_prompt: int, more_output: int
) -> None:
    assert price.worst(prompt, output) <= price.worst(prompt + more_prompt, output + more_output)


@given(COUNT, COUNT)
def test_some_call_costs_all_that_is_reserved_for_it(prompt: int, output: int) -> None:
    assert SONNET.worst(prompt, output) == SONNET.nanodollars(Cost(cache_write=prompt, output=output))


def test_a_reservation_takes_the_rates_of_a_long_prompt() -> None:
    assert LONG.worst(1000, 10) == 1000 * 3000 + 10 * 15_000
    assert LONG.worst(1001, 10) == 1001 * 6000 + 10 * 22_500


def test_a_prompt_that_may_turn_out_shorter_is_reserved_at_the_dearer_of_both_rates() -> None:
    cheaper = Price.of({"input": 3, "output": 15, "tiers": [{"above": 1000, "input": 1, "output": 1}]})
    assert cheaper.worst(1001, 10) == 1001 * 3000 + 10 * 15_000


# -- rows -----------------------------------------------------------------------------------------------------


@given(PRICES)
def test_a_price_written_as_a_row_reads_back_as_itself(price: Price) -> None:
    row = price.as_row()
    assert Price.of(row) == price
    assert Price.of(json.loads(json.dumps(row))) == price


def test_pricing_fills_in_the_price_and_nothing_else() -> None:
    cost = Cost(input=10, output=5, calls=1, seconds=0.5)
    assert SONNET.priced(cost) == Cost(input=10, output=5, calls=1, seconds=0.5, nanodollars=105_000)


def test_rates_that_a_row_lacks_are_those_they_are_a_kind_of() -> None:
    price = Price.of({"input": 2, "output": 8})
    assert {name: getattr(price, name) for name in RATES} == {
        **dict.fromkeys(("input", "cached_input", "cache_write", "cache_write_1h"), 2_000_000),
        **dict.fromkeys(("output", "reasoning"), 8_000_000),
    }
    written = Price.of({"input": 2, "cache_write": 3, "output": 8})
    assert (written.cached_input, written.cache_write_1h) == (2_000_000, 3_000_000)


def test_a_tier_takes_what_it_leaves_out_from_below_it_and_tiers_stand_in_any_order() -> None:
    price = Price.of(
        {
            "input": 1,
            "cached_input": 0.1,
            "output": 4,
            "tiers": [{"above": 500, "output": 9}, {"above": 100, "input": 2}],
        }
    )
    first, second = price.tiers
    assert (first.above, first.input, first.cached_input, first.output) == (100, 2_000_000, 100_000, 4_000_000)
    assert (second.above, second.input, second.cache_write, second.reasoning) == (500, 2_000_000, 2_000_000, 9_000_000)


@pytest.mark.parametrize(("size", "per_token"), [(99, 1), (100, 1), (101, 2), (500, 2), (501, 3)])
def test_a_tier_holds_above_its_edge(size: int, per_token: int) -> None:
    tiers = [{"above": 100, "input": 2}, {"above": 500, "input": 3}]
    price = Price.of({"input": 1, "output": 1, "tiers": tiers})
    assert price.rates(size).input == per_token * 1_000_000


def test_a_free_model_costs_nothing() -> None:
    assert Price.of({"input": 0, "output": 0}).nanodollars(Cost(input=10**9, output=10**9)) == 0


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ({"output": 1}, "input"),
        ({"input": 1}, "output"),
        ({"input": "1", "output": 1}, "input"),
        ({"input": 1, "output": -1}, "output"),
        ({"input": 1, "output": float("nan")}, "output"),
        ({"input": 1, "output": float("inf")}, "output"),
        ({"input": True, "output": 1}, "input"),
        ({"input": 1, "output": 1, "cache_write": None}, "cache_write"),
        ({"input": 1, "output": 1, "reasoning": "9"}, "reasoning"),
        ({"input": 0.1234567, "output": 1}, "input"),
        ({"input": 1, "output": 1, "outptu": 1}, "outptu"),
        ({"input": 1, "output": 1, "tiers": {"above": 1}}, "tiers"),
        ({"input": 1, "output": 1, "tiers": [{"input": 2}]}, "above"),
        ({"input": 1, "output": 1, "tiers": [{"above": 0.5, "input": 2}]}, "above"),
        ({"input": 1, "output": 1, "tiers": [{"above": 100, "inptu": 2}]}, "inptu"),
        ({"input": 1, "output": 1, "tiers": [{"above": 100, "input": -2}]}, "input"),
    ],
)
def test_a_row_that_is_no_price_names_the_rate(row: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=f"`{named}`"):
        Price.of(row)


def test_a_row_says_what_would_have_been_right() -> None:
    with pytest.raises(ValueError, match=r"`input` has at most six decimals, a picodollar a token; found 0\.1234567"):
        Price.of({"input": 0.1234567, "output": 1})
    with pytest.raises(ValueError, match=r"takes no `outptu`; it takes input, .*, tiers, source, version, date, nomi"):
        Price.of({"input": 1, "outptu": 1})
    with pytest.raises(ValueError, match="two tiers above 100 tokens; one is right"):
        Price.of({"input": 1, "output": 1, "tiers": [{"above": 100}, {"above": 100}]})
    with pytest.raises(ValueError, match=r"a tier of a price is written \{above: 200000, .*\}; found 7"):
        Price.of({"input": 1, "output": 1, "tiers": [7]})


# -- the table ------------------------------------------------------------------------------------------------


def test_embedded_models_have_a_price_and_say_that_it_is_nominal() -> None:
    draft, target = prices.find("embedded/draft"), prices.find("embedded/target")
    assert draft and target
    assert draft.nominal and target.nominal
    assert draft.output < target.output
    assert draft.output == 400_000


def test_every_row_is_dated_and_sourced() -> None:
    names = ("embedded/draft", "embedded/target", "openai/gpt-5", "anthropic/claude-sonnet-4-5")
    rows = [price for name in names if (price := prices.ours(name))]
    assert len(rows) == 4
    assert all(row.date and row.source and row.version for row in rows)


def test_a_model_that_nobody_priced_has_no_price() -> None:
    assert prices.find("nobody/nothing") is None
