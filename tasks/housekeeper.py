"""Whoever knows a household, or has only seen examples of it: draws its chores and does them, as transcripts.

Source: our own. The teacher looks for a thing in its usual place first, as the hand-coded experts of ALFWorld do
(Shridhar et al. 2021, arXiv 2010.03768, section 3); what is shown before a chore follows Sarukkai et al. 2025,
"In-Context Distillation with Self-Consistency Cascades", arXiv 2512.02543.
Where we differ: the teacher of an episode knows what the episode's examples tell and no more, so that whoever learns
from it can know all that it does. Ties go to the place that is told first.
"""

import re
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final, Literal, Self

from .base import Transcript, Turn
from .household import (
    CLOSED,
    DEVICES,
    KINDS,
    RECEPTACLES,
    STATES,
    Chore,
    Goal,
    House,
    Household,
    Split,
    action,
)
from .word_problems import pick

_LIES: Final = re.compile(r"(([a-z]+)\d) in ([a-z]+\d)\.")
_TREATED: Final = re.compile(r"[a-z]+\d (hot|cold|clean|lit)\.")
_BROKEN: Final = re.compile(r"([a-z]+\d) broken\.")
_WITHOUT_END: Final = 1000  # steps

Task = Literal["place", "two", "heat", "cool", "clean", "light"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """What kinds of chores are drawn: weights, one per choice; more places are harder.

    devices: of each sort, of which one works. spare: commands beyond the fewest that do. habit: how often a thing lies
    where its kind usually lies. retrieved: share of chores whose examples are chosen for what they share with it,
    rather than at random. noise: how often the teacher looks in a random place.

    Raises: ValueError for houses that cannot be drawn.
    """

    places: Mapping[int, float] = field(default_factory=lambda: {4: 1, 5: 2, 6: 2, 7: 1, 8: 1})
    devices: Mapping[int, float] = field(default_factory=lambda: {2: 1, 3: 2})
    tasks: Mapping[Task, float] = field(
        default_factory=lambda: {"place": 2, "two": 1, "heat": 2, "cool": 2, "clean": 2, "light": 1}
    )
    examples: Mapping[int, float] = field(default_factory=lambda: {0: 2, 1: 3, 2: 2, 3: 1})
    spare: Mapping[int, float] = field(default_factory=lambda: {2: 1, 4: 2, 8: 1})
    kinds: int = 4
    habit: float = 0.9
    retrieved: float = 0.75
    noise: float = 0.0

    def __post_init__(self) -> None:
        for name, given, least, most in (
            ("places", self.places, 3, len(RECEPTACLES)),
            ("devices", self.devices, 1, 9),
            ("kinds", (self.kinds,), 1, len(KINDS)),
        ):
            wrong = [str(number) for number in given if not least <= number <= most]
            if wrong or not given:
                raise ValueError(f"`{name}` are {least} to {most}; {', '.join(wrong) or 'none'} given")


STANDARD: Final = Mix()


@dataclass(slots=True)
class Memory:
    """What is known of a house: which devices work, which are broken, and where kinds of things were come upon.

    Of those places, the one where a thing was taken last comes first, one where it was only seen comes last.
    """

    usual: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    works: dict[str, str] = field(default_factory=dict[str, str])
    broken: set[str] = field(default_factory=set[str])

    @classmethod
    def of(cls, house: House) -> Self:
        """What somebody knows who lives there."""
        return cls(usual={kind: [place] for kind, place in house.homes.items()}, works=dict(house.works))

    @classmethod
    def read(cls, examples: Iterable[Sequence[Turn]]) -> Self:
        """What can be learned from transcripts, and nothing else."""
        memory = cls()
        for turns in examples:
            memory._learn(turns)
        return memory

    def _learn(self, turns: Sequence[Turn]) -> None:
        put, at = set[str](), ""
        for said, reply in zip(turns[1::2], turns[2::2], strict=False):
            verb, _, name = action(said.text).partition(" ")
            at = name if verb == "go" else at
            if verb == "put":
                put.add(name)
            elif verb == "take" and reply.text.startswith(f"{name} in hand."):
                self.usual[name[:-1]] = [at, *(place for place in self.usual.get(name[:-1], ()) if place != at)]
            elif verb in STATES:
                self.works.update((state, at) for state in _TREATED.findall(reply.text))
                self.broken.update(_BROKEN.findall(reply.text))
            for seen, kind, place in _LIES.findall(reply.text):
                if seen not in put and place not in self.usual.setdefault(kind, []):
                    self.usual[kind].append(place)


class _Teacher:
    """Plans over what it knows and reads: looks in the usual places first, then in the order told."""

    def __init__(self, chore: Chore, memory: Memory, noise: float, rng: Random) -> None:
        self.chore, self.goal, self.memory, self.noise, self.rng = chore, chore.goal, memory, noise, rng
        self.at = ""
        self.left = [place for place in chore.house.places if place != self.goal.place]
        self.seen: dict[str, str] = {}

    def plan(self) -> Generator[str, str, None]:
        """Commands; each is answered with the world's reply."""
        for _ in range(self.goal.count):
            name = yield from self._find()
            yield f"take {name}"
            if self.goal.state:
                yield from self._treat(name)
            if self.goal.place:
                yield from self._reach(self.goal.place)
                yield f"put {name}"

    def _find(self) -> Generator[str, str, str]:
        while not self.seen:
            place = self._likeliest()
            self.left.remove(place)
            reply = yield from self._reach(place, note=f"{self.goal.kind} {place}. ")
            self.seen |= {name: place for name, kind, place in _LIES.findall(reply) if kind == self.goal.kind}
        name = next(iter(self.seen))
        place = self.seen.pop(name)
        if place != self.at:
            yield from self._reach(place, note=f"{self.goal.kind} {place}. ")
        return name

    def _reach(self, place: str, note: str = "") -> Generator[str, str, str]:
        self.at = place
        reply = yield f"{note}go {place}"
        if reply == f"{place} closed.":
            reply = yield f"open {place}"
        return reply

    def _likeliest(self) -> str:
        if self.rng.random() < self.noise:
            return self.rng.choice(self.left)
        usual = self.memory.usual.get(self.goal.kind, [])
        return next((place for place in usual if place in self.left), self.left[0])

    def _treat(self, name: str) -> Generator[str, str, None]:
        state = self.goal.state
        verb = next(verb for verb, brings in STATES.items() if brings == state)
        known, broken = self.memory.works.get(state), self.memory.broken
        for device in sorted(self.chore.house.sort(state), key=lambda device: (device != known, device in broken)):
            yield f"{state} {device}. go {device}"
            self.at = device
            reply = yield f"{verb} {name}"
            if not _BROKEN.match(reply):
                return


def episode(chore: Chore, *, memory: Memory | None = None, noise: float = 0.0, seed: int = 0) -> Transcript:
    """The teacher's whole transcript, from the chore's text to the last reply.

    memory: what the teacher knows beforehand; None for what the chore's own examples tell. noise: how often it looks in
    a random place instead of the likeliest.
    """
    known = Memory.read(chore.examples) if memory is None else memory
    home, teacher = Household(chore), _Teacher(chore, known, noise, Random(seed)).plan()
    turns = [Turn("user", home.reset())]
    while not home.done:
        command = teacher.send(turns[-1].text) if turns[1:] else next(teacher)
        turns += [Turn("assistant", command), Turn("user", home.do(command))]
    return tuple(turns)


def draw(rng: Random, *, split: Split = "held_out", mix: Mix = STANDARD) -> Chore:
    """One chore of the given side, with examples; draws again until one falls there."""
    while True:
        house = furnish(rng, mix, every_pair=split == "unseen_pairs")
        if house is None or house.held_out == (split == "training"):
            continue
        goal = wish(rng, house, mix)
        chore = Chore(house=house, goal=goal, things=lay(rng, house, goal, mix), steps=_WITHOUT_END)
        if chore.split == split:
            least = fewest(chore)
            chore = replace(chore, fewest=least, steps=least + pick(rng, mix.spare))
            retrieved = rng.random() < mix.retrieved
            return demonstrate(rng, chore, pick(rng, mix.examples), retrieved=retrieved, mix=mix)


def episodes(rng: Random, *, split: Split = "training", mix: Mix = STANDARD) -> Iterator[Transcript]:
    """Transcripts without end in which the teacher reaches the goal in time, from what the examples tell."""
    while True:
        chore = draw(rng, split=split, mix=mix)
        turns = episode(chore, noise=mix.noise, seed=rng.getrandbits(32))
        if turns[-1].text.endswith(" done."):
            yield turns


def furnish(rng: Random, mix: Mix = STANDARD, *, every_pair: bool = False) -> House | None:
    """A house with conventions of its own; None where a kind of thing would have no place to lie."""
    devices = pick(rng, mix.devices)
    bare = House(
        places=tuple(rng.sample(RECEPTACLES, pick(rng, mix.places))),
        devices=devices,
        homes={},
        works={state: f"{device}{rng.randint(1, devices)}" for state, device in DEVICES.items()},
        every_pair=every_pair,
    )
    takes = {kind: bare.takes(kind) for kind in rng.sample(KINDS, mix.kinds)}
    if any(len(places) < 3 for places in takes.values()):
        return None
    return replace(bare, homes={kind: rng.choice(places) for kind, places in takes.items()})


def rearranged(rng: Random, house: House) -> House:
    """Another house that looks the same, but in which no convention of the first holds that could be another way."""
    homes = {kind: rng.choice([p for p in house.takes(kind) if p != home]) for kind, home in house.homes.items()}
    works = {
        state: rng.choice([d for d in house.sort(state) if d != works] or [works])
        for state, works in house.works.items()
    }
    return replace(house, homes=homes, works=works)


def wish(rng: Random, house: House, mix: Mix = STANDARD) -> Goal:
    """A goal that things in their usual places do not fulfil."""
    task, kind = pick(rng, mix.tasks), rng.choice(list(house.homes))
    place = rng.choice([place for place in house.takes(kind) if place != house.homes[kind]])
    if task == "light":
        return Goal(kind=kind, state=STATES[task])
    return Goal(kind=kind, count=2 if task == "two" else 1, state=STATES.get(task, ""), place=place)


def lay(rng: Random, house: House, goal: Goal, mix: Mix = STANDARD) -> dict[str, str]:
    """Where each thing lies at first: mostly where its kind usually does, and none where the goal wants it."""
    things: dict[str, str] = {}
    for kind, home in house.homes.items():
        wanted = goal.count if kind == goal.kind else 0
        elsewhere = [place for place in house.takes(kind) if kind != goal.kind or place != goal.place]
        for n in rng.sample(range(1, 5), wanted or rng.randint(0, 1)):
            things[f"{kind}{n}"] = home if rng.random() < mix.habit else rng.choice(elsewhere)
    return things


def fewest(chore: Chore) -> int:
    """How few commands do, for somebody who knows where everything lies."""
    lying = [place for name, place in chore.things.items() if name[:-1] == chore.goal.kind]
    near = sorted(lying, key=lambda place: place[:-1] in CLOSED)
    memory = Memory(usual={chore.goal.kind: near}, works=dict(chore.house.works))
    return len(episode(replace(chore, steps=_WITHOUT_END, examples=()), memory=memory)) // 2


def demonstrate(
    rng: Random,
    chore: Chore,
    n: int,
    *,
    retrieved: bool = True,
    house: House | None = None,
    mix: Mix = STANDARD,
) -> Chore:
    """The chore with n examples of other chores, done by somebody who lives there; house: where, if not in its own.

    retrieved: whether those are chosen that share the thing or the state with it.
    """
    house = house or chore.house
    pool = [goal for goal in (wish(rng, house, mix) for _ in range(8 + 4 * n)) if goal != chore.goal]
    chosen = _alike(chore.goal, pool, n) if retrieved else pool[:n]
    rng.shuffle(chosen)
    return replace(chore, examples=tuple(example(rng, house, goal, mix) for goal in chosen))


def _alike(goal: Goal, pool: Sequence[Goal], n: int) -> list[Goal]:
    """Goals that together share most with one: each adds what those before it lack; ties go to the first."""
    left, wanted, chosen = list(pool), {goal.kind, goal.state} - {""}, list[Goal]()
    while left and len(chosen) < n:
        best = max(left, key=lambda other: len(wanted & {other.kind, other.state}))
        wanted -= {best.kind, best.state}
        left.remove(best)
        chosen.append(best)
    return chosen


def example(rng: Random, house: House, goal: Goal, mix: Mix = STANDARD) -> Transcript:
    """How somebody who lives there reaches a goal; begins with the goal, not with the house."""
    chore = Chore(house=house, goal=goal, things=lay(rng, house, goal, mix), steps=_WITHOUT_END)
    first, *rest = episode(chore, memory=Memory.of(house), noise=mix.noise, seed=rng.getrandbits(32))
    return (replace(first, text=goal.text), *rest)
