"""The household's world: what commands do, what is refused and why, and what ends a chore."""

import json
from collections import deque
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.tasks.base import TaskError
from headgate.tasks.household import (
    KINDS,
    RECEPTACLES,
    STATES,
    Chore,
    Goal,
    House,
    Household,
    Turn,
    action,
    problem,
    solved,
)
from headgate.tasks.housekeeper import Mix, draw
from headgate.verifiers.base import Problem

HOUSE = House(
    places=("shelf1", "box2"),
    devices=2,
    homes={"mug": "shelf1", "pan": "box2"},
    works={"hot": "oven2", "cold": "fridge1", "clean": "sink2", "lit": "lamp1"},
)
CHORE = Chore(
    house=HOUSE,
    goal=Goal(kind="mug", state="hot", place="box2"),
    things={"mug3": "shelf1", "pan1": "box2", "egg2": "shelf1"},
    steps=30,
)


def said(chore: Chore, *commands: str) -> list[str]:
    home = Household(chore)
    return [home.do(command) for command in commands]


def test_a_chore_is_done_in_the_words_of_its_text() -> None:
    assert CHORE.text == (
        "Places: shelf1, box2. Devices 1-2: oven, fridge, sink, lamp.\nGoal: hot mug in box2. Steps: 30."
    )
    commands = ["mug shelf1. go shelf1", "take mug3", "go oven1", "heat mug3", "go oven2", "heat mug3", "go box2"]
    assert said(CHORE, *commands, "open box2", "put mug3") == [
        "mug3 in shelf1. egg2 in shelf1.",
        "mug3 in hand.",
        "at oven1.",
        "oven1 broken.",
        "at oven2.",
        "mug3 hot.",
        "box2 closed.",
        "pan1 in box2.",
        "mug3 in box2. done.",
    ]


def test_cooling_undoes_heating_and_cleaning_undoes_nothing() -> None:
    home = Household(CHORE)
    for command in ["go shelf1", "take mug3", "go oven2", "heat mug3", "go sink2", "clean mug3", "go fridge1"]:
        home.do(command)
    assert home.do("cool mug3") == "mug3 cold."
    assert home.observation == home.do("look") == "at fridge1. mug3 in hand. mug3 clean. mug3 cold."


@pytest.mark.parametrize(
    ("before", "command", "reply"),
    [
        ("", "fly box2", "`fly box2` is no command. commands: go PLACE, open PLACE, take, put, heat,"),
        ("", "", "`` is no command. commands:"),
        ("", "mug shelf1.", "`mug shelf1` is no command."),
        ("", "look mug3", "`look mug3` is no command."),
        ("", "go box1", "there is no box1. Places: shelf1, box2. Devices 1-2:"),
        ("", "go oven3", "there is no oven3."),
        ("go box2", "go box2", "already at box2."),
        ("", "open box2", "no box2 to open at door."),
        ("go shelf1", "open shelf1", "shelf1 is open."),
        ("go oven1", "open oven1", "no oven1 to open at oven1."),
        ("", "take mug3", "no mug3 to take at door."),
        ("go box2", "take pan1", "no pan1 to take at box2."),
        ("go shelf1", "take hand", "no hand to take at shelf1."),
        ("go shelf1;take mug3", "take egg2", "mug3 in hand; put it first."),
        ("go shelf1", "put mug3", "mug3 is not in hand."),
        ("go shelf1;take mug3;go oven1", "put mug3", "nothing can be put at oven1."),
        ("go shelf1;take mug3;go box2", "put mug3", "box2 closed."),
        ("go shelf1;take mug3", "heat mug3", "no oven here; you are at shelf1."),
        ("go oven2", "heat mug3", "mug3 is not in hand."),
    ],
)
def test_a_wrong_command_says_why_and_changes_nothing(before: str, command: str, reply: str) -> None:
    home = Household(CHORE)
    for done in filter(None, before.split(";")):
        home.do(done)
    state = (home.at, dict(home.where), set(home.opened), home.observation)
    steps = home.steps
    assert home.do(command).startswith(reply)
    assert (home.at, home.where, home.opened, home.observation) == state
    assert (home.steps, home.refused) == (steps + 1, 1)


def test_a_reply_never_repeats_a_page() -> None:
    home = Household(CHORE)
    assert len(home.do("go " + "box2 " * 1000)) < 120
    assert home.do("word " * 1000).startswith("`word word word word word word word word` is no command.")


