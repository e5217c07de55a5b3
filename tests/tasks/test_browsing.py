"""Browsing under a budget: it binds, wrong commands are told what is right, and the teacher knows what it reads."""

import json
import re
from dataclasses import replace
from itertools import islice
from random import Random

import pytest

from headgate.tasks.base import TaskError
from headgate.tasks.browsing import (
    Browser,
    Teacher,
    episode,
    episodes,
    problem,
    question_of,
    replayed,
    search,
)
from headgate.tasks.invented_pages import UNKNOWN, Clue, Question, stream_of
from headgate.verifiers.base import Problem
from headgate.verifiers.registry import right

PAGES = {
    "Bari": ("Bari home Zotu", "Bari year 310"),
    "Lomi": ("Lomi year 611", "Lomi author Bari", "Lomi city Vadu"),
    "Kelu": ("Kelu author Bari", "Kelu year 742", "Kelu city Vadu"),
    "Zotu": ("Zotu ruler Bari", "Zotu year 120"),
    "Vadu": ("Vadu ruler Hobi", "Vadu year 742"),
}
QUESTION = Question(
    start="Zotu",
    chain=("ruler",),
    lead="author",
    checks=(Clue("city", "Vadu"), Clue("year", "742")),
    pages=PAGES,
    search=3,
    browse=2,
    answer="Kelu",
    fewest=3,
)
CHAINED = replace(QUESTION, chain=("ruler", "home"), lead="", checks=(), answer="Zotu", fewest=2)


@pytest.fixture(scope="module")
def many() -> list[Question]:
    return list(islice(stream_of(Random(4)), 500))


def said(question: Question, *, notes: bool = False, **budget: int) -> list[str]:
    turns = episode(replace(question, **budget), notes=notes)  # type: ignore[arg-type]
    return [turn.text for turn in turns if turn.speaker == "assistant"]


def test_the_question_ends_with_its_budget_and_so_does_every_reply() -> None:
    browser = Browser(QUESTION)
    asked = "Name the work with author the ruler of Zotu, city Vadu, year 742."
    assert browser.reset() == f"{asked}\nbudget: 3 search, 2 browse left"
    assert browser.do("search(Zotu ruler)") == "Zotu ruler Bari.\nbudget: 2 search, 2 browse left"
    assert browser.do("browse(Bari)") == "Bari home Zotu. Bari year 310.\nbudget: 2 search, 1 browse left"
    assert browser.do("search(hero Bari)") == "nothing found.\nbudget: 1 search, 1 browse left"
    assert browser.do("browse(Nobody)") == "no page Nobody.\nbudget: 1 search, 0 browse left"
    assert (browser.calls, browser.done, browser.won) == (4, False, False)


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("", "say search(NAME RELATION), browse(NAME) or answer(NAME)."),
        ("find(Bari)", "say search(NAME RELATION), browse(NAME) or answer(NAME)."),
        ("search Bari home", "say search(NAME RELATION), browse(NAME) or answer(NAME)."),
        ("search(Bari", "say search(NAME RELATION), browse(NAME) or answer(NAME)."),
        ("research(Bari)", "say search(NAME RELATION), browse(NAME) or answer(NAME)."),
        ("search()", "search what?"),
        ("browse( )", "browse what?"),
        ("answer()", "answer what?"),
    ],
)
def test_a_wrong_command_costs_nothing_and_is_told_what_is_right(command: str, reply: str) -> None:
    browser = Browser(QUESTION)
    assert browser.do(command) == f"{reply}\nbudget: 3 search, 2 browse left"
    assert (browser.refused, browser.calls, browser.done) == (1, 0, False)


def test_a_call_that_the_budget_does_not_cover_is_refused() -> None:
    browser = Browser(replace(QUESTION, search=0, browse=1))
    assert browser.do("search(Zotu ruler)") == "no search left.\nbudget: 0 search, 1 browse left"
    browser.do("browse(Zotu)")
    assert browser.do("browse(Zotu)") == "no browse left.\nbudget: 0 search, 0 browse left"
    assert (browser.refused, browser.calls) == (2, 1)


