"""Skills that take turns: a calculator under a budget, households with and without examples, browsing, two workers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Protocol

from ..tasks import housekeeper, invented_pages, tool_problems
from ..tasks.browsing import Browser
from ..tasks.household import Household
from ..tasks.invented_pages import Question
from ..tasks.tool_problems import ToolProblem
from ..tasks.word_problems import JOINED, problems
from .documents.workers import PIECE
from .figures import Figures, counted
from .formats import CLOSE, DELIMITER, END, FINISHED, IDLE, SKIP, TURN, USER, asking, boxed, header, shared, unfinished
from .rollout import write
from .skills import Reader

NAMES, MOST_TURNS, MOST_PASSES = "AB", 40, 600


class Episode(Protocol):
    """A text that a model goes on with, piece by piece."""

    @property
    def text(self) -> str: ...

    @property
    def done(self) -> bool: ...

    def take(self, said: str) -> None:
        """What the model wrote; whoever answers it goes on with the text."""
        ...


class World(Protocol):
    """What is acted in by commands."""

    @property
    def done(self) -> bool: ...

    def reset(self) -> str: ...

    def do(self, command: str, /) -> str: ...


def play(reader: Reader, episodes: Sequence[Episode], stop: Sequence[str], limit: int = 96) -> None:
    """All at once, until each is done or has had its turns."""
    ends = [reader.encoder.one(token) for token in stop]
    for _ in range(MOST_TURNS):
        going = [episode for episode in episodes if not episode.done]
        if not going:
            return
        prompts = [reader.encoder.encode(episode.text) for episode in going]
        for episode, written in zip(
            going, write(reader.model, prompts, stop=ends, limit=min(limit, reader.limit)), strict=True
        ):
            episode.take(reader.encoder.decode(written.ids))


class Acting:
    """Turns of a conversation with a world."""

    def __init__(self, world: World) -> None:
        self.world, self.text = world, f"{USER}{world.reset()}{TURN}{SKIP}"

    @property
    def done(self) -> bool:
        return self.world.done

    def take(self, said: str) -> None:
        """One command."""
        reply = self.world.do(said.removesuffix(END))
        self.text += f"{said.removesuffix(END)}{END}\n{USER}{reply}{TURN}{SKIP}"


@dataclass(slots=True)
class Calculating:
    """Reasoning in which a call that the budget covers is answered."""

    problem: ToolProblem
    text: str = ""
    left: int = 0
    done: bool = False

    def __post_init__(self) -> None:
        self.text, self.left = asking(self.problem.question), self.problem.calls

    def take(self, said: str) -> None:
        """A piece up to a line's end or the turn's."""
        self.text += said
        self.done = said.endswith(END)
        value = tool_problems.calculated(said)
        if value is not None and self.left:
            self.left -= 1
            self.text += tool_problems.reply(value, self.left)

    @property
    def right(self) -> bool:
        return boxed(self.problem.answer) in self.text


def calculator(reader: Reader, count: int) -> Figures:
    """The same problems with 0 to 3 calls."""
    rng = Random(7_201)
    drawn = [tool_problems.draw(rng, rng.randint(1, 3), 0) for _ in range(count)]
    found: Figures = {}
    for calls in range(4):
        episodes = [Calculating(tool_problems.with_calls(problem, calls)) for problem in drawn]
        play(reader, episodes, ("<|im_end|>", "\n", DELIMITER))
        found[f"{calls} calls of a calculator"] = counted([episode.right for episode in episodes])
    return found


def households(reader: Reader, count: int) -> Figures:
    """Chores without examples, with two of the same house, and with two of a house rearranged."""
    rng, found = Random(7_202), Figures()
    chores = [replace(housekeeper.draw(rng), examples=()) for _ in range(count)]
    shown = {
        "no example": chores,
        "two examples of the house": [housekeeper.demonstrate(rng, chore, 2) for chore in chores],
        "two of another house": [
            housekeeper.demonstrate(rng, chore, 2, house=housekeeper.rearranged(rng, chore.house)) for chore in chores
        ],
    }
    for name, some in shown.items():
        homes = [Household(chore) for chore in some]
        play(reader, [Acting(home) for home in homes], ("<|im_end|>",), 24)
        found[f"chores done, {name}"] = counted([home.won for home in homes])
    return found


def browsers(reader: Reader, count: int) -> Figures:
    """Questions under scarce and under ample budgets, and how many calls were refused."""
    stream = invented_pages.stream_of(Random(7_203))
    drawn = [next(stream) for _ in range(count)]
    found: Figures = {}
    for name, spare in (("one call short", -1), ("just enough calls", 0), ("four calls to spare", 4)):
        worlds = [Browser(with_calls(question, max(1, question.fewest + spare))) for question in drawn]
        play(reader, [Acting(world) for world in worlds], ("<|im_end|>",), 32)
        found[f"questions answered, {name}"] = counted([world.won for world in worlds])
    return found


def with_calls(question: Question, calls: int) -> Question:
    """The question with so many calls, half of them searches."""
    return replace(question, search=calls - calls // 2, browse=calls // 2)


@dataclass(slots=True)
class Together:
    """Two workers at one problem, a token a turn each; `text` is what the one sees who begins a step."""

    finished: str
    done: bool = False
    number: int = 0
    passes: int = 0
    said: list[list[str]] = field(default_factory=lambda: [[], []])
    at: list[int] = field(default_factory=lambda: [0, 0])

    @property
    def text(self) -> str:
        other = 1 - self.number
        return (
            self.finished
            + unfinished(NAMES[other], "".join(self.said[other][: self.at[other]]))
            + header(NAMES[self.number])
        )

    def take(self, said: str) -> None:
        """A whole step of the one who began; both go on until the next is finished."""
        step = said.removesuffix(DELIMITER)
        self.done = step == FINISHED or self.passes > MOST_PASSES
        self.said[self.number], self.at[self.number] = PIECE.findall(step), 0
        waiting = [step == IDLE if n == self.number else "".join(self.said[n]) == IDLE for n in (0, 1)]
        if self.done or (not self.said[1 - self.number] and not any(waiting)):
            self.number = 1 - self.number
            return
        self.finish(waiting)

    def finish(self, waiting: Sequence[bool]) -> None:
        """The step that ends first joins what is finished, and its writer begins another; so does one who waited."""
        busy = [n for n in (0, 1) if not waiting[n] and self.said[n]]
        if not busy:
            self.done = True
            return
        first = min(busy, key=lambda n: len(self.said[n]) - self.at[n])
        tokens = len(self.said[first]) - self.at[first]
        self.passes += tokens + 1
        self.at = [at + tokens for at in self.at]
        self.finished += header(NAMES[first]) + "".join(self.said[first]) + DELIMITER
        self.said[first] = []
        self.number = first


def together(reader: Reader, count: int) -> Figures:
    """Problems of two chains: alone and by two, and how many passes two need for each that one needs."""
    asked = problems(count, 7_204, mix=JOINED)
    alone = reader.write([asking(problem.question) for problem in asked])
    episodes = [Together(shared(problem.question)) for problem in asked]
    play(reader, episodes, ("<|im_end|>", DELIMITER))
    answers = reader.answers([episode.finished + CLOSE for episode in episodes])
    passes = [len(reader.encoder.encode(text.partition(CLOSE)[0])) for text in alone]
    return {
        "two chains, alone": counted([boxed(p.answer) in text for p, text in zip(asked, alone, strict=True)]),
        "two chains, two workers": counted([a == str(p.answer) for a, p in zip(answers, asked, strict=True)]),
        "passes of two for one alone": {"mean": sum(e.passes for e in episodes) / sum(passes), "n": count},
    }


SKILLS: Mapping[str, Callable[[Reader, int], Figures]] = {
    "calculator": calculator,
    "households": households,
    "browsing": browsers,
    "two workers": together,
}