def test_a_note_case_spaces_and_a_last_full_stop_do_not_matter() -> None:
    assert {action(text) for text in ("go box2", "mug box2. go box2", " Mug in box2?  Maybe. Go  box2.\n")} == {
        "go box2"
    }
    assert action("mug box2.\ngo box2") == "go box2"


def test_the_last_step_is_the_last_and_says_so() -> None:
    home = Household(Chore(house=HOUSE, goal=CHORE.goal, things=CHORE.things, steps=2))
    home.do("look")
    assert home.do("look") == "at door. out of steps."
    assert (home.done, home.won) == (True, False)
    with pytest.raises(TaskError, match=r"is over after 2 steps; `reset` begins it again"):
        home.do("look")
    home.reset()
    assert not home.done
    assert home.do("look") == "at door."


@given(st.integers(0, 200), st.lists(st.integers(0, 10**6), max_size=25))
def test_exactly_the_commands_that_are_offered_are_not_refused(seed: int, choices: list[int]) -> None:
    home = Household(draw(Random(seed), mix=Mix(spare={30: 1})))
    names = [*RECEPTACLES, *home.where, *(f"{sort}{n}" for sort in ("oven", "lamp") for n in (1, 2, 3, 4)), "hand", ""]
    every = [f"{verb} {name}".strip() for verb in ("go", "open", "take", "put", *STATES, "look") for name in names]
    for choice in choices:
        if home.done:
            break
        offered = home.commands
        command = every[choice % len(every)] if choice % 3 else offered[choice % len(offered)]
        before = home.refused
        home.do(command)
        assert (home.refused == before) == (command in offered)
        assert sum(place == "hand" for place in home.where.values()) <= 1


def test_whether_a_transcript_solves_a_chore_is_found_by_carrying_it_out() -> None:
    commands = ["go shelf1", "take mug3", "go oven2", "heat mug3", "go box2", "open box2", "put mug3"]
    turns = [Turn("assistant", command) for command in commands]
    assert solved(CHORE, turns)
    assert not solved(CHORE, turns[:-1])
    assert not solved(CHORE, [*turns[:3], *turns[4:]])
    assert not solved(CHORE, [Turn("user", "mug3 in box2. done.")])
    assert not solved(Chore(house=HOUSE, goal=CHORE.goal, things=CHORE.things, steps=6), turns)


def test_a_chore_survives_a_file_as_a_problem() -> None:
    for seed in range(20):
        chore = draw(Random(seed))
        posed = problem(chore)
        read = Chore.of(replace(posed, meta=json.loads(json.dumps(posed.meta))))
        assert read == chore
        assert (read.id, read.text) == (posed.id, posed.text)
    with pytest.raises(KeyError, match="household"):
        Chore.of(Problem(text="2+2"))


@pytest.mark.parametrize("seed", range(12))
def test_no_shorter_way_than_the_fewest_commands_exists(seed: int) -> None:
    mix = Mix(places={4: 1}, kinds=1, habit=0.5, tasks={"two": 1} if seed % 2 else {"heat": 1, "place": 1, "light": 1})
    chore = draw(Random(seed), mix=mix)
    assert shortest(chore) == chore.fewest


def shortest(chore: Chore) -> int:
    """By breadth-first search over all that can be done with the goal's things."""
    useful = {*chore.house.places, chore.house.works.get(chore.goal.state)}
    queue, seen = deque[tuple[str, ...]]([()]), set[str]()
    while queue:
        path = queue.popleft()
        home = Household(chore)
        for command in path:
            home.do(command)
        if home.won:
            return len(path)
        state = f"{home.at} {home.where} {home.states} {sorted(home.opened)}"
        if state in seen:
            continue
        seen.add(state)
        for command in home.commands:
            verb, _, name = command.partition(" ")
            if verb not in ("go", "look") or name in useful:
                queue.append((*path, command))
    raise AssertionError("the goal cannot be reached")


def test_names_are_short_and_none_begins_another() -> None:
    names = [*KINDS, *{place[:-1] for place in RECEPTACLES}, "oven", "fridge", "sink", "lamp"]
    assert max(map(len, names)) <= 6
    assert not [(a, b) for a in names for b in names if a != b and b.startswith(a)]