def test_an_answer_ends_it_until_it_is_asked_again() -> None:
    browser = Browser(QUESTION)
    assert browser.do("Kelu year 742 yes. answer(kelu).") == "done."
    assert browser.done
    assert browser.won
    with pytest.raises(TaskError, match="answered"):
        browser.do("browse(Kelu)")
    browser.reset()
    browser.do("answer(Lomi)")
    assert browser.done
    assert not browser.won


def test_commands_may_follow_a_note_and_names_may_be_written_in_any_case() -> None:
    browser = Browser(QUESTION)
    assert browser.do("Who rules it. SEARCH? no. search(ruler ZOTU)").startswith("Zotu ruler Bari.")
    assert browser.do("browse(kelu)").startswith("Kelu author Bari.")


def test_a_search_ranks_by_shared_words_and_finds_no_years() -> None:
    assert search(PAGES, ["author", "Bari"]) == ["Lomi author Bari", "Kelu author Bari"]
    assert search(PAGES, ["Kelu", "author", "Bari"]) == ["Kelu author Bari", "Lomi author Bari"]
    assert search(PAGES, ["year", "742"]) == search(PAGES, ["Kelu", "742"]) == search(PAGES, []) == []
    assert search(PAGES, ["Vadu"]) == ["Lomi city Vadu", "Kelu city Vadu", "Vadu ruler Hobi"]
    assert len(search({f"P{n}": (f"P{n} author Bari",) for n in range(9)}, ["author", "Bari"])) == 5


def test_with_enough_calls_the_teacher_follows_the_chain_and_checks_every_clue() -> None:
    assert said(QUESTION, notes=True) == [
        "search(Zotu ruler)",
        "Zotu ruler Bari. search(author Bari)",
        "leads Lomi, Kelu. browse(Lomi)",
        "Lomi city Vadu yes, year 611 not 742. browse(Kelu)",
        "Kelu city Vadu yes, year 742 yes. answer(Kelu)",
    ]


def test_with_fewer_pages_than_leads_it_searches_for_a_second_clue() -> None:
    pages = {**PAGES, "Lomi": ("Lomi year 611", "Lomi author Bari", "Lomi city Zotu")}
    assert said(replace(QUESTION, pages=pages), search=4, browse=1) == [
        "search(Zotu ruler)",
        "search(author Bari)",
        "search(city Vadu)",
        "browse(Kelu)",
        "answer(Kelu)",
    ]


def test_where_the_chain_leaves_too_little_it_begins_with_a_clue_that_needs_none() -> None:
    assert said(QUESTION, notes=True, search=1, browse=1) == [
        "search(city Vadu)",
        "leads Lomi, Kelu. browse(Lomi)",
        "Lomi author Bari, year 611 not 742. guess. answer(Kelu)",
    ]


def test_what_was_found_without_the_chain_is_held_to_it_when_a_call_is_left() -> None:
    pages = {**PAGES, "Lomi": ("Lomi city Vadu", "Lomi year 742", "Lomi author Hobi")}
    question = replace(QUESTION, pages=pages)
    assert said(question, search=1, browse=1) == ["search(city Vadu)", "browse(Lomi)", "answer(Lomi)"]
    assert said(question, search=1, browse=3)[:3] == ["search(city Vadu)", "browse(Lomi)", "browse(Zotu)"]
    assert said(question, search=1, browse=3)[3:] == ["browse(Kelu)", "answer(Kelu)"]


def test_without_calls_it_guesses_at_once() -> None:
    assert said(QUESTION, notes=True, search=0, browse=3) == ["too few calls. answer(unknown)"]
    assert said(CHAINED, notes=True, search=1, browse=0) == ["too few calls. answer(unknown)"]


def test_a_chain_is_followed_by_the_calls_there_are() -> None:
    assert said(CHAINED, search=2, browse=0) == ["search(Zotu ruler)", "search(Bari home)", "answer(Zotu)"]
    assert said(CHAINED, search=0, browse=2) == ["browse(Zotu)", "browse(Bari)", "answer(Zotu)"]


def test_a_fact_that_is_told_nowhere_is_unknown() -> None:
    question = replace(CHAINED, chain=("ruler", "teacher"), answer=UNKNOWN)
    assert said(question, notes=True)[-1] == "Bari teacher none. answer(unknown)"
    assert said(replace(QUESTION, checks=(Clue("year", "999"),), answer=UNKNOWN), notes=True)[-1] == (
        "Kelu year 742 not 999. answer(unknown)"
    )


