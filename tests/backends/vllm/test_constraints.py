"""Texts that are held to a regular expression or a schema, by engines in this process and in children."""

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from headgate.backends.base import Completion, Constraint, Context, EntropyStop, Sampling
from headgate.backends.errors import Refused
from headgate.backends.vllm.backend import VllmBackend

Ask = Callable[[int], Context]
BOXED = Constraint(regex=r"\\boxed\{[0-9]+\}")
WORDS = ("yes", "no", "a|b (c)", "\\d+\n", "either/or")
FORM = {
    "type": "object",
    "properties": {"answer": {"type": "integer", "minimum": 0, "maximum": 999}, "sure": {"type": "boolean"}},
    "required": ["answer", "sure"],
    "additionalProperties": False,
}


def write(backend: VllmBackend, context: Context, sampling: Sampling) -> Completion:
    return asyncio.run(backend.generate(context, sampling))[0]


def test_both_forms_declare_that_they_hold_texts_to_constraints(draft: VllmBackend, apart: VllmBackend) -> None:
    assert {"regex", "json_schema"} <= draft.capabilities.operations & apart.capabilities.operations


@pytest.mark.parametrize("heat", [0.0, 1.5], ids=["greedy", "sampled"])
def test_an_answer_is_what_it_is_constrained_to_be(target: VllmBackend, ask: Ask, heat: float) -> None:
    said = set[str]()
    for number in range(10):
        asked = Sampling(temperature=heat, seed=number, max_tokens=60, constraint=BOXED)
        done = write(target, ask(number).then("answer"), asked)
        assert re.fullmatch(BOXED.regex, done.text), done.text
        assert (done.stop, done.usage.output) == ("eos", len(done.token_ids) + 1)
        said.add(done.text)
    assert not heat or len(said) > 1


def test_a_constraint_that_a_text_keeps_anyway_changes_nothing(draft: VllmBackend, ask: Ask) -> None:
    thought = write(draft, ask(2), Sampling(max_tokens=300))
    context = ask(2).append(thought.piece("think", "draft")).then("answer")
    free = write(draft, context, Sampling(max_tokens=40))
    held = write(draft, context, Sampling(max_tokens=40, constraint=BOXED))
    assert (held.token_ids, held.stop, held.usage.output) == (free.token_ids, free.stop, free.usage.output)


def test_a_choice_is_one_of_its_texts_to_the_letter(draft: VllmBackend, ask: Ask) -> None:
    asked = Sampling(temperature=50.0, max_tokens=40, constraint=Constraint.choice(*WORDS))
    said = {write(draft, ask(1).then("answer"), replace(asked, seed=seed)).text for seed in range(24)}
    assert said <= {*WORDS} and len(said) > 2


def test_a_seed_says_the_same_under_a_constraint_alone_and_beside_free_texts(draft: VllmBackend, ask: Ask) -> None:
    def wishes(number: int) -> Sampling:
        held = Constraint(regex="[a-z ]{5,12}[.]") if number % 2 else None
        return Sampling(temperature=3.0, max_tokens=20, seed=number, constraint=held, entropies=True)

    async def together() -> list[list[Completion]]:
        return await asyncio.gather(*(draft.generate(ask(i).then("answer"), wishes(i)) for i in range(16)))

    crowd = [done for (done,) in asyncio.run(together())]
    assert [done.token_ids for done in crowd] == [
        write(draft, ask(i).then("answer"), wishes(i)).token_ids for i in range(16)
    ]
    assert all(re.fullmatch("[a-z ]{5,12}[.]", done.text) for done in crowd[1::2])
    assert len({done.text for done in crowd[1::2]}) == 8


def test_figures_are_those_among_what_is_allowed(draft: VllmBackend, ask: Ask) -> None:
    asked = Sampling(temperature=3.0, max_tokens=9, entropies=True, constraint=Constraint(regex="x[01]y"))
    done = write(draft, ask(3).then("answer"), asked)
    assert done.entropies and len(done.entropies) == done.usage.output >= len(done.token_ids) == 3
    assert done.entropies[0] == done.entropies[2] == done.logprobs[0] == done.logprobs[2] == 0
    assert 0 < done.entropies[1] <= 0.6932 and done.logprobs[1] < 0


def test_a_delimiter_ends_a_constrained_text_early(draft: VllmBackend, ask: Ask) -> None:
    held = Constraint(regex="[a-z]{2,9}\n\n[a-z]{2,9}")
    whole = write(draft, ask(4), Sampling(max_tokens=60, constraint=held))
    step = write(draft, ask(4), Sampling(max_tokens=60, constraint=held, stop=("\n\n",)))
    assert re.fullmatch(held.regex, whole.text) and whole.stop in ("eos", "think_end")
    assert (step.text, step.stop) == (whole.text[: len(step.text)], "delimiter")
    assert re.fullmatch("[a-z]{2,9}\n\n[a-z]*", step.text)
    cut = write(draft, ask(4), Sampling(max_tokens=1, constraint=held))
    assert (cut.stop, whole.token_ids[:1]) == ("length", cut.token_ids)


def test_what_cannot_be_is_refused_and_the_next_call_is_served(draft: VllmBackend, ask: Ask) -> None:
    with pytest.raises(Refused, match="does not take this"):
        write(draft, ask(1), Sampling(constraint=Constraint(regex="[0-9]{3")))
    with pytest.raises(Refused, match="cannot end at an entropy"):
        write(draft, ask(1), Sampling(constraint=BOXED, entropy_stop=EntropyStop(above=0.5)))
    assert write(draft, ask(1).then("answer"), Sampling(max_tokens=30, constraint=BOXED)).stop == "eos"


def test_a_child_holds_texts_to_regexes_and_schemas(apart: VllmBackend, draft: VllmBackend, ask: Ask) -> None:
    for number in range(6):
        asked = Sampling(temperature=1.0, seed=number, max_tokens=60, constraint=BOXED, entropies=True)
        mine, theirs = (write(backend, ask(number).then("answer"), asked) for backend in (apart, draft))
        assert (mine.token_ids, mine.stop, mine.usage.output) == (theirs.token_ids, theirs.stop, theirs.usage.output)
        assert re.fullmatch(BOXED.regex, mine.text)
        asked = replace(asked, constraint=Constraint(json_schema=json.dumps(FORM)))
        told = json.loads(write(apart, ask(number).then("answer"), asked).text)
        assert told.keys() == {"answer", "sure"} and 0 <= told["answer"] <= 999 and isinstance(told["sure"], bool)
    steps = Sampling(max_tokens=60, constraint=Constraint(regex="[a-z]{2,9}\n\n[a-z]{2,40}"), stop=("\n\n",))
    mine, theirs = write(apart, ask(4), steps), write(draft, ask(4), steps)
    assert (mine.token_ids, mine.stop) == (theirs.token_ids, "delimiter")
    assert theirs.usage.output == len(theirs.token_ids) <= mine.usage.output  # what was drawn before it heard
    with pytest.raises(Refused, match="does not take this"):
        write(apart, ask(1), Sampling(constraint=Constraint(regex="[0-9]{3")))
