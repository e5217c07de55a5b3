"""What is said of a strategy beside chance is right where the answer is known."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from headgate.benchmarks.strategies import Bench, Controls, Row, Rule, between, chosen

N = 400


def row(right: Sequence[bool], dollars: Sequence[int], target: Sequence[int]) -> Row:
    return Row(list(right), list(dollars), list(target), {}, 1.0)


DRAFT = row([i % 2 == 0 for i in range(N)], [10] * N, [0] * N)
TARGET = row([i % 10 > 0 for i in range(N)], [100] * N, [80] * N)
ALONE = Controls(DRAFT, TARGET)


def mixed(every: int) -> Row:
    """The target for one problem in so many, drawn without regard to what either gets right."""
    sent = [i // 10 % every == 0 for i in range(N)]
    both = zip(sent, DRAFT.right, TARGET.right, strict=True)
    return row(
        [own if to else draft for to, draft, own in both], [10 + 90 * to for to in sent], [80 * to for to in sent]
    )


def test_the_line_goes_through_its_points_and_is_level_beyond_them() -> None:
    points = [(3.0, 0.9), (1.0, 0.5), (2.0, 0.6)]
    assert [between(points, x) for x in (0.0, 1.0, 1.5, 2.5, 3.0, 9.0)] == pytest.approx(
        [0.5, 0.5, 0.55, 0.75, 0.9, 0.9]
    )


@pytest.mark.parametrize("every", [2, 4, 8])
def test_a_coin_is_not_above_itself(every: int) -> None:
    for curve in (ALONE.dollars, ALONE.tokens):
        low, high = curve.interval(mixed(every))
        assert curve.gain(mixed(every)) == pytest.approx(0)
        assert low < 0 < high


def test_a_signal_is_above_the_coin_by_what_it_adds() -> None:
    half = mixed(2)
    seeing = row(TARGET.right, half.nanodollars, half.target)
    assert ALONE.dollars.gain(seeing) == pytest.approx(0.2) == ALONE.tokens.gain(seeing)
    low, high = ALONE.dollars.interval(seeing)
    assert 0.1 < low < 0.2 < high < 0.3
    assert ALONE.share(seeing) == 0.5


def test_what_costs_dollars_and_no_tokens_is_above_one_coin_alone() -> None:
    half = mixed(2)
    judged = row(half.right, [100] * N, half.target)
    assert ALONE.tokens.gain(judged) == pytest.approx(0)
    assert ALONE.dollars.gain(judged) == pytest.approx(-0.2)


def test_a_coin_for_each_step_is_a_line_through_what_it_was_seen_to_buy() -> None:
    poor = row(DRAFT.right, [55] * N, [40] * N)
    assert Controls(DRAFT, TARGET, [poor]).steps.gain(mixed(2)) == pytest.approx(0.2)


ROWS = {0.1: row(TARGET.right, [100] * N, [72] * N), 0.5: row(TARGET.right, [120] * N, [40] * N), 0.9: mixed(8)}


class Known(Bench):
    """A bench whose settings need no running."""

    def rule(self, rule: Rule, value: float) -> Row:
        return ROWS[value]

    def alone(self, model: str) -> Row:
        return {"draft": DRAFT, "target": TARGET}[model]


def test_values_are_chosen_by_dollars_by_tokens_and_by_what_is_as_good_as_the_target() -> None:
    rule = Rule("spec_reason", "threshold", (0.1, 0.5, 0.9), quarter=True)
    found = chosen(Known("known", (), Path(), 1), rule)
    assert found == {0.1: "dollars", 0.5: "tokens, cheap", 0.9: "quarter"}
