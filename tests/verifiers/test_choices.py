"""Multiple choice: by letter, by text, and what is ambiguous."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.verifiers import choices
from headgate.verifiers.base import Problem

CAPITALS = ("Paris", "Rome", "B", "10 km")


@pytest.mark.parametrize(
    ("answer", "index"),
    [
        ("a", 0),
        ("B", 2),  # the text of a choice before the letter of another
        ("(B)", 1),
        ("C", 2),
        ("d)", 3),
        ("A. Paris", 0),
        ("a: paris.", 0),
        ("ROME", 1),
        (r"\text{Rome}", 1),
        ("10 km", 3),
    ],
)
def test_a_choice_is_named_by_letter_or_by_text(answer: str, index: int) -> None:
    assert choices.index(answer, CAPITALS) == index


@pytest.mark.parametrize("answer", ["", "E", "A. Rome", "A or B", "Paris and Rome", "1", "ä"])
def test_what_names_none_or_two_is_no_choice(answer: str) -> None:
    assert choices.index(answer, CAPITALS) is None


def test_answer_and_reference_may_name_the_same_choice_differently() -> None:
    problem = Problem(text="?", choices=CAPITALS, reference="B. Rome", verifier="choices")
    assert choices.right("Rome", problem)
    assert not choices.right("Paris", problem)
    assert not choices.right("nothing", problem)


@pytest.mark.parametrize(
    ("given_choices", "reference", "said"),
    [
        ((), "A", "there are 0 `choices`; give at least 2"),
        (("x",), "A", "there are 1 `choices`"),
        (CAPITALS, "Madrid", "the answer `Madrid` is none of the choices; write its letter, or its text"),
        (CAPITALS, "Paris", ""),
        (CAPITALS, None, ""),
    ],
)
def test_choices_that_cannot_be_judged_say_why(
    given_choices: tuple[str, ...], reference: str | None, said: str
) -> None:
    found = choices.lacks(Problem(text="?", choices=given_choices, reference=reference))
    assert said in found if said else not found


@given(st.text(max_size=20))
def test_any_text_names_a_choice_or_none(answer: str) -> None:
    found = choices.index(answer, CAPITALS)
    assert found is None or 0 <= found < len(CAPITALS)
