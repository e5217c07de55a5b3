import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.backends.base import Completion, Context
from headgate.backends.dialect import Dialect
from headgate.backends.model import Model
from headgate.backends.scripted import Replies, Scripted, Table
from headgate.budget.cost import Cost
from headgate.budget.ledger import Ledger
from headgate.verifiers.base import Step
from headgate.verifiers.digit_judge import DIGITS, DigitJudge, Reading, read

STEP = Step(completion=Completion(text="2 + 2 = 4\n\n", stop="delimiter", usage=Cost()), author="draft")
ASK = Context.ask("What is 2 + 2?")
LOGPROBS = st.dictionaries(st.sampled_from(DIGITS), st.floats(-2000, 0) | st.just(-math.inf))


def judge(row: dict[str, float], reading: Reading = "expected") -> DigitJudge:
    """A judge that is sure to answer like this, whatever it is asked."""
    backend = Scripted(Table({":": row}), dialect=Dialect(judge_prefill="score:"))
    return DigitJudge(Model(name="target", backend=backend, ledger=Ledger()), reading)


@pytest.mark.parametrize(
    ("row", "greedy", "expected"),
    [
        ({"7": 1.0}, 7.0, 7.0),
        ({"9": 0.5, "0": 0.3, "5": 0.2}, 9.0, 5.5),
        ({"3": 0.3, " 3": 0.3, "8": 0.4}, 3.0, 5.0),
        ({"x": 0.9, "4": 0.1}, 4.0, 4.0),
        ({"2": 0.5, "6": 0.5}, 2.0, 4.0),
    ],
)
async def test_the_rating_is_read_from_the_digits_alone(row: dict[str, float], greedy: float, expected: float) -> None:
    assert (await judge(row, "greedy")(ASK, STEP)).value == greedy
    assert (await judge(row, "expected")(ASK, STEP)).value == pytest.approx(expected)


async def test_a_judge_that_does_not_answer_in_digits_is_told_on() -> None:
    assert "only 10% on digits" in (await judge({"x": 0.9, "4": 0.1})(ASK, STEP)).reason
    assert "only 0% on digits" in (await judge({"x": 1.0})(ASK, STEP)).reason
    assert "only" not in (await judge({"x": 0.5, "4": 0.5})(ASK, STEP)).reason


async def test_without_any_digit_the_score_is_the_lowest() -> None:
    assert (await judge({"x": 1.0})(ASK, STEP)).value == 0.0


async def test_a_score_names_its_signal_and_what_it_cost() -> None:
    verifier = judge({"7": 1.0}, "greedy")
    score = await verifier(ASK, STEP)
    assert score.signal == "digit_greedy"
    assert score.cost == verifier.model.ledger.spent
    assert score.cost.output == 1
    assert set(verifier.model.ledger.bill) == {("target", "judge")}


async def test_the_step_is_shown_to_the_judge_as_it_was_written() -> None:
    seen = list[Context]()

    class Listening(Scripted):
        def judge(self, context: Context) -> Context:
            seen.append(context)
            return super().judge(context)

    model = Model(name="target", backend=Listening(Replies([])), ledger=Ledger())
    await DigitJudge(model)(ASK, STEP)
    assert seen == [ASK.append(STEP.completion.piece("think", "draft"))]
    assert Context.ask("What is 2 + 2?") == ASK


@given(LOGPROBS)
def test_any_reading_lies_between_nought_and_nine(logprobs: dict[str, float]) -> None:
    readings: list[Reading] = ["greedy", "expected"]
    for reading in readings:
        value, mass = read(logprobs, reading)
        assert 0 <= value <= 9
        assert mass >= 0


@given(st.sampled_from(DIGITS), st.floats(-2000, 0))
def test_a_single_digit_is_itself_however_unlikely(digit: str, logprob: float) -> None:
    assert read({digit: logprob}, "expected")[0] == read({digit: logprob}, "greedy")[0] == int(digit)


@given(st.floats(-2000, 0))
def test_ten_equal_digits_tie_to_the_lowest_and_to_the_middle(logprob: float) -> None:
    logprobs = dict.fromkeys(DIGITS, logprob)
    assert (read(logprobs, "greedy")[0], read(logprobs, "expected")[0]) == (0.0, 4.5)


def test_no_digit_at_all_is_nought_without_mass() -> None:
    assert read({}, "expected") == read(dict.fromkeys(DIGITS, -math.inf), "greedy") == (0.0, 0.0)
