"""What hosted models cost, from the table that the package genai-prices carries; never from the network.

A row of theirs is taken over only where it says one price for every call that headgate makes: text in, text out, at
the standard service tier. Prices by the hour of the day, by request or by character, and separate prices for pictures
or sound that a model may answer with, have no place in our rows, and such a row counts as none.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, TieredPrices

_CLASSES: Final = {
    "input_mtok": "input",
    "cache_read_mtok": "cached_input",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "output_mtok": "output",
    "output_reasoning_mtok": "reasoning",
}
_NEVER_SENT: Final = ("input_audio_", "input_image_", "input_video_", "cache_audio_", "cache_image_", "cache_video_")
_NEVER_ASKED: Final = ("web_searches_", "social_searches_", "storage_searches_", "code_executions_")


def row(provider: str, model: str, on: date) -> dict[str, object] | None:
    """A row as `Price.of` reads it, of what holds on a day; None without the package, or without an exact row."""
    try:
        from genai_prices.data import providers
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("genai_prices"):
            raise
        return None
    host = next((one for one in providers if one.id == provider), None)
    # without their fallback to the prices of another provider, who may charge something else
    found = host.find_model(model) if host else None
    if found is None or (rates := converted(found, on)) is None:
        return None
    about = {"source": f"genai-prices: {provider}/{found.id}", "version": version("genai-prices")}
    return {**rates, **about, "date": on.isoformat()}


def converted(model: ModelInfo, on: date) -> dict[str, object] | None:
    """The rates and tiers of their row that hold on a day, as `Price.of` reads them; None where ours cannot say it."""
    prices = _in_force(model, on)
    return _rates(prices) if prices else None


def _in_force(model: ModelInfo, on: date) -> ModelPrice | None:
    from genai_prices.types import ModelPrice, StartDateConstraint

    if isinstance(model.prices, ModelPrice):
        return model.prices
    for conditional in reversed(model.prices):  # the last one that holds takes precedence
        since = conditional.constraint
        if since is not None and not isinstance(since, StartDateConstraint):
            return None
        if since is None or since.start_date <= on:
            return conditional.prices
    return None


def _rates(price: ModelPrice) -> dict[str, object] | None:
    from genai_prices.types import TieredPrices

    values: dict[str, Decimal | TieredPrices] = {
        key: value
        for key, value in vars(price).items()
        if value is not None and not key.startswith((*_NEVER_SENT, *_NEVER_ASKED))
    }
    if not {"input_mtok", "output_mtok"} <= values.keys() <= _CLASSES.keys():
        return None
    tiered = {_CLASSES[key]: value for key, value in values.items() if isinstance(value, TieredPrices)}
    flat = {_CLASSES[key]: value for key, value in values.items() if isinstance(value, Decimal)}
    starts = sorted({tier.start for value in tiered.values() for tier in value.tiers})
    tiers = [{"above": start, **{name: _above(value, start) for name, value in tiered.items()}} for start in starts]
    return {**flat, **{name: value.base for name, value in tiered.items()}, "tiers": tiers}


def _above(price: TieredPrices, start: int) -> Decimal:
    """What holds just above a number of tokens."""
    return next((tier.price for tier in reversed(price.tiers) if tier.start <= start), price.base)
