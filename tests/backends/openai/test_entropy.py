import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.backends.openai.entropy import lower_bound

WEIGHTS = st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=60)


def distribution(weights: list[float], sharpness: float = 1.0) -> list[float]:
    total = math.fsum(weight**sharpness for weight in weights)
    return sorted((weight**sharpness / total for weight in weights), reverse=True)


def entropy(p: list[float]) -> float:
    return -math.fsum(x * math.log(x) for x in p if x > 0)


def logs(p: list[float]) -> list[float]:
    return [math.log(x) if x > 0 else -math.inf for x in p]


@given(WEIGHTS, st.integers(1, 60), st.floats(0.1, 3))
def test_the_bound_of_the_likeliest_tokens_is_never_above_the_entropy(
    weights: list[float], k: int, sharp: float
) -> None:
    p = distribution(weights, sharp)
    assert 0 <= lower_bound(logs(p[:k]), k) <= entropy(p) + 1e-9


@given(WEIGHTS, st.data())
def test_nor_is_that_of_any_tokens_beside_the_likeliest(weights: list[float], data: st.DataObject) -> None:
    p = distribution(weights)
    some = [p[0], *(x for x in p[1:] if data.draw(st.booleans()))]
    assert 0 <= lower_bound(logs(some), len(some) + 1) <= entropy(p) + 1e-9


@given(WEIGHTS, st.integers(1, 20), st.integers(0, 59))
def test_nor_is_it_when_the_token_that_was_drawn_is_told_beside_the_likeliest(
    weights: list[float], k: int, drawn: int
) -> None:
    p = distribution(weights)
    told = p[:k] + ([p[drawn % len(p)]] if drawn % len(p) >= k else [])
    assert lower_bound(logs(told), k) <= entropy(p) + 1e-9


@given(WEIGHTS, st.integers(1, 20), st.integers(-6, 6))
def test_nor_is_it_when_a_server_rounds(weights: list[float], k: int, ulps: int) -> None:
    p = distribution(weights)
    rounded = [log * (1 + ulps * 2**-24) for log in logs(p[:k])]
    assert lower_bound(rounded, k) <= entropy(p) + 1e-9


def test_everything_told_is_nearly_the_entropy_itself() -> None:
    p = distribution([5, 4, 3, 2, 1])
    assert lower_bound(logs(p), 5) == pytest.approx(entropy(p), abs=1e-4)


def test_what_is_missing_adds_what_it_must() -> None:
    flat = [1 / 8] * 8
    assert lower_bound(logs(flat[:2]), 2) == pytest.approx(math.log(8), abs=1e-4)  # six more of at most 1/8
    assert lower_bound(logs(flat[:2]), 3) == pytest.approx(math.log(8), abs=1e-4)
    half = [0.5]
    assert lower_bound(logs(half), 1) == pytest.approx(math.log(2), abs=1e-4)  # one other token of a half
    assert lower_bound(logs([0.5, 0.25]), 2) == pytest.approx(1.5 * math.log(2), abs=1e-4)


@pytest.mark.parametrize("told", [[], [math.nan], [0.5], [0.0, 0.0], [-math.inf], [math.nan, -1.0]])
def test_what_is_no_distribution_says_nothing(told: list[float]) -> None:
    assert lower_bound(told, 2) == 0.0
