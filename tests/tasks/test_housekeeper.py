"""The household's teacher: what it may know, what examples are worth, and which chores are kept from training."""

import re
from collections.abc import Callable
from dataclasses import replace
from random import Random
from statistics import mean

import pytest

from headgate.tasks.base import Turn
from headgate.tasks.household import UNSEEN, Chore, Goal, House, Household, solved
from headgate.tasks.housekeeper import (
    Memory,
    Mix,
    demonstrate,
    draw,
    episode,
    episodes,
    example,
    fewest,
    furnish,
    lay,
    rearranged,
)
from headgate.tasks.word_problems import digest

TIGHT = Mix(spare={2: 1}, examples={0: 1})
HELD = re.compile(r"\b([a-z]+)\d? in ([a-z]+)\d")


@pytest.fixture(scope="module")
def chores() -> list[Chore]:
    rng = Random(7)
    return [draw(rng, mix=TIGHT) for _ in range(300)]


def test_the_same_seed_gives_the_same_chore_and_it_never_changes() -> None:
    first = draw(Random(0))
    assert first == draw(Random(0))
    assert first != draw(Random(1))
    assert (first.id, first.goal.text, first.fewest) == ("household-v1-da5c03be25ca3fe0", "cold yam in bag3.", 7)


def test_training_and_held_out_houses_never_meet() -> None:
    rng = Random(3)
    training = {draw(rng, split="training").house.text for _ in range(300)}
    held_out = {draw(rng, split=split).house.text for split in ("held_out", "unseen_pairs") for _ in range(150)}
    assert len(training) > 290
    assert {digest(text) % 2 for text in training} == {0}
    assert {digest(text) % 2 for text in held_out} == {1}


def test_a_chore_is_on_the_side_that_was_asked_for() -> None:
    rng = Random(4)
    for split in ("training", "held_out", "unseen_pairs"):
        assert {draw(rng, split=split).split for _ in range(50)} == {split}


def test_a_pair_kept_from_training_is_never_seen_or_asked_for_there() -> None:
    rng = Random(5)
    stream = episodes(rng, split="training")
    pairs = {pair for _ in range(400) for turn in next(stream) for pair in HELD.findall(turn.text)}
    assert len(pairs) == 50
    assert not pairs & UNSEEN
    unseen = [draw(rng, split="unseen_pairs") for _ in range(50)]
    assert all({(c.goal.kind, p[:-1]) for p in (c.goal.place, c.house.homes[c.goal.kind])} & UNSEEN for c in unseen)


def test_no_goal_is_reached_before_anything_is_done(chores: list[Chore]) -> None:
    assert not [chore for chore in chores if Household(chore).won]


