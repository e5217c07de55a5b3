import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from headgate.backends.base import Completion, Embeddings, Stop
from headgate.backends.errors import Refused
from headgate.backends.model import Model
from headgate.backends.scripted import Replies, Scripted, Table
from headgate.budget.cost import Cost
from headgate.budget.ledger import Ledger
from headgate.verifiers.base import Step
from headgate.verifiers.equivalence import SameByEmbedding, SameByJudge, SameText


def step(text: str, stop: Stop = "delimiter") -> Step:
    return Step(completion=Completion(text=text, stop=stop, usage=Cost()), author="draft")


def model(backend: Scripted) -> Model:
    return Model(name="judge", backend=backend, ledger=Ledger())


def judge(row: dict[str, float]) -> SameByJudge:
    """A judge that is sure to answer like this, whatever it is asked."""
    return SameByJudge(model(Scripted(Table({"\n\n": row}))))


class Angles(Scripted):
    """Embeds a number as a direction, in degrees."""

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        angles = [math.radians(float(text)) for text in texts]
        vectors = tuple((math.cos(angle), math.sin(angle)) for angle in angles)
        return Embeddings(vectors=vectors, usage=Cost(input=2, calls=1))


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("So it is 4.\n\n", "so  it is\n4.", True),
        ("STRASSE", "stra\u00dfe", True),
        ("", "  ", True),
        ("So it is 4.", "So it is 5.", False),
        ("ab", "a b", False),
    ],
)
async def test_case_and_the_width_of_spaces_do_not_count(left: str, right: str, same: bool) -> None:
    assert (await SameText()(step(left), step(right))).value == same


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("delimiter", "delimiter", True),
        ("think_end", "eos", True),
        ("length", "budget", True),
        ("delimiter", "think_end", False),
        ("eos", "delimiter", False),
        ("delimiter", "length", False),
    ],
)
async def test_steps_that_do_not_end_alike_are_never_the_same(left: Stop, right: Stop, same: bool) -> None:
    for verify in (SameText(), judge({"yes": 1.0})):
        assert (await verify(step("a", left), step("a", right))).value == same


async def test_one_text_costs_nothing_and_another_one_token() -> None:
    sure = judge({"yes": 1.0})
    assert (await sure(step("a"), step("A"))).cost == Cost()
    asked = await sure(step("a"), step("b"))
    assert (asked.value, asked.cost.output, asked.cost.calls) == (1.0, 1, 1)


async def test_of_a_step_that_is_cut_only_the_very_same_text_is_the_same() -> None:
    seen = await judge({"yes": 1.0})(step("a", "length"), step("b", "length"))
    assert (seen.value, seen.cost) == (0.0, Cost())


@pytest.mark.parametrize(
    ("row", "value"),
    [
        ({"yes": 0.6, "no": 0.4}, 0.6),
        ({"Yes": 0.3, " yes": 0.3, "No": 0.4}, 0.6),
        ({"x": 0.8, "yes": 0.15, "no": 0.05}, 0.75),
        ({"x": 1.0}, 0.0),
    ],
)
async def test_a_verdict_is_the_share_of_yes_among_yes_and_no(row: dict[str, float], value: float) -> None:
    seen = await judge(row)(step("a"), step("b"))
    assert seen.value == pytest.approx(value)
    assert ("but only" in seen.reason) == ("x" in row)


async def test_a_judge_is_shown_both_steps_and_the_order_matters_to_nobody_else() -> None:
    asked = Scripted(Replies(())).same("{right} is 4\n\n", "it is four\n\n")
    text = asked.pieces[0].text
    assert "First: {right} is 4\n\nSecond: it is four\n\n" in text
    assert text.count("it is four") == 1
    assert asked.writing == "answer"


async def test_an_embedding_is_read_as_a_cosine() -> None:
    backend = Angles(Replies(()))
    backend.capabilities = replace(backend.capabilities, operations=frozenset({"embed"}))
    seen = await SameByEmbedding(model(backend))(step("0"), step("60\n\n"))
    assert seen.value == pytest.approx(0.5)
    assert seen.cost.calls == 1
    assert (await SameByEmbedding(model(backend))(step("60"), step("60"))).cost == Cost()


async def test_a_model_without_an_embedding_says_what_to_name_instead() -> None:
    with pytest.raises(Refused, match="`judge` has no embedding"):
        await SameByEmbedding(model(Scripted(Replies(()))))(step("a"), step("b"))
