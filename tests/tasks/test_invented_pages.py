"""Invented pages: answers are proved over the whole world, splits never meet, and the fewest calls are the fewest."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from random import Random

import pytest

from headgate.tasks.browsing import search
from headgate.tasks.invented_pages import (
    FIRST,
    LEAST,
    MOST,
    RELATIONS,
    TOP,
    UNKNOWN,
    UNSEEN,
    Question,
    Split,
    answers,
    fewest,
    pairs,
    reserved,
    stream_of,
)
from headgate.tasks.word_problems import digest

SPLITS: tuple[Split, ...] = ("training", "held_out", "unseen")


def drawn(count: int, seed: int = 1, split: Split = "held_out", difficulty: int | None = None) -> list[Question]:
    return list(islice(stream_of(Random(seed), split=split, difficulty=difficulty), count))


@pytest.fixture(scope="module")
def many() -> list[Question]:
    return [*drawn(400), *drawn(200, split="training"), *drawn(200, split="unseen")]


def current(question: Question) -> dict[tuple[str, str], str]:
    facts = [s.split() for t, said in question.pages.items() if " old" not in t for s in said if "budget" not in s]
    return {(name, relation): value for name, relation, value in facts}


def read(question: Question) -> list[str]:
    """The answers to the question as it is worded, found independently of how it was made."""
    facts = current(question)
    kind, said = re.fullmatch(r"Name the (\w+) (.+)\.", question.asked).groups()  # type: ignore[union-attr]
    if kind in RELATIONS:
        return [end for end in [resolve(f"the {kind} {said}", facts)] if end]
    clues = [clue.split(" ", 1) for clue in said.removeprefix("with ").split(", ")]
    names = {name for name, _ in facts}
    return [n for n in names if all(facts.get((n, relation), "-") == resolve(end, facts) for relation, end in clues)]


def resolve(phrase: str, facts: Mapping[tuple[str, str], str]) -> str | None:
    head, of, rest = phrase.partition(" of ")
    if not of:
        return phrase
    inner = resolve(rest, facts)
    return facts.get((inner, head.removeprefix("the "))) if inner else None


def target_of(question: Question) -> str:
    phrase = "".join(f"the {relation} of " for relation in reversed(question.chain)) + question.start
    return resolve(phrase, current(question)) or ""


def test_the_same_seed_gives_the_same_questions_and_another_seed_others() -> None:
    assert drawn(20, 7) == drawn(20, 7)
    assert not {q.id for q in drawn(20, 7)} & {q.id for q in drawn(20, 8)}


def test_the_question_of_a_seed_never_changes() -> None:
    first = drawn(1, 0)[0]
    assert (first.id, first.answer, first.fewest) == ("browsing-v1-2ea0738e2a7dd44d", "unknown", 5)


def test_the_one_answer_is_the_only_one_in_the_whole_world(many: list[Question]) -> None:
    for question in many:
        assert read(question) == answers(question) == ([] if question.answer == UNKNOWN else [question.answer])
        assert (question.answer == UNKNOWN) == ("unanswerable" in question.variants)


def test_training_held_out_and_unseen_questions_never_meet() -> None:
    sides = {split: drawn(300, 3, split) for split in SPLITS}
    for split, questions in sides.items():
        assert {question.split for question in questions} == {split}
    texts = [{question.asked for question in questions} for questions in sides.values()]
    assert not texts[0] & texts[1] | texts[0] & texts[2] | texts[1] & texts[2]
    assert {digest(q.asked) & 1 for q in sides["training"]} == {0}
    assert {digest(q.asked) & 1 for q in sides["held_out"]} == {1}


def test_names_and_pairs_of_relations_that_training_lacks_stand_in_unseen_only() -> None:
    for split in SPLITS:
        for question in drawn(200, 5, split):
            assert {reserved(title.split()[0]) for title in question.pages} == {split == "unseen"}
            met = UNSEEN & pairs(question.chain, question.lead, [clue.relation for clue in question.checks])
            assert bool(met) == (split == "unseen" and question.difficulty > LEAST)


def test_names_are_told_apart_by_their_first_letter(many: list[Question]) -> None:
    assert len({first[0] for first in FIRST}) == len(FIRST)
    for question in many:
        names = {title.split()[0] for title in question.pages}
        assert len({name[0] for name in names}) == len(names)


@pytest.mark.parametrize("difficulty", range(LEAST, MOST + 1))
@pytest.mark.parametrize("split", ["training", "unseen"])
def test_difficulty_counts_hops_and_clues(difficulty: int, split: Split) -> None:
    for question in drawn(40, 2, split, difficulty):
        assert question.hops + question.clues == question.difficulty == difficulty
        assert question.asked.count(" of ") == len(question.chain)


def test_every_page_tells_two_to_four_facts_and_pages_out_of_date_two(many: list[Question]) -> None:
    for question in many:
        for title, said in question.pages.items():
            facts = [sentence for sentence in said if not sentence.startswith("budget")]
            assert all(re.fullmatch(rf"{title} [a-z]+ [A-Z0-9]\w+", sentence) for sentence in facts)
            assert len(facts) == 2 if title.endswith(" old") else 2 <= len(facts) <= 4


def test_a_trap_fits_all_clues_but_one(many: list[Question]) -> None:
    trapped = [question for question in many if "trap" in question.variants]
    assert len(trapped) > 100
    for question in trapped:
        facts = current(question)
        clues = [(question.lead, target_of(question)), *question.checks]
        fits = [sum(facts.get((name, r)) == value for r, value in clues) for name in {name for name, _ in facts}]
        assert len(clues) - 1 in fits


def test_pages_out_of_date_contradict_the_current_ones_at_the_highest_difficulty_only(many: list[Question]) -> None:
    for question in many:
        old = [sentence.split() for t, said in question.pages.items() if t.endswith(" old") for sentence in said]
        assert bool(old) == ("stale" in question.variants) == (question.difficulty == MOST)
        facts = current(question)
        assert all(facts.get((name, r)) != value for name, _, r, value in old if r != "year")


def test_false_budgets_stand_on_pages_that_matter(many: list[Question]) -> None:
    false = [question for question in many if "false budget" in question.variants]
    assert 0.1 < len(false) / len(many) < 0.3
    for question in many:
        lines = [sentence for said in question.pages.values() for sentence in said if sentence.startswith("budget")]
        assert len(lines) == 2 * ("false budget" in question.variants)


def test_a_search_for_a_clue_finds_all_that_has_it_and_nothing_else(many: list[Question]) -> None:
    for question in many:
        clues = [(question.lead, target_of(question)), *question.checks] if question.lead else []
        sentences = [sentence for said in question.pages.values() for sentence in said]
        for relation, value in clues:
            having = [] if relation == "year" else [s for s in sentences if s.endswith(f" {relation} {value}")]
            assert len(having) <= TOP
            assert sorted(search(question.pages, (relation, value))) == sorted(having)


def test_budgets_lie_around_the_fewest_calls_and_leave_a_search_to_find_leads(many: list[Question]) -> None:
    slack = [question.search + question.browse - question.fewest for question in many]
    assert min(slack) == -2
    assert max(slack) == 5
    assert sum(spare >= 0 for spare in slack) > 0.75 * len(slack)
    assert all(question.search for question in many if question.lead)


Known = frozenset[
    tuple[str, ...]
]  # what was read: facts, pages ("page", title) and searches ("search", name, relation)


def moves(question: Question, known: Known) -> Iterator[Known]:
    """What may be known after one more call for names that were read, in the question or since."""
    asked = question.asked.removeprefix("Name ").rstrip(".").replace(",", "").split()
    relations = [word for word in asked if word in RELATIONS]
    names = {word for word in asked if word[0].isupper()} | {w for k in known for w in k if w[0].isupper()}
    for name in sorted(names):
        if name in question.pages:
            lines = [s for s in question.pages[name] if "budget" not in s]
            yield known | {("page", name)} | {tuple(line.split()) for line in lines}
        for relation in relations:
            lines = search(question.pages, (name, relation))
            facts = {tuple(line.split()) for line in lines if " old " not in line}
            yield known | {("search", name, relation)} | facts


def proved(question: Question, known: Known) -> bool:
    """Whether what was read proves the answer, or that there is none."""
    facts = {(fact[0], fact[1]): fact[2] for fact in known if fact[0] not in ("page", "search")}
    at: str | None = question.start
    for relation in question.chain:
        if at is None:
            break
        if (at, relation) not in facts and {("page", at), ("search", at, relation)} & known:
            return not question.lead
        at = facts.get((at, relation))
    if not question.lead:
        return at is not None
    clues = [(question.lead, at or "?"), *question.checks]
    names = {name for name, _ in facts}
    if question.answer != UNKNOWN:
        return all(facts.get((question.answer, relation)) == value for relation, value in clues)
    searched = [(r, value) for r, value in clues if ("search", value, r) in known]

    def out(name: str, relation: str, value: str) -> bool:
        if value == "?":
            return False
        told = facts.get((name, relation))
        return told != value if told else ("page", name) in known or (relation, value) in searched

    return bool(searched) and all(
        any(out(name, r, v) for r, v in clues) for name in names if any_of(name, searched, facts)
    )


def any_of(name: str, searched: list[tuple[str, str]], facts: Mapping[tuple[str, str], str]) -> bool:
    return any(facts.get((name, relation)) == value for relation, value in searched)


def shortest(question: Question, most: int) -> int:
    """The fewest calls by trying all; most + 1 where that many do not do."""
    reached: set[Known] = {frozenset()}
    for calls in range(most + 1):
        if any(proved(question, known) for known in reached):
            return calls
        reached = {after for known in reached for after in moves(question, known) if after != known}
    return most + 1


@pytest.mark.parametrize("split", ["training", "unseen"])
def test_the_fewest_calls_are_what_trying_all_calls_finds(split: Split) -> None:
    checked = [question for question in drawn(90, 11, split) if question.fewest <= 3]
    assert sum(question.answer == UNKNOWN for question in checked) > 5
    for question in checked:
        assert shortest(question, question.fewest) == question.fewest == fewest(question), question


def test_the_fewest_calls_for_a_worked_example() -> None:
    pages = {"Bali": ("Bali hero Kelu", "Bali year 300"), "Domi": ("Domi hero Kelu", "Domi year 400"), "Kelu": ()}
    question = replace(drawn(1, 1, difficulty=3)[0], pages=pages, start="Kelu", chain=(), lead="hero", checks=())
    assert fewest(replace(question, answer="Bali")) == 2
    assert fewest(replace(question, answer=UNKNOWN)) == 3  # a search, and both pages
