import math

import pytest

from headgate.orchestrator.html.figures import DIGITS, figures
from headgate.orchestrator.traces import Step


def step(lengths: tuple[int, ...], logprobs: tuple[float | None, ...] = (), entropies: tuple[float, ...] = ()) -> Step:
    told = {"lengths": lengths, "logprobs": logprobs, "entropies": entropies}
    return Step(id=1, path="p/s/step-0", index=0, author="draft", kept=True, text="", began=0, ended=0, **told)  # type: ignore[arg-type]


def hundredths(text: str) -> int:
    return 64 * DIGITS.index(text[0]) + DIGITS.index(text[1])


def test_a_step_without_figures_takes_no_room() -> None:
    assert figures(step(())) == []


def test_figures_are_kept_to_the_hundredth() -> None:
    lengths, logprobs, entropies = figures(step((3, 0, 63), (-0.357, 0.0, -12.344), (1.25, 0.004, 3.999)))
    assert [DIGITS.index(digit) for digit in lengths] == [3, 0, 63]
    assert [hundredths(logprobs[i : i + 2]) for i in (0, 2, 4)] == [36, 0, 1234]
    assert [hundredths(entropies[i : i + 2]) for i in (0, 2, 4)] == [125, 0, 400]


@pytest.mark.parametrize("value", [-41.0, -1e9, -math.inf])
def test_what_is_too_unlikely_to_write_is_the_most_that_can_be_written(value: float) -> None:
    assert hundredths(figures(step((1,), (value,)))[1]) == 4095


def test_a_figure_that_nobody_told_is_two_dots_and_none_at_all_is_nothing() -> None:
    assert figures(step((1, 1), (None, -1.0)))[1:] == ["..Bk", ""]


def test_a_long_token_is_written_with_a_dot() -> None:
    assert figures(step((64,)))[0] == ".ABA"
