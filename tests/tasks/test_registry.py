"""Tasks by name: samples are seeded, distinct, held out, and as asked."""

import pytest

from headgate.tasks import registry, word_problems


def test_the_same_seed_gives_the_same_problems_and_another_seed_others() -> None:
    first = registry.sample("word_problems", 20, 7)
    assert first == registry.sample("word_problems", 20, 7)
    assert not {problem.id for problem in first} & {problem.id for problem in registry.sample("word_problems", 20, 8)}


def test_a_larger_sample_begins_with_the_smaller_one() -> None:
    assert registry.sample("word_problems", 30, 7)[:10] == registry.sample("word_problems", 10, 7)


@pytest.mark.parametrize("name", registry.names())
def test_problems_are_distinct_held_out_and_have_a_reference(name: str) -> None:
    problems = registry.sample(name, 200, 1)
    assert len({problem.text for problem in problems}) == len({problem.id for problem in problems}) == 200
    assert all(word_problems.digest(problem.text) & 1 for problem in problems)
    assert all(problem.reference and problem.reference.isdecimal() for problem in problems)
    assert registry.summary(name)


@pytest.mark.parametrize("steps", [1, 2, registry.MOST_STEPS])
def test_steps_are_as_many_as_asked(steps: int) -> None:
    assert {problem.meta["steps"] for problem in registry.sample("word_problems", 10, steps=steps)} == {steps}


def test_figures_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="n is 0; draw at least 1 problem"):
        registry.sample("word_problems", 0)
    with pytest.raises(ValueError, match="steps is 13; a problem has 1 to 12"):
        registry.sample("word_problems", 1, steps=13)
    with pytest.raises(KeyError):
        registry.sample("nothing", 1)
