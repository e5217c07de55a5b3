"""Rows taken over from genai-prices say what its own calculation says, or nothing."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from genai_prices import data
from genai_prices.data import providers
from genai_prices.types import (
    ClauseEquals,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    Provider,
    StartDateConstraint,
    Tier,
    TieredPrices,
    TimeOfDateConstraint,
    Usage,
)

from headgate.budget import hosted, prices
from headgate.budget.cost import Cost
from headgate.budget.prices import Price

TODAY = date(2026, 11, 21)
CALLS = [
    Cost(input=1_000, output=500),
    Cost(input=7, cached_input=90_000, cache_write=11, cache_write_1h=4, output=1_234, reasoning=1_001),
    Cost(input=50_000, cached_input=150_001, cache_write=3_000, output=64_000, reasoning=64_000),
    Cost(input=300_000, cached_input=700_000, cache_write=9, cache_write_1h=9, output=1),
]


def model(**rates: Any) -> ModelInfo:
    values = {name: value if isinstance(value, TieredPrices) else Decimal(value) for name, value in rates.items()}
    return ModelInfo(id="m", match=ClauseEquals("m"), prices=ModelPrice(**values))


def tiered(base: str, *tiers: tuple[int, str]) -> TieredPrices:
    return TieredPrices(base=Decimal(base), tiers=[Tier(start=start, price=Decimal(rate)) for start, rate in tiers])


def theirs(host: Provider, one: ModelInfo, call: Cost) -> Decimal:
    """What their own calculation says, in picodollars."""
    usage = Usage(
        input_tokens=call.input + call.cached_input + call.cache_write,
        cache_read_tokens=call.cached_input,
        cache_write_tokens=call.cache_write,
        cache_write_1h_tokens=call.cache_write_1h,
        output_tokens=call.output,
        output_reasoning_tokens=call.reasoning,
    )
    noon = datetime.combine(TODAY, time(12), UTC)
    return one.calc_price(usage, host, genai_request_timestamp=noon).total_price * 10**12


def taken() -> Iterator[tuple[Provider, ModelInfo, Price]]:
    for host in providers:
        for one in host.models:
            if row := hosted.converted(one, TODAY):
                try:
                    yield host, one, Price.of(row)
                except ValueError:  # finer than a picodollar
                    continue


def test_every_row_that_is_taken_over_prices_calls_as_they_do() -> None:
    rows = list(taken())
    assert len(rows) > 1000
    checked = rows[::5] + [row for row in rows if row[2].tiers or row[2].reasoning != row[2].output]
    for host, one, price in checked:
        for call in CALLS:
            rates = price.rates(call.input + call.cached_input + call.cache_write)
            assert rates.picodollars(call) == theirs(host, one, call), f"{host.id}/{one.id}"


def test_models_are_found_by_provider_and_name_and_say_where_their_price_is_from() -> None:
    price = prices.find("openai/gpt-5-mini", on=TODAY)
    assert price is not None
    assert price.output > 0
    assert price.source == "genai-prices: openai/gpt-5-mini"
    assert (price.date, price.nominal) == ("2026-11-21", False)
    assert price.version
    assert prices.find("openai/gpt-5-mini", on=TODAY) is price


def test_a_dated_name_of_a_model_finds_its_row() -> None:
    assert hosted.row("anthropic", "claude-sonnet-4-5-20250929", TODAY) is not None


def test_our_own_row_goes_first() -> None:
    price = prices.find("anthropic/claude-sonnet-4-5")
    assert price is not None
    assert price is prices.ours("anthropic/claude-sonnet-4-5")
    assert hosted.row("anthropic", "claude-sonnet-4-5", TODAY) is not None


@pytest.mark.parametrize("name", ["gpt-5-mini", "openai/", "/gpt-5-mini", "./openai/gpt-5-mini", "nobody/gpt-5-mini"])
def test_a_name_that_is_no_provider_and_model_has_no_price(name: str) -> None:
    assert prices.find(name) is None


def test_a_provider_is_never_priced_as_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their own look-up would take another provider's price for a model that one merely resells."""
    maker = Provider(id="maker", name="", api_pattern="", models=[model(input_mtok="1", output_mtok="4")])
    seller = Provider(id="seller", name="", api_pattern="", fallback_model_providers=["maker"])
    monkeypatch.setattr(data, "providers", [maker, seller])
    assert hosted.row("maker", "m", TODAY) is not None
    assert hosted.row("seller", "m", TODAY) is None


# -- what is taken over, and what is not ----------------------------------------------------------------------


