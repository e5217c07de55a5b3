"""Rates: picodollars per token by class, how they are written, and what a call costs at them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final, Self, cast

from .cost import Cost

RATES: Final = ("input", "cached_input", "cache_write", "cache_write_1h", "output", "reasoning")
_LIKE: Final = {"cached_input": "input", "cache_write": "input", "cache_write_1h": "cache_write", "reasoning": "output"}
_MILLION: Final = 1_000_000  # picodollars per token in a dollar per million tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Picodollars per token.

    cache_write: kept for five minutes, or for as long as the provider likes; cache_write_1h: for an hour.
    reasoning: of the generated tokens, those spent on thinking.
    """

    input: int
    cached_input: int
    cache_write: int
    cache_write_1h: int
    output: int
    reasoning: int

    def picodollars(self, cost: Cost) -> int:
        """What a call costs at these rates; a part of a class is priced on its own and taken off the class."""
        read = cost.input * self.input + cost.cached_input * self.cached_input
        hour = cost.cache_write_1h
        written = (cost.cache_write - hour) * self.cache_write + hour * self.cache_write_1h
        return read + written + (cost.output - cost.reasoning) * self.output + cost.reasoning * self.reasoning

    def dearest(self, prompt: int, output: int) -> int:
        """Picodollars that no split of a prompt and of what is generated into classes exceeds."""
        read = max(self.input, self.cached_input, self.cache_write, self.cache_write_1h)
        return prompt * read + output * max(self.output, self.reasoning)

    def dollars(self) -> dict[str, int | float]:
        """Per million tokens, as rows are written; exact, since a float keeps fifteen digits and no rate has more."""
        pico = {name: cast(int, getattr(self, name)) for name in RATES}
        return {name: rate // _MILLION if rate % _MILLION == 0 else rate / _MILLION for name, rate in pico.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier(Rates):
    """Rates that hold for the whole of a call whose prompt has more than `above` tokens."""

    above: int

    @classmethod
    def ladder(cls, below: Mapping[str, object], written: object) -> tuple[Self, ...]:
        """Read a row's tiers, in any order. Raises: ValueError."""
        if not isinstance(written, list | tuple):
            raise ValueError(f"a price's `tiers` are a list such as [{{above: 200000, input: 6}}]; found {written!r}")
        rows = sorted((_tier(tier) for tier in cast(Iterable[object], written)), key=lambda tier: tier[0])
        tiers: list[Self] = []
        for above, row in rows:
            if tiers and tiers[-1].above == above:
                raise ValueError(f"a price has two tiers above {above} tokens; one is right")
            below = {**below, **row}
            tiers.append(cls(above=above, **rates_of(below)))
        return tuple(tiers)


def rates_of(row: Mapping[str, object]) -> dict[str, int]:
    """Every rate in picodollars per token, from dollars per million. Raises: ValueError naming the rate."""
    filled = dict(row)
    for name, like in _LIKE.items():
        if name not in filled and like in filled:
            filled[name] = filled[like]
    return {name: _pico(name, filled.get(name)) for name in RATES}


def refuse_unknown(row: Mapping[str, object], known: Iterable[str], what: str) -> None:
    """Raises: ValueError naming the first key that is none of the known."""
    if unknown := next((key for key in row if key not in known), None):
        raise ValueError(f"{what} takes no `{unknown}`; it takes {', '.join(known)}")


def _tier(written: object) -> tuple[int, Mapping[str, object]]:
    if not isinstance(written, Mapping):
        raise ValueError(f"a tier of a price is written {{above: 200000, input: 6, output: 22.5}}; found {written!r}")
    row = dict(cast(Mapping[str, object], written))
    refuse_unknown(row, ("above", *RATES), "a tier of a price")
    above = row.pop("above", None)
    if isinstance(above, bool) or not isinstance(above, int) or above < 0:
        raise ValueError(f"a tier of a price needs `above` in whole tokens of prompt, such as 200000; found {above!r}")
    return above, row


def _pico(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not 0 <= value < 1e9:
        raise ValueError(f"a price needs `{name}` in dollars per million tokens, such as 0.40; found {value!r}")
    pico = Fraction(str(value)) * _MILLION
    if pico.denominator != 1:
        raise ValueError(f"a price's `{name}` has at most six decimals, a picodollar a token; found {value!r}")
    return int(pico)
