"""Tasks by name: samples are seeded, distinct, held out, judged right by their own references, and as asked."""

import asyncio

import pytest

from headgate.tasks import jsonl, registry
from headgate.tasks.base import Knob, Task, TaskError
from headgate.tasks.word_problems import digest
from headgate.verifiers import registry as verifiers
from headgate.verifiers.base import Problem


@pytest.mark.parametrize("name", registry.names())
def test_the_same_seed_gives_the_same_problems_and_another_seed_others(name: str) -> None:
    first = registry.sample(name, 20, 7)
    assert first == registry.sample(name, 20, 7)
    assert len({problem.id for problem in first} & {problem.id for problem in registry.sample(name, 20, 8)}) < 3


@pytest.mark.parametrize("name", registry.names())
def test_a_larger_sample_begins_with_the_smaller_one(name: str) -> None:
    assert registry.sample(name, 30, 7)[:10] == registry.sample(name, 10, 7)


@pytest.mark.parametrize("name", registry.names())
def test_problems_are_distinct_and_their_references_are_right(name: str) -> None:
    problems = registry.sample(name, 100, 1)
    assert len({problem.id for problem in problems}) == 100
    for problem in problems:
        assert problem.reference
        assert not verifiers.lacks(problem)
        assert asyncio.run(verifiers.right(problem.reference, problem))
        assert not asyncio.run(verifiers.right("nothing of the kind", problem))
    assert registry.summary(name).endswith(".")


@pytest.mark.parametrize("name", ["word_problems", "word_problems_shuffled"])
def test_word_problems_are_held_out(name: str) -> None:
    assert all(digest(problem.text) & 1 for problem in registry.sample(name, 200, 1))


@pytest.mark.parametrize("name", registry.names())
def test_problems_come_back_from_their_lines(name: str) -> None:
    problems = registry.sample(name, 10, 2)
    assert jsonl.parse("\n".join(map(jsonl.line, problems)).encode(), "p.jsonl") == problems


@pytest.mark.parametrize("name", registry.names())
def test_every_difficulty_of_a_task_can_be_drawn(name: str) -> None:
    knob = registry.find(name).knob
    if knob is None:
        return
    for difficulty in range(knob.least, knob.most + 1):
        assert {p.meta["difficulty"] for p in registry.sample(name, 5, 3, difficulty=difficulty)} == {difficulty}


@pytest.mark.parametrize("name", ["word_problems", "stateful_math", "planning_jugs", "planning_days", "tool_problems"])
def test_harder_problems_are_longer_to_tell_or_to_solve(name: str) -> None:
    knob = registry.find(name).knob
    assert knob
    told: list[int] = []
    for difficulty in (knob.least, (knob.least + knob.most) // 2, knob.most):
        problems = registry.sample(name, 30, 4, difficulty=difficulty)
        told.append(sum(len(p.reference or "") if name == "planning_jugs" else len(p.text) for p in problems))
    assert told == sorted(set(told))


def test_figures_out_of_range_are_refused() -> None:
    with pytest.raises(TaskError, match="n is 0; draw at least 1 problem"):
        registry.sample("word_problems", 0)
    with pytest.raises(TaskError, match="the difficulty of `word_problems` is steps, 1 to 12; 13 is asked"):
        registry.sample("word_problems", 1, difficulty=13)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("word_problem", "there is no task `word_problem`; did you mean `word_problems`? there are word_problems, "),
        ("nothing", "there is no task `nothing`; there are word_problems, "),
        ("gsm8k", "`gsm8k` reads a FILE; write gsm8k:FILE"),
        ("gsm8k:", "`gsm8k` reads a FILE"),
        ("word_problems:x", "there is no task `word_problems:x`; did you mean `word_problems`?"),
        ("", "there is no task ``"),
    ],
)
def test_an_unknown_name_is_met_with_the_right_ones(name: str, said: str) -> None:
    with pytest.raises(TaskError) as error:
        registry.sample(name, 1)
    assert said in str(error.value)


def test_a_name_is_known_without_opening_what_it_reads() -> None:
    assert registry.known("operators")
    assert registry.known("gsm8k:nowhere.jsonl")
    assert not registry.known("gsm8k")
    assert not registry.known("problems.jsonl")


def test_a_source_that_runs_dry_says_how_many_there_are() -> None:
    few = Task(name="few", summary="Two.", knob=None, draw=lambda rng, _: (Problem(text=t, id=t) for t in "ab" * 5000))
    assert len(few.sample(2)) == 2
    with pytest.raises(TaskError, match="`few` has 2 problems; 3 are asked"):
        few.sample(3)
    with pytest.raises(TaskError, match="`few` has no difficulty to choose; leave it out"):
        few.sample(1, difficulty=1)
    assert str(Knob("steps", 1, 12)) == "steps, 1 to 12"
