from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.budget import prices
from headgate.budget.cost import Cost
from headgate.budget.prices import Price

SONNET = Price.of({"input": 3.00, "cached_input": 0.30, "cache_write": 3.75, "output": 15.00})
COUNT = st.integers(0, 10**7)
RATE = st.integers(0, 10**9)
PRICES = st.builds(
    Price, input=RATE, cached_input=RATE, cache_write=RATE, output=RATE, source=st.just("x"), date=st.just("")
)


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


def test_a_call_is_rounded_up_once_and_not_once_a_class() -> None:
    cheap = Price(input=300, cached_input=300, cache_write=0, output=300, source="", date="")
    assert cheap.nanodollars(Cost(input=1)) == 1
    assert cheap.nanodollars(Cost(input=1, cached_input=1, output=1)) == 1
    assert cheap.nanodollars(Cost(input=1, cached_input=1, output=2)) == 2


@given(PRICES, COUNT, COUNT, COUNT, COUNT)
def test_a_price_is_the_exact_sum_rounded_up_to_a_nanodollar(
    price: Price, fresh: int, cached: int, written: int, output: int
) -> None:
    cost = Cost(input=fresh, cached_input=cached, cache_write=written, output=output)
    exact = Fraction(fresh * price.input + cached * price.cached_input, 1000)
    exact += Fraction(written * price.cache_write + output * price.output, 1000)
    assert 0 <= price.nanodollars(cost) - exact < 1


@given(PRICES, COUNT, COUNT, COUNT, COUNT)
def test_no_split_of_the_input_costs_more_than_the_dearest_class(
    price: Price, fresh: int, cached: int, written: int, output: int
) -> None:
    cost = Cost(input=fresh, cached_input=cached, cache_write=written, output=output)
    pico = (fresh + cached + written) * price.dearest_input + output * price.output
    assert price.nanodollars(cost) <= -(-pico // 1000)


def test_pricing_fills_in_the_price_and_nothing_else() -> None:
    cost = Cost(input=10, output=5, calls=1, seconds=0.5)
    assert SONNET.priced(cost) == Cost(input=10, output=5, calls=1, seconds=0.5, nanodollars=105_000)


def test_rates_that_a_row_lacks_are_those_of_fresh_input() -> None:
    price = Price.of({"input": 2, "output": 8})
    assert (price.input, price.cached_input, price.cache_write, price.output) == (2_000_000,) * 3 + (8_000_000,)


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
    ],
)
def test_a_row_that_is_no_price_names_the_rate(row: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=f"`{named}`"):
        Price.of(row)


def test_embedded_models_have_a_price_and_say_that_it_is_nominal() -> None:
    draft, target = prices.find("embedded/draft"), prices.find("embedded/target")
    assert draft and target
    assert draft.nominal and target.nominal
    assert draft.output < target.output
    assert draft.output == 400_000


def test_every_row_is_dated_and_sourced() -> None:
    rows = [price for name in ("embedded/draft", "openai/gpt-5") if (price := prices.find(name))]
    assert len(rows) == 2
    assert all(row.date and row.source for row in rows)


def test_a_model_that_nobody_priced_has_no_price() -> None:
    assert prices.find("nobody/nothing") is None
