"""Questions answered by searching and browsing pages, under a budget of calls that is told after every reply.

Source: the budget line after every reply, and the parting into clues that find leads and clues that check them, follow
Liu et al. 2025, "Budget-Aware Tool-Use Enables Effective Agent Scaling", arXiv 2511.17006.
Where we differ: one call a turn; a search finds single facts by names and relations, never years, which only a page
shows; and the budget binds: a call that it does not cover is refused and costs nothing. Worlds and questions are those
of `invented_pages`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from random import Random
from typing import Any, Final, cast

from ..verifiers.base import Problem
from ..verifiers.exact import same
from .base import TaskError, Transcript, Turn
from .invented_pages import TOP, UNKNOWN, Clue, Question, Split, stream_of, told

RULES: Final = (
    "Answer the question by looking things up, one command a turn: search(NAME RELATION) finds facts, but no years; "
    "browse(NAME) shows a page; answer(NAME) or answer(unknown) ends. Pages called old are out of date. The last line "
    "says how many calls are left; pages may lie about it. You may write a short note and a full stop first."
)
_COMMAND: Final = re.compile(r"(?:^|\. )(search|browse|answer)\(([^()]*)\)\.?$")
_FACT: Final = re.compile(r"([A-Z][a-z]+)( old)? ([a-z]+) (\w+)\.")
_BUDGET: Final = re.compile(r"budget: (\d+) search, (\d+) browse left$")
_CHECKS: Final = 3  # calls that checking leads may take


class Browser:
    """A question being answered: `do` takes a command and gives the reply, until `done`; `refused` counts misses.

    A call that is carried out costs one of its kind, whatever it finds.
    """

    def __init__(self, question: Question) -> None:
        self.question = question
        self.reset()

    def reset(self) -> str:
        """Begin again; gives the question and the budget."""
        self.left = {"search": self.question.search, "browse": self.question.browse}
        self.answer, self.refused = "", 0
        return self.question.text

    @property
    def done(self) -> bool:
        """Whether an answer was given."""
        return bool(self.answer)

    @property
    def won(self) -> bool:
        """Whether it was the right one."""
        return self.done and same(self.answer, self.question.answer)

    @property
    def calls(self) -> int:
        """How many were made; less the question's `fewest`, that is the regret of a right answer."""
        return self.question.search + self.question.browse - sum(self.left.values())

    def do(self, text: str) -> str:
        """Carry out a command; the reply's last line is the budget. Raises: TaskError after the answer."""
        if self.done:
            raise TaskError("the question is answered; `reset()` asks it again")
        found = _COMMAND.search(text.strip())
        verb, words = (found[1], found[2].split()) if found else ("", list[str]())
        if verb == "answer" and words:
            self.answer = " ".join(words)
            return "done."
        refusal = self._refusal(verb, words)
        self.refused += bool(refusal)
        return f"{refusal or self._reply(verb, words)}\n{told(**self.left)}"

    def _refusal(self, verb: str, words: Sequence[str]) -> str:
        if not verb:
            return "say search(NAME RELATION), browse(NAME) or answer(NAME)."
        if not words:
            return f"{verb} what?"
        return "" if self.left[verb] else f"no {verb} left."

    def _reply(self, verb: str, words: Sequence[str]) -> str:
        self.left[verb] -= 1
        if verb == "search":
            return "\n".join(f"{sentence}." for sentence in search(self.question.pages, words)) or "nothing found."
        title = " ".join([words[0].capitalize(), *map(str.lower, words[1:])])
        return " ".join(f"{sentence}." for sentence in self.question.pages.get(title, (f"no page {title}",)))


def search(pages: Mapping[str, Sequence[str]], words: Sequence[str]) -> list[str]:
    """At most five sentences, the best of its page each: those that share the most words with the query.

    A sentence must share two words, or the one there is. Equals stand in the order of the pages.
    """
    query = {word.lower() for word in words}
    sought = query | {word.capitalize() for word in query}
    hits: list[tuple[int, str]] = []
    for sentences in pages.values():
        shared = [(-sum(word in sought for word in line.split()), line) for line in sentences if _found(line)]
        hits += [min(shared, key=_rank)] if shared else []
    return [line for rank, line in sorted(hits, key=_rank) if -rank >= min(2, len(query) or 2)][:TOP]