def test_every_episode_of_the_stream_reaches_its_goal_without_a_wrong_command() -> None:
    stream = episodes(Random(2), mix=Mix(noise=0.3))
    for turns in (next(stream) for _ in range(200)):
        assert [turn.speaker for turn in turns] == ["user", *["assistant", "user"] * (len(turns) // 2)]
        assert turns[-1].text.endswith(" done.")
        assert not [turn for turn in turns[1:] if re.search("no |not |commands", turn.text)]


def test_a_teacher_who_lives_there_needs_few_more_commands_than_the_fewest(chores: list[Chore]) -> None:
    over = [len(episode(free(c), memory=Memory.of(c.house))) // 2 - c.fewest for c in chores]
    assert min(over) == 0
    assert mean(extra == 0 for extra in over) > 0.85


def free(chore: Chore) -> Chore:
    return replace(chore, steps=1000)


def share(chores: list[Chore], shown: Callable[[Chore], Chore]) -> float:
    return mean(solved(chore, episode(shown(chore))) for chore in chores)


def test_examples_of_the_same_house_help_and_those_of_another_mislead(chores: list[Chore]) -> None:
    none = share(chores, lambda c: c)
    own = share(chores, lambda c: demonstrate(Random(c.id), c, 3))
    chance = share(chores, lambda c: demonstrate(Random(c.id), c, 3, retrieved=False))
    other = share(chores, lambda c: demonstrate(Random(c.id), c, 3, house=rearranged(Random(c.id), c.house)))
    assert other + 0.1 < none < chance - 0.2
    assert chance + 0.1 < own
    assert own > 0.85


def test_more_examples_help_more(chores: list[Chore]) -> None:
    shares = [share(chores, lambda c, n=n: demonstrate(Random(c.id), c, n)) for n in (0, 1, 2, 3)]
    assert shares == sorted(shares)


def test_the_text_alone_decides_what_the_teacher_does_first(chores: list[Chore]) -> None:
    rng = Random(1)
    for chore in chores[:100]:
        shown = demonstrate(rng, chore, 2)
        other = rearranged(rng, chore.house)
        hidden = replace(shown, house=other, things=lay(rng, other, chore.goal, Mix(habit=0.0)))
        assert shown.text == hidden.text
        assert episode(shown)[1] == episode(hidden)[1]


def test_a_rearranged_house_looks_the_same_and_shares_no_convention() -> None:
    rng = Random(8)
    house = furnish(rng, Mix(places={8: 1}))
    assert house is not None
    other = rearranged(rng, house)
    assert other.text == house.text
    assert not set(other.homes.items()) & set(house.homes.items())
    assert not set(other.works.items()) & set(house.works.items())


def test_what_was_taken_counts_before_what_was_seen_and_what_was_put_there_does_not_count() -> None:
    commands = [
        ("go box1", "mug1 in box1. pan2 in box1."),
        ("go box2", "mug4 in box2."),
        ("take mug4", "mug4 in hand."),
        ("hot oven1. go oven1", "at oven1."),
        ("heat mug4", "oven1 broken."),
        ("go oven2", "at oven2."),
        ("heat mug4", "mug4 hot."),
        ("go bag3", "egg1 in bag3."),
        ("put mug4", "mug4 in bag3."),
        ("look", "at bag3. mug4 in bag3."),
    ]
    turns = [Turn("user", "hot mug in bag3.")]
    for command, reply in commands:
        turns += [Turn("assistant", command), Turn("user", reply)]
    memory = Memory.read([turns])
    assert memory.usual == {"mug": ["box2", "box1"], "pan": ["box1"], "egg": ["bag3"]}
    assert (memory.works, memory.broken) == ({"hot": "oven2"}, {"oven1"})


def test_an_example_begins_with_its_goal_and_stands_before_the_chores_own() -> None:
    chore = draw(Random(11), mix=Mix(examples={2: 1}))
    assert [turns[0].text for turns in chore.examples] == re.findall(r"Example: (.+)\n", chore.text)
    assert chore.text.endswith(f"\nGoal: {chore.goal.text} Steps: {chore.steps}.")
    assert all(turns[-1].text.endswith(" done.") for turns in chore.examples)


def test_no_example_has_the_goal_that_is_asked() -> None:
    rng = Random(12)
    for _ in range(100):
        chore = draw(rng, mix=Mix(examples={3: 1}))
        assert len(chore.examples) == 3
        assert chore.goal.text not in [turns[0].text for turns in chore.examples]


def test_more_places_take_longer_to_search() -> None:
    def steps(places: int) -> float:
        mix, rng = replace(TIGHT, places={places: 1}), Random(9)
        return mean(len(episode(free(draw(rng, mix=mix)))) // 2 for _ in range(150))

    assert steps(4) < steps(7) < steps(10)


def test_all_six_kinds_of_chores_are_drawn(chores: list[Chore]) -> None:
    kinds = {(chore.goal.count, chore.goal.state) for chore in chores}
    assert kinds == {(1, ""), (2, ""), (1, "hot"), (1, "cold"), (1, "clean"), (1, "lit")}


def test_an_example_can_be_made_for_any_goal_and_its_length_is_known() -> None:
    house = House(places=("rack1", "desk2"), devices=1, homes={"mug": "rack1"}, works={"hot": "oven1"})
    turns = example(Random(0), house, Goal(kind="mug", state="hot", place="desk2"), replace(TIGHT, habit=1.0))
    assert turns[1].text == "mug rack1. go rack1"
    chore = Chore(house=house, goal=Goal(kind="mug", place="desk2"), things={"mug1": "rack1"}, steps=9)
    assert fewest(chore) == 4


def test_a_mix_that_no_house_can_have_is_refused() -> None:
    with pytest.raises(ValueError, match="`places` are 3 to 18; 2 given"):
        Mix(places={5: 1, 2: 1})
    with pytest.raises(ValueError, match="`devices` are 1 to 9; none given"):
        Mix(devices={})
    with pytest.raises(ValueError, match="`kinds` are 1 to 10; 11 given"):
        Mix(kinds=11)
