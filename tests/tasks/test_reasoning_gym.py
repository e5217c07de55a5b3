"""Data sets of reasoning-gym: drawn from a seed, by level, judged by their own scoring after a trip through a file."""

import asyncio

import pytest

pytest.importorskip("reasoning_gym")

from headgate.tasks import jsonl, registry
from headgate.tasks.base import TaskError
from headgate.verifiers import registry as verifiers


def test_the_same_seed_gives_the_same_problems() -> None:
    drawn = registry.sample("reasoning_gym:chain_sum", 5, 1)
    assert drawn == registry.sample("reasoning_gym:chain_sum", 5, 1)
    assert drawn != registry.sample("reasoning_gym:chain_sum", 5, 2)
    assert drawn[0].id.startswith("reasoning_gym-0.1.")


def test_a_higher_level_has_more_terms() -> None:
    def terms(level: int) -> int:
        return sum(
            one.text.count("+") + one.text.count("-")
            for one in registry.sample("reasoning_gym:chain_sum", 20, difficulty=level)
        )

    assert terms(0) < terms(2) < terms(4)


@pytest.mark.parametrize(
    ("name", "difficulty"),
    [("chain_sum", None), ("countdown", 1), ("propositional_logic", None), ("word_ladder", 0)],
)
def test_answers_are_judged_by_the_data_sets_own_scoring_from_a_file_too(name: str, difficulty: int | None) -> None:
    drawn = registry.sample(f"reasoning_gym:{name}", 2, 3, difficulty=difficulty)
    read = jsonl.parse("\n".join(map(jsonl.line, drawn)).encode(), "p.jsonl")
    assert read == drawn
    for one in read:
        assert not verifiers.lacks(one)
        assert asyncio.run(verifiers.right("nothing of the kind", one)) is False
        if one.reference is not None:
            assert asyncio.run(verifiers.right(one.reference, one)) is True


@pytest.mark.parametrize(
    ("name", "difficulty", "said"),
    [
        ("reasoning_gym:chainsum", None, "there is no data set of reasoning-gym `chainsum`; did you mean `chain_sum`?"),
        ("reasoning_gym:composite", None, "there is no data set of reasoning-gym `composite`"),
        ("reasoning_gym", None, "`reasoning_gym` reads a DATASET; write reasoning_gym:DATASET"),
        ("reasoning_gym:chain_sum", 99, "is level of its curriculum, 0 to"),
        ("reasoning_gym:gsm_symbolic", 1, "`reasoning_gym:gsm_symbolic` has no difficulty to choose"),
        ("reasoning_gym:rearc", None, "`rearc` cannot be judged"),
        ("reasoning_gym:knight_swap", 0, "`knight_swap` cannot be drawn: reasoning-gym says `min_nodes must be >= 6`"),
    ],
)
def test_what_cannot_be_drawn_says_why(name: str, difficulty: int | None, said: str) -> None:
    with pytest.raises(TaskError) as error:
        registry.sample(name, 1, difficulty=difficulty)
    assert said in str(error.value)