def _rank(hit: tuple[int, str]) -> int:
    return hit[0]


def _found(sentence: str) -> bool:
    return " year " not in sentence and not sentence.startswith("budget")


class Teacher:
    """Who answers questions by what was read alone: follows the chain, looks the leads up, checks them by turns.

    With enough calls it checks every clue. With fewer pages to open than there are leads it searches for a second clue
    too; where the chain would leave too few calls to check leads, it begins with a clue that needs none; when no call
    is left that helps, it answers with the likeliest lead, or `unknown`. notes: whether it says before a command what
    led to it.
    """

    def __init__(self, question: Question, *, notes: bool = True) -> None:
        self.question, self.notes = question, notes
        self.seen: dict[tuple[str, str], str] = {}  # by name and relation
        self.found: dict[Clue, list[str]] = {}  # what searches for clues found
        self.read: set[str] = set()  # pages browsed
        self.hopped: set[tuple[str, str]] = set()  # facts of the chain that were looked up
        self.search = self.browse = 0
        self.aim: tuple[str, str] = ("", "")  # of the last call
        self.said: list[str] = []

    def act(self, reply: str) -> str:
        """The next command, after a reply or after the question's text. Raises: ValueError where no budget is told."""
        self.said = []
        self._hear(reply)
        decide = self._check if self.found else self._explore if self.question.lead else self._follow
        command = decide()
        return ". ".join([*self.said, command]) if self.notes else command

    def _hear(self, reply: str) -> None:
        left = _BUDGET.search(reply)
        if left is None:
            raise ValueError(f"no budget in the last line of {reply!r}")
        self.search, self.browse = int(left[1]), int(left[2])
        facts = [(name, relation, value) for name, old, relation, value in _FACT.findall(reply) if not old]
        self.seen.update(((name, relation), value) for name, relation, value in facts)
        clue = Clue(*self.aim)
        if clue in self.found:
            self.found[clue] = [name for name, relation, value in facts if (relation, value) == clue]
            self.said.append(f"leads {', '.join(self._leads())}" if self._leads() else "no lead")
        elif self.aim in self.hopped:
            self.said.append(f"{' '.join(self.aim)} {self.seen.get(self.aim, 'none')}")
        elif self.aim[0] in self.read:
            self.said.append(f"{self.aim[0]} {', '.join(self._evidence(self.aim[0]))}")

    def _follow(self) -> str:
        """To the end of the chain, where that is the answer."""
        where, rest = self._walk()
        if not rest:
            return f"answer({where})"
        if (where, rest[0]) in self.hopped:
            return f"answer({UNKNOWN})"
        return self._hop() if len(rest) <= self.search + self.browse else self._guess()

    def _explore(self) -> str:
        """To the first leads: by the chain, or by a clue that needs none where the chain is too dear."""
        where, rest = self._walk()
        others = self.search - 1 + self.browse  # besides the search for leads
        direct = next((clue for clue in self.question.checks if clue.relation != "year"), None)
        if not self.search or (len(rest) > others and not direct):
            return self._guess()
        if rest and direct and others - len(rest) < _CHECKS:
            return self._seek(direct)
        return self._hop(kept=1) if rest else self._seek(Clue(self.question.lead, where))

    def _check(self) -> str:
        """From leads to the answer."""
        leads = self._leads()
        if not leads:
            return f"answer({UNKNOWN})"
        best = max(leads, key=lambda name: self._states(name).count(True))
        if all(self._states(best)):
            return f"answer({best})"
        if best in self.read:  # only the end of the chain is not known
            return self._hop() if len(self._walk()[1]) <= self.search + self.browse else self._guess(best)
        open_ = [clue for clue in self._clues() if clue.relation != "year" and clue.value and clue not in self.found]
        if open_ and self.search and self.browse < len(leads):
            return self._seek(open_[0])
        return self._open(best) if self.browse else self._guess(best)

    def _walk(self) -> tuple[str, tuple[str, ...]]:
        """How far the chain is known, and the relations left."""
        where, chain = self.question.start, self.question.chain
        for number, relation in enumerate(chain):
            if (where, relation) not in self.seen:
                return where, chain[number:]
            where = self.seen[where, relation]
        return where, ()

    def _hop(self, kept: int = 0) -> str:
        """Look the chain's next fact up, by the kind of call there is more of. kept: of each kind, for later."""
        where, (relation, *_) = self._walk()
        self.aim = where, relation
        self.hopped.add(self.aim)
        if self.search > kept and self.search >= self.browse:
            return f"search({where} {relation})"
        return self._open(where, aim=self.aim)

    def _seek(self, clue: Clue) -> str:
        self.aim, self.found[clue] = clue, []
        return f"search({clue.relation} {clue.value})"

    def _open(self, name: str, aim: tuple[str, str] | None = None) -> str:
        self.aim = aim or (name, "")
        self.read.add(name)
        return f"browse({name})"

    def _guess(self, name: str = UNKNOWN) -> str:
        self.said.append("guess" if name != UNKNOWN else "too few calls")
        return f"answer({name})"

    def _clues(self) -> list[Clue]:
        """All clues; the lead's value is "" until the chain's end is known."""
        where, rest = self._walk()
        return [Clue(self.question.lead, "" if rest else where), *self.question.checks]

    def _leads(self) -> list[str]:
        """What the first search for a clue found and nothing speaks against."""
        return [name for name in next(iter(self.found.values())) if False not in self._states(name)]

    def _states(self, name: str) -> list[bool | None]:
        """Which clues hold of a lead; None where that is not known."""
        return [self._state(name, clue) for clue in self._clues()]

    def _state(self, name: str, clue: Clue) -> bool | None:
        value = self.seen.get((name, clue.relation))
        if value is None:
            return False if name in self.read or clue in self.found else None
        return value == clue.value if clue.value else None

    def _evidence(self, name: str) -> Iterator[str]:
        """What a page says to the clues that were not searched for, up to the first that does not hold."""
        for clue in self._clues():
            value = self.seen.get((name, clue.relation), "none")
            if clue in self.found:
                continue
            held = value == clue.value
            yield f"{clue.relation} {value}" + ("" if not clue.value else " yes" if held else f" not {clue.value}")
            if clue.value and not held:
                return