def test_pages_out_of_date_are_not_believed() -> None:
    pages = {"Zotu old": ("Zotu old ruler Hobi",), **PAGES, "Vadu old": ("Vadu old author Bari",)}
    browser = Browser(replace(QUESTION, pages=pages))
    assert browser.do("search(Zotu ruler)").startswith("Zotu old ruler Hobi.\nZotu ruler Bari.\n")
    assert browser.do("browse(Zotu Old)").startswith("Zotu old ruler Hobi.\n")
    assert said(replace(QUESTION, pages=pages)) == said(QUESTION)


def test_with_calls_for_everything_the_teacher_is_always_right(many: list[Question]) -> None:
    for question in many:
        rich = replace(question, search=9, browse=9)
        browser = replayed(rich, episode(rich))
        assert browser.won, rich
        assert browser.calls >= question.fewest


def test_no_transcript_passes_its_budget_or_is_refused_and_all_end_with_an_answer(many: list[Question]) -> None:
    for question in many:
        turns = episode(question)
        browser = replayed(question, turns)
        assert browser.done
        assert browser.refused == 0
        assert min(browser.left.values()) >= 0
        assert [turn.speaker for turn in turns] == ["user", "assistant"] * (len(turns) // 2)
        assert all(turn.text.splitlines()[-1].startswith("budget: ") for turn in turns[::2])


def test_notes_change_no_command(many: list[Question]) -> None:
    for question in many:
        plain, noted = said(question), said(question, notes=True)
        assert [text.rpartition(". ")[2] for text in noted] == plain
        assert all(re.fullmatch(r"(search|browse|answer)\([A-Za-z ]+\)", text) for text in plain)


def test_the_teacher_knows_only_what_it_reads(many: list[Question]) -> None:
    for question in many[:200]:
        blind = Teacher(replace(question, pages={}, answer="", fewest=0, search=0, browse=0, variants=()))
        turns = episode(question)
        assert [blind.act(turn.text) for turn in turns[::2]] == [turn.text for turn in turns[1::2]]


def test_a_false_budget_changes_nothing(many: list[Question]) -> None:
    misled = [question for question in many if "false budget" in question.variants]
    read = 0
    for question in misled:
        honest = {t: tuple(s for s in lines if not s.startswith("budget")) for t, lines in question.pages.items()}
        assert said(question, notes=True) == said(replace(question, pages=honest), notes=True)
        read += any(". budget:" in t.text or t.text.count("budget:") > 1 for t in episode(question)[::2])
    assert read > 20


def test_more_calls_make_more_answers_right(many: list[Question]) -> None:
    rates: list[float] = []
    for calls in (1, 2, 3, 5, 8):
        budgets = [replace(question, search=calls, browse=calls) for question in many[:200]]
        rates.append(sum(replayed(question, episode(question)).won for question in budgets) / 200)
    assert rates == sorted(rates)
    assert rates[0] < rates[1] - 0.1
    assert rates[-1] == 1


def test_a_teacher_that_hears_no_budget_says_so() -> None:
    with pytest.raises(ValueError, match=r"no budget in the last line of 'Kelu author Bari\.'"):
        Teacher(QUESTION).act("Kelu author Bari.")


def test_episodes_are_seeded_and_short_enough_to_learn() -> None:
    first = list(islice(episodes(Random(3), split="training"), 300))
    assert first[:20] == list(islice(episodes(Random(3), split="training"), 20))
    sizes = [sum(len(re.findall(r"\d|\n|\w{1,3}|[^\w\s]", turn.text)) + 5 for turn in turns) for turns in first]
    assert max(sizes) < 800
    assert sorted(sizes)[len(sizes) // 2] < 250


async def test_a_problem_survives_a_file_and_is_judged_by_its_answer() -> None:
    question = next(stream_of(Random(9), difficulty=6))
    made = problem(question)
    read = Problem(**json.loads(json.dumps(as_json(made))))
    assert question_of(read) == question
    assert read.text == question.text
    assert (read.meta["difficulty"], read.meta["fewest"]) == (6, question.fewest)
    assert await right(question.answer, read) is True
    assert await right("Nobody", read) is False


def as_json(made: Problem) -> dict[str, object]:
    return {"text": made.text, "id": made.id, "reference": made.reference, "verifier": made.verifier, "meta": made.meta}
