"""What is drawn: every kind, on the training side only, with loss on the model's own words alone."""

import random

import pytest

from headgate.training.curriculum import KINDS, Curriculum, Plan, Writer, draft_plan, target_plan
from headgate.training.documents.document import Text
from headgate.training.formats import USER
from headgate.training.tokenizer import Encoder


def many(kind: str, count: int = 40) -> list[Text]:
    writer = Writer(random.Random(kind), Plan(kinds={kind: 1}, rated=0.5, shuffled=0.3))
    return [writer.text() for _ in range(count)]


@pytest.mark.parametrize("kind", KINDS)
def test_loss_stands_on_the_models_own_words_alone(kind: str) -> None:
    for text in many(kind):
        parts = [*text.parts, *(part for _, branch in text.branches for part in branch)]
        said = [part for part, weight in parts if weight]
        assert said and not any("<|im_start|>" in part for part in said)


@pytest.mark.parametrize("kind", KINDS)
def test_documents_fit_into_the_models_context(kind: str, encoder: Encoder) -> None:
    longest = max(len(encoder.encode(str(text))) for text in many(kind))
    assert longest < 1800


def test_every_plan_names_kinds_that_there_are_and_between_them_all() -> None:
    named = {kind for fraction in (0.0, 0.5) for plan in (draft_plan, target_plan) for kind in plan(fraction).kinds}
    assert named == set(KINDS)


def test_the_target_looks_up_before_it_solves_and_solves_before_it_rates() -> None:
    first, second, last = target_plan(0.0), target_plan(0.2), target_plan(0.8)
    assert first.kinds["looked_up"] > first.kinds["solved"]
    assert second.kinds["solved"] > second.kinds["looked_up"]
    assert first.rated < second.rated < last.rated


def test_the_same_seed_draws_the_same_documents(curriculum: Curriculum) -> None:
    def drawn(seed: int) -> list[list[int]]:
        rng = random.Random(seed)
        return [curriculum.draw(rng, target_plan(0.5)).ids for _ in range(20)]

    assert drawn(1) == drawn(1) != drawn(2)


def test_a_prompt_begins_with_the_users_turn() -> None:
    for kind in KINDS.keys() - {"looked_up", "chased", "drill"}:
        assert all(str(text).startswith(USER) for text in many(kind, 5))