def episodes(
    rng: Random, *, split: Split = "held_out", difficulty: int | None = None, notes: bool = True
) -> Iterator[Transcript]:
    """The teacher's transcripts without end. difficulty: hops and clues together, 1 to 6; None mixes."""
    for question in stream_of(rng, split=split, difficulty=difficulty):
        yield episode(question, notes=notes)


def episode(question: Question, *, notes: bool = True) -> Transcript:
    """The teacher's whole transcript, from the question's text to its answer."""
    browser, teacher = Browser(question), Teacher(question, notes=notes)
    turns = [Turn("user", browser.reset())]
    while True:
        turns.append(Turn("assistant", teacher.act(turns[-1].text)))
        reply = browser.do(turns[-1].text)
        if browser.done:
            return tuple(turns)
        turns.append(Turn("user", reply))


def replayed(question: Question, turns: Iterable[Turn]) -> Browser:
    """The question after the assistant's commands, carried out anew one by one."""
    browser = Browser(question)
    for turn in turns:
        if turn.speaker == "assistant" and not browser.done:
            browser.do(turn.text)
    return browser


def problem(question: Question) -> Problem:
    """As it is asked; all that a `Browser` needs stands in its meta, so that it survives files."""
    meta = {"difficulty": question.difficulty, "fewest": question.fewest, "browsing": asdict(question)}
    return Problem(text=question.text, id=question.id, reference=question.answer, verifier="exact", meta=meta)


def question_of(problem: Problem) -> Question:
    """The question of a problem, also of one that was read from a file. Raises: KeyError where it has none."""
    data = cast(dict[str, Any], problem.meta["browsing"])
    read: dict[str, Any] = {name: tuple(data[name]) for name in ("chain", "variants")}
    read["checks"] = tuple(Clue(*clue) for clue in data["checks"])
    read["pages"] = {title: tuple(sentences) for title, sentences in data["pages"].items()}
    return Question(**{**data, **read})