def test_all_classes_are_taken_over_and_tiers_whose_edges_differ_are_merged() -> None:
    row = hosted.converted(
        model(
            input_mtok=tiered("1", (100, "2"), (500, "3")),
            cache_read_mtok="0.1",
            cache_write_mtok=tiered("1.25", (300, "2.5")),
            cache_write_1h_mtok="2",
            output_mtok="4",
            output_reasoning_mtok="3",
        ),
        TODAY,
    )
    assert row is not None
    price = Price.of(row)
    at = {size: price.rates(size) for size in (100, 101, 301, 501)}
    assert [at[size].input for size in at] == [1_000_000, 2_000_000, 2_000_000, 3_000_000]
    assert [at[size].cache_write for size in at] == [1_250_000, 1_250_000, 2_500_000, 2_500_000]
    assert {(r.cached_input, r.cache_write_1h, r.output, r.reasoning) for r in at.values()} == {
        (100_000, 2_000_000, 4_000_000, 3_000_000)
    }


@pytest.mark.parametrize(
    "charge",
    [
        {"input_audio_mtok": "9"},
        {"input_image_mtok": "9", "cache_image_read_mtok": "1"},
        {"web_searches_kcount": "10"},
    ],
)
def test_charges_for_what_is_never_sent_do_not_matter(charge: dict[str, str]) -> None:
    assert hosted.converted(model(input_mtok="1", output_mtok="4", **charge), TODAY) == hosted.converted(
        model(input_mtok="1", output_mtok="4"), TODAY
    )


@pytest.mark.parametrize(
    "rates",
    [
        {"input_mtok": "1", "output_mtok": "4", "requests_kcount": "5"},
        {"input_mtok": "1", "output_mtok": "4", "output_image_mtok": "30"},
        {"input_mtok": "1", "output_mtok": "4", "output_citation_mtok": "2"},
        {"input_mtok": "1", "output_mtok": "4", "input_text_mtok": "0.5"},
        {"input_mtok": "1", "output_mtok": "4", "cache_write_mtok": "1", "cache_write_5m_mtok": "2"},
        {"input_mchars": "1"},
        {"input_mtok": "1"},
        {"output_mtok": "1"},
        {},
    ],
)
def test_a_row_that_ours_cannot_say_exactly_counts_as_none(rates: dict[str, str]) -> None:
    assert hosted.converted(model(**rates), TODAY) is None


def test_a_rate_finer_than_a_picodollar_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    third = model(input_mtok="1", cache_write_mtok="0.0833333333333333", output_mtok="4")
    monkeypatch.setattr(data, "providers", [Provider(id="fine", name="", api_pattern="", models=[third])])
    assert hosted.row("fine", "m", TODAY) is not None
    assert prices.find("fine/m", on=TODAY) is None


def test_prices_that_change_by_date_are_those_of_the_day_and_by_the_hour_are_none() -> None:
    now, later = (ModelPrice(input_mtok=Decimal(rate), output_mtok=Decimal(rate)) for rate in ("1", "2"))
    first, start = ConditionalPrice(prices=now), StartDateConstraint(date(2026, 12, 1))
    night = TimeOfDateConstraint(time(0, 30, tzinfo=UTC), time(16, 30, tzinfo=UTC))
    dated = ModelInfo(id="m", match=ClauseEquals("m"), prices=[first, ConditionalPrice(start, prices=later)])
    nightly = ModelInfo(id="m", match=ClauseEquals("m"), prices=[first, ConditionalPrice(night, prices=later)])
    future = ModelInfo(id="m", match=ClauseEquals("m"), prices=[ConditionalPrice(start, prices=later)])
    assert [hosted.converted(dated, day)["input"] for day in (TODAY, date(2026, 12, 1))] == [1, 2]  # type: ignore[index]
    assert hosted.converted(nightly, TODAY) is None
    assert hosted.converted(future, TODAY) is None


# -- the package itself ---------------------------------------------------------------------------------------


def test_without_the_package_only_our_rows_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    monkeypatch.setitem(sys.modules, "genai_prices.data", None)
    assert hosted.row("openai", "gpt-5-mini", TODAY) is None


def test_a_price_is_found_without_the_network_and_our_own_without_the_package() -> None:
    code = """
import sys
def refuse(event, arguments):
    if event.startswith("socket."):
        raise SystemExit(event)
sys.addaudithook(refuse)
import headgate
from headgate.budget import prices
assert prices.find("openai/gpt-5") and prices.find("gpt-5-mini") is None and prices.find("/models/x") is None
assert "genai_prices" not in sys.modules
assert prices.find("openai/gpt-5-mini") and "genai_prices" in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
