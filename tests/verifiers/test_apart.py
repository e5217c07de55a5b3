"""Foreign verifiers in a process of their own: formulas, data sets, and what hangs, prints or breaks."""

import time
from collections.abc import Iterator

import pytest

from headgate.verifiers.apart import Apart

pytest.importorskip("math_verify")


@pytest.fixture(scope="module")
def judges() -> Iterator[Apart]:
    apart = Apart()
    yield apart
    apart.close()


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        (r"2\sqrt{2}", r"\sqrt{8}"),
        ("1+x^2", "x^2+1"),
        ("(1, 2)", "(1,2)"),
        (r"\frac12", "0.5"),
        (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}"),
    ],
)
def test_equal_formulas_are_right(judges: Apart, answer: str, reference: str) -> None:
    assert judges.ask("math", answer, {"reference": reference})


@pytest.mark.parametrize(
    ("answer", "reference"), [("(2,1)", "(1,2)"), ("x^2", "x^3"), ("", "2"), (r"\frac{1}{", "1"), ("[0,1)", "[0,1]")]
)
def test_other_formulas_are_wrong(judges: Apart, answer: str, reference: str) -> None:
    assert not judges.ask("math", answer, {"reference": reference})


def test_what_takes_for_ever_is_ended_and_the_next_answer_is_judged(judges: Apart) -> None:
    judges.ask("math", "1", {"reference": "1"})
    began = time.perf_counter()
    assert not judges.ask("math", "9^{9^{9^{9}}}", {"reference": "2"}, timeout_s=1)
    assert time.perf_counter() - began < 4
    assert judges.ask("math", "1+x", {"reference": "x+1"})


def test_what_cannot_be_judged_at_all_is_wrong(judges: Apart) -> None:
    assert not judges.ask("nobody", "1", {})
    assert not judges.ask("math", "1", {})
    assert not judges.ask("math", "\ud800", {"reference": "1"})


def test_a_data_set_scores_its_own_answers() -> None:
    pytest.importorskip("reasoning_gym")
    apart = Apart()
    entry = {"question": "1 + 1 =", "answer": "2", "metadata": {}}
    assert apart.ask("reasoning_gym", "2", {"dataset": "chain_sum", "level": None, "entry": entry})
    assert not apart.ask("reasoning_gym", "3", {"dataset": "chain_sum", "level": None, "entry": entry})
    assert not apart.ask(
        "reasoning_gym", "2 or 3", {"dataset": "chain_sum", "level": None, "entry": entry}
    )  # a part of the score
    assert not apart.ask("reasoning_gym", "2", {"dataset": "none", "level": None, "entry": entry})
    apart.close()
    apart.close()
