"""Small households: a thing is to be found, heated, cooled, cleaned, lit by a lamp or put away, by commands in text.

Source: the six kinds of chores are those of Shridhar et al. 2021, "ALFWorld", arXiv 2010.03768; what demonstrations are
for follows Sarukkai et al. 2025, "In-Context Distillation with Self-Consistency Cascades", arXiv 2512.02543.
Where we differ: every house has conventions that its description does not tell: where each kind of thing usually lies,
and which one of its ovens, fridges, sinks and lamps is not broken. They are learned by trying, or from an example of
another chore in the same house. There are no rooms, and whoever acts may write a note before a command (`mug box1. go
box1`), a name right before what it is looked up for.
Houses for training and held-out houses never meet: the last bit of a hash of the house's description decides. Some
pairs of a thing and a receptacle (a jar in a box) never are nor are asked for in either, but in `unseen_pairs` only.
Chores are drawn, shown and solved by `housekeeper`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, Self, cast

from ..verifiers.base import Problem
from .base import TaskError, Transcript, Turn
from .word_problems import digest

VERSION: Final = "household-v1"
KINDS: Final = ("mug", "pan", "pot", "jar", "cup", "egg", "bun", "tin", "fig", "yam")
OPEN, CLOSED = ("shelf", "desk", "rack"), ("box", "bag", "bin")
RECEPTACLES: Final = tuple(f"{kind}{n}" for kind in (*OPEN, *CLOSED) for n in (1, 2, 3))
UNSEEN: Final = {(kind, (*OPEN, *CLOSED)[at % 6]) for at, kind in enumerate(KINDS)}
STATES: Final = {"heat": "hot", "cool": "cold", "clean": "clean", "light": "lit"}
DEVICES: Final = {"hot": "oven", "cold": "fridge", "clean": "sink", "lit": "lamp"}
RULES: Final = (
    "Reach the goal, one command a turn: go PLACE, open PLACE, take THING, put THING, look, heat THING (at an oven), "
    "cool THING (at a fridge), clean THING (at a sink), light THING (at a lamp). You carry one thing at a time. "
    "You may write a short note and a full stop before the command."
)
_COMMANDS: Final = "commands: go PLACE, open PLACE, take, put, heat, cool, clean, light THING, look."
_LONGEST: Final = 40  # characters of a command; more is cut, so that no reply repeats a page

Split = Literal["training", "held_out", "unseen_pairs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What is told of a house, its receptacles and the number of devices of each sort; and its hidden conventions.

    homes: where each kind of thing usually lies. works: the one device that works, by the state it brings about.
    every_pair: whether things may also lie where they never do in training.
    """

    places: tuple[str, ...]
    devices: int
    homes: Mapping[str, str]
    works: Mapping[str, str]
    every_pair: bool = False

    @property
    def text(self) -> str:
        return f"Places: {', '.join(self.places)}. Devices 1-{self.devices}: {', '.join(DEVICES.values())}."

    @property
    def held_out(self) -> bool:
        """Whether its description is kept from training."""
        return bool(digest(self.text) & 1)

    def takes(self, kind: str) -> list[str]:
        """The receptacles where things of a kind may be."""
        return [place for place in self.places if self.every_pair or (kind, place[:-1]) not in UNSEEN]

    def sort(self, state: str) -> list[str]:
        """The devices that might bring a state about."""
        return [f"{DEVICES[state]}{n}" for n in range(1, self.devices + 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """How things are to be: one or two of a kind, in a state (or ""), in a place (or "")."""

    kind: str
    count: int = 1
    state: str = ""
    place: str = ""

    @property
    def text(self) -> str:
        things = " and ".join([f"{self.state} {self.kind}".strip()] * self.count)
        return f"{things} in {self.place}." if self.place else f"{things}."

    def holds(self, where: Mapping[str, str], states: Mapping[str, set[str]]) -> bool:
        right = [name for name in where if name[:-1] == self.kind and self.place in ("", where[name])]
        return sum(not self.state or self.state in states[name] for name in right) >= self.count


@dataclass(frozen=True, slots=True, kw_only=True)
class Chore:
    """A goal in a house, where things lie at first, how many commands may be given, and examples of other chores."""

    house: House
    goal: Goal
    things: Mapping[str, str]
    steps: int
    fewest: int = 0
    examples: tuple[Transcript, ...] = ()

    @property
    def text(self) -> str:
        shown = ["Example: " + "\n".join(turn.text for turn in turns) for turns in self.examples]
        return "\n".join([self.house.text, *shown, f"Goal: {self.goal.text} Steps: {self.steps}."])

    @property
    def split(self) -> Split:
        around = [self.house.homes.get(self.goal.kind, ""), self.goal.place]
        if any((self.goal.kind, place[:-1]) in UNSEEN for place in around):
            return "unseen_pairs"
        return "held_out" if self.house.held_out else "training"

    @property
    def id(self) -> str:
        hidden = f"{sorted(self.things.items())} {sorted(self.house.works.items())}"
        return f"{VERSION}-{digest(f'{self.text} {hidden}'):016x}"

    @classmethod
    def of(cls, problem: Problem) -> Self:
        """The chore of a problem, also of one that was read from a file. Raises: KeyError where it has none."""
        data = dict(cast(Mapping[str, Any], problem.meta["household"]))
        house, goal = dict(data.pop("house")), Goal(**data.pop("goal"))
        house["places"] = tuple(house["places"])
        examples = tuple(tuple(Turn(**turn) for turn in turns) for turns in data.pop("examples"))
        return cls(house=House(**house), goal=goal, examples=examples, **data)


class Household:
    """A chore being done: `do` takes a command and gives the world's reply, until `done`.

    steps: commands so far; refused: how many of them could not be carried out. won: whether all is as it should be.
    """

    def __init__(self, chore: Chore) -> None:
        self.chore = chore
        self.reset()

    def reset(self) -> str:
        """Begin again; gives the chore's text."""
        self.at, self.steps, self.refused = "door", 0, 0
        self.where = dict(self.chore.things)
        self.states: dict[str, set[str]] = {name: set() for name in self.where}
        self.opened = {place for place in self.chore.house.places if place[:-1] in OPEN}
        self.won = self.chore.goal.holds(self.where, self.states)
        return self.chore.text

    @property
    def done(self) -> bool:
        """Whether the chore is over, won or out of steps."""
        return self.won or self.steps >= self.chore.steps

    @property
    def hand(self) -> str:
        """The thing that is carried, or ""."""
        return next((name for name, place in self.where.items() if place == "hand"), "")

    @property
    def observation(self) -> str:
        """All that can be told without doing anything: the place, what lies there, what is carried and its states."""
        told = [f"at {self.at}.", *([self._contents()] if self.at in self.chore.house.places else [])]
        if name := self.hand:
            told += [f"{name} in hand.", *(f"{name} {state}." for state in sorted(self.states[name]))]
        return " ".join(told)

    @property
    def commands(self) -> list[str]:
        """Every command that is not refused here and now."""
        house, things = self.chore.house, tuple(self.where)
        devices = [device for state in DEVICES for device in house.sort(state)]
        named = [("go", (*house.places, *devices)), ("open", house.places)]
        named += [(verb, things) for verb in ("take", "put", *STATES)]
        able = [f"{verb} {name}" for verb, names in named for name in names if not self._wrong(verb, name)]
        return [*able, "look"]

    def do(self, command: str) -> str:
        """Carry out one command, which costs a step even where it is refused. Raises: TaskError after the end."""
        if self.done:
            raise TaskError(f"{self.chore.id} is over after {self.steps} steps; `reset` begins it again")
        self.steps += 1
        verb, _, name = action(command)[:_LONGEST].partition(" ")
        wrong = self._wrong(verb, name)
        self.refused += bool(wrong)
        reply = wrong or self._carried_out(verb, name)
        self.won = self.chore.goal.holds(self.where, self.states)
        return f"{reply} done." if self.won else f"{reply} out of steps." if self.done else reply

    def _carried_out(self, verb: str, name: str) -> str:
        if verb == "look":
            return self.observation
        if verb == "go":
            self.at = name
            return self._contents() if name in self.chore.house.places else f"at {name}."
        if verb == "open":
            self.opened.add(name)
            return self._contents()
        if verb in STATES:
            return self._treated(name, STATES[verb])
        self.where[name] = "hand" if verb == "take" else self.at
        return f"{name} in {self.where[name]}."

    def _treated(self, name: str, state: str) -> str:
        if self.at != self.chore.house.works[state]:
            return f"{self.at} broken."
        if state in ("hot", "cold"):
            self.states[name] -= {"hot", "cold"}
        self.states[name].add(state)
        return f"{name} {state}."

    def _lying(self) -> list[str]:
        return [name for name, place in self.where.items() if place == self.at]

    def _contents(self) -> str:
        if self.at not in self.opened:
            return f"{self.at} closed."
        return " ".join(f"{name} in {self.at}." for name in self._lying()) or f"{self.at} empty."

    def _wrong(self, verb: str, name: str) -> str:
        """Why a command cannot be carried out; "" where it can."""
        if (verb, name) == ("look", ""):
            return ""
        if verb not in ("go", "open", "take", "put", *STATES) or not name:
            return f"`{f'{verb} {name}'.strip()}` is no command. {_COMMANDS}"
        return self._wrong_place(verb, name) if verb in ("go", "open") else self._wrong_thing(verb, name)

    def _wrong_place(self, verb: str, name: str) -> str:
        house, at = self.chore.house, self.at
        if verb == "go":
            there = name in house.places or any(name in house.sort(state) for state in DEVICES)
            return f"already at {at}." if name == at else "" if there else f"there is no {name}. {house.text}"
        if name != at or at not in house.places:
            return f"no {name} to open at {at}."
        return f"{at} is open." if at in self.opened else ""

    def _wrong_thing(self, verb: str, name: str) -> str:
        at, hand = self.at, self.hand
        if verb == "take" and hand:
            return f"{hand} in hand; put it first."
        if verb == "take":
            return "" if at in self.opened and self.where.get(name) == at else f"no {name} to take at {at}."
        if name != hand:
            return f"{name} is not in hand."
        if verb == "put":
            closed = f"{at} closed." if at in self.chore.house.places else f"nothing can be put at {at}."
            return "" if at in self.opened else closed
        sort = DEVICES[STATES[verb]]
        return "" if at.startswith(sort) else f"no {sort} here; you are at {at}."


def action(text: str) -> str:
    """The command in what was written: without the note before it, and in one spelling."""
    return " ".join(text.lower().split()).removesuffix(".").rpartition(". ")[2]


def solved(chore: Chore, turns: Iterable[Turn]) -> bool:
    """Whether the assistant's commands, carried out anew one by one, reach the goal within the steps."""
    home = Household(chore)
    for turn in turns:
        if turn.speaker == "assistant" and not home.done:
            home.do(turn.text)
    return home.won


def problem(chore: Chore) -> Problem:
    """The chore as a problem that survives a file: all of it stands in `meta["household"]`, for `Chore.of`."""
    meta = {"household": asdict(chore), "difficulty": len(chore.house.places), "fewest": chore.fewest}
    return Problem(text=chore.text, id=chore.id, meta=meta)
