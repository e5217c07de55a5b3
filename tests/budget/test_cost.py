from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.budget.cost import Cost, Limits, parse_amount

COUNT = st.integers(0, 10**6)
COSTS = st.builds(
    Cost,
    input=COUNT,
    cached_input=COUNT,
    cache_write=COUNT,
    cache_write_1h=COUNT,
    output=COUNT,
    reasoning=COUNT,
    calls=COUNT,
    tool_calls=st.dictionaries(st.sampled_from(["search", "shell", "calculator"]), st.integers(1, 9)),
    nanodollars=COUNT,
)


def counted(cost: Cost) -> dict[str, object]:
    """Every unit; a tool that was never called counts as absent."""
    values = cost.as_dict()
    return values | {"tool_calls": {name: n for name, n in cost.tool_calls.items() if n}}


def test_tokens_are_new_work_and_leave_out_what_came_from_a_cache() -> None:
    assert Cost(input=10, cached_input=1000, cache_write=3, cache_write_1h=2, output=20, reasoning=15).tokens == 33


def test_dollars_are_nanodollars_for_people() -> None:
    assert Cost(nanodollars=1_500_000_000).dollars == 1.5


@given(COSTS, COSTS, COSTS)
def test_sums_do_not_depend_on_order(a: Cost, b: Cost, c: Cost) -> None:
    assert counted(a + b) == counted(b + a)
    assert counted((a + b) + c) == counted(a + (b + c))


@given(COSTS, COSTS)
def test_taking_away_undoes_adding(a: Cost, b: Cost) -> None:
    assert counted(a + b - b) == counted(a)


@given(COSTS, COSTS)
def test_units_of_a_sum_are_the_sums_of_the_units(a: Cost, b: Cost) -> None:
    left, right, both = a.units(), b.units(), (a + b).units()
    assert both == {unit: left.get(unit, 0) + right.get(unit, 0) for unit in {**left, **right}}


def test_tool_calls_are_capped_by_name_and_together() -> None:
    units = Cost(tool_calls={"search": 2, "shell": 1}).units()
    assert (units["tool_calls"], units["tool_calls.search"], units["tool_calls.shell"]) == (3, 2, 1)
    assert Limits(tool_calls={"search": 2}).caps() == {"tool_calls.search": 2}
    assert Limits(tool_calls=4).caps() == {"tool_calls": 4}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (20000, "20000"),
        ("20k", "20000"),
        ("1.5M", "1500000"),
        ("2g", "2000000000"),
        (0.05, "0.05"),
        ("$0.05", "0.05"),
        ("20,000", "20000"),
        ("1,234,567.5", "1234567.5"),
        ("20_000", "20000"),
        ("1e3", "1000"),
        (Decimal("0.1"), "0.1"),
        (0, "0"),
        (" 7 ", "7"),
    ],
)
def test_an_amount_is_read_as_people_write_it(written: int | float | str | Decimal, meant: str) -> None:
    assert parse_amount(written) == Decimal(meant)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "k",
        "-1",
        "nan",
        "inf",
        "-inf",
        "sNaN",
        "ten",
        "1kk",
        "1 2",
        "--1",
        "$",
        float("nan"),
        float("inf"),
        -0.5,
    ],
)
def test_what_is_no_amount_is_refused_with_the_right_spelling(written: str | float) -> None:
    with pytest.raises(ValueError, match="write"):
        parse_amount(written, "tokens")


@pytest.mark.parametrize("written", ["0,05", "1,5k", "12,34", ",5", "1,2345"])
def test_a_decimal_comma_is_refused_rather_than_read_as_a_hundred_times_as_much(written: str) -> None:
    with pytest.raises(ValueError, match="write"):
        parse_amount(written)


@pytest.mark.parametrize("written", ["1e999999999", "1e99999999999999999999", "9" * 40 + "G", "1e300"])
def test_an_absurd_amount_is_refused_at_once(written: str) -> None:
    for unit in ("tokens", "dollars", "seconds"):
        with pytest.raises(ValueError, match="write"):
            Limits.of({unit: written})


@given(st.text(max_size=12))
def test_any_text_is_an_amount_or_a_value_error(text: str) -> None:
    try:
        assert parse_amount(text) >= 0
    except ValueError as error:
        assert "write" in str(error)


def test_limits_read_a_whole_budget() -> None:
    limits = Limits.of({"tokens": "20k", "output": 500, "tool_calls": {"search": 3}, "dollars": 0.05, "seconds": "60"})
    assert limits == Limits(tokens=20_000, output=500, tool_calls={"search": 3}, dollars=Decimal("0.05"), seconds=60.0)
    assert limits.caps() == {
        "tokens": 20_000,
        "output": 500,
        "tool_calls.search": 3,
        "nanodollars": 50_000_000,
    }


def test_none_is_no_limit() -> None:
    assert Limits.of({"tokens": None}) == Limits()
    assert Limits().caps() == {}


def test_an_unknown_unit_is_named_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="no `token`; it has tokens, output, tool_calls, dollars, seconds"):
        Limits.of({"token": 5})


@pytest.mark.parametrize("values", [{"tokens": "1.5"}, {"output": 0.5}, {"tool_calls": {"search": 1.5}}])
def test_whole_units_are_whole(values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="is not whole; write"):
        Limits.of(values)


@pytest.mark.parametrize("value", [True, [], object(), {"a": 1}])
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="is no amount"):
        Limits.of({"tokens": value})


@given(st.integers(0, 10**15))
def test_dollars_are_exact_to_the_nanodollar(nanodollars: int) -> None:
    written = f"{Decimal(nanodollars) / 10**9:.9f}"
    assert Limits.of({"dollars": written}).caps() == {"nanodollars": nanodollars}


def test_less_than_a_nanodollar_is_not_rounded_up() -> None:
    assert Limits.of({"dollars": "0.0000000019"}).caps() == {"nanodollars": 1}
