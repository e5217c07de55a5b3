"""When a text ends for its uncertainty: the rule itself, over entropies that are given."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from headgate.backends.base import EntropyStop

NATS = some.lists(some.floats(0, 10), min_size=1, max_size=12)


def end(entropies: list[float], **rule: Any) -> int | None:
    """Before which token a text with these entropies ends."""
    stop = EntropyStop(**rule)
    return next((at for at in range(len(entropies)) if stop.ends(entropies[: at + 1])), None)


@pytest.mark.parametrize(
    ("entropies", "rule", "at"),
    [
        ([0.1, 0.9, 0.2], {"above": 0.5}, 1),
        ([0.1, 0.5, 0.2], {"above": 0.5}, None),
        ([0.1, 0.5, 0.2], {"at_most": 0.1}, 0),
        ([0.6, 0.5, 0.2], {"at_most": 0.5}, 1),
        ([0.6, 0.9, 0.2], {"above": 0.5, "within": 0}, None),
        ([0.1, 0.9, 0.2], {"above": 0.5, "within": 1}, None),
        ([0.6, 0.9, 0.2], {"above": 0.5, "within": 1}, 0),
        ([0.6, 0.9, 0.7], {"above": 0.5, "after": 2}, 2),
        ([0.0, 0.0, 0.0, 3.0], {"above": 0.5, "window": 3}, 3),
        ([9.0, 0.0, 0.0, 0.0], {"above": 0.5, "window": 3}, 2),
        ([9.0, 9.0], {"above": 0.5, "window": 3}, None),
        ([0.0, 0.0], {"above": 0.5, "window": 3, "before": (9.0,)}, 1),
        ([0.0, 0.0], {"above": 0.5, "window": 2, "before": (9.0, 0.0)}, None),
        ([0.0], {"above": 0.5, "window": 2, "before": (0.0, 9.0)}, 0),
    ],
)
def test_a_text_ends_before_the_first_token_at_which_the_mean_leaves_its_bounds(
    entropies: list[float], rule: dict[str, Any], at: int | None
) -> None:
    assert end(entropies, **rule) == at


@given(NATS, some.integers(1, 5))
def test_without_bounds_nothing_ends_and_with_one_below_all_the_first_full_window_does(
    entropies: list[float], window: int
) -> None:
    assert end(entropies, window=window) is None
    assert end(entropies, above=-1.0, window=window) == (window - 1 if len(entropies) >= window else None)


@given(NATS, some.integers(1, 5), some.floats(0, 10), some.integers(0, 11))
def test_a_text_in_two_calls_ends_where_it_ends_in_one(
    entropies: list[float], window: int, above: float, cut: int
) -> None:
    whole = end(entropies, above=above, window=window)
    first = end(entropies[:cut], above=above, window=window)
    rest = end(entropies[cut:], above=above, window=window, before=tuple(entropies[:cut]))
    assert whole == (first if first is not None else None if rest is None else cut + rest)


def test_an_entropy_that_nobody_knows_ends_nothing() -> None:
    assert end([math.nan, math.nan], above=0.0, at_most=9.0) is None


def test_a_window_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one entropy"):
        EntropyStop(window=0)
