"""Invented little worlds of people, works and places, told on pages, and questions about them with one proved answer.

Source: the form of a question, a conjunction of clues with one answer that is hard to find and easy to check, follows
Wei et al. 2025, "BrowseComp", arXiv 2504.12516.
Where we differ: names are drawn anew for every question, so that nothing can be known by heart, and every fact is one
sentence, `Kelu author Bami.`, its value right behind what it is looked up by. Some pages hold a false budget line;
some questions have no answer, and the right one is then `unknown`; at the highest difficulty some things have a second
page, `Kelu old`, which is out of date.
Training and held-out questions never meet: the last bit of a hash of the question decides. A fifth of the names and
ten pairs of relations are left out of both and stand in `unseen` only.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from random import Random
from typing import Final, Literal, NamedTuple

from .word_problems import digest, pick

VERSION: Final = "browsing-v1"
UNKNOWN: Final = "unknown"
LEAST, MOST = 1, 6  # difficulty
TOP: Final = 5  # results of a search
_FIRST, _SECOND = "Ba Ce Do Fa Ge Ho Ja Ke Lo Ma Ne Po Ra Se To Va We Zo", "bi du ki lu mi nu ri tu"
FIRST, SECOND = tuple(_FIRST.split()), tuple(_SECOND.split())
RELATIONS: Final[Mapping[str, tuple[str, str]]] = {  # what kind of thing has it, and of what kind its value is
    "home": ("person", "place"),
    "teacher": ("person", "person"),
    "friend": ("person", "person"),
    "author": ("work", "person"),
    "hero": ("work", "person"),
    "city": ("work", "place"),
    "ruler": ("place", "person"),
    "founder": ("place", "person"),
    "capital": ("place", "place"),
}
OF: Final = {kind: [r for r in RELATIONS if RELATIONS[r][0] == kind] for kind in ("person", "work", "place")}
UNSEEN: Final = {  # one after the other in a chain, or lead and check
    *(("author", "city"), ("home", "friend"), ("capital", "ruler"), ("author", "home"), ("city", "ruler")),
    *(("teacher", "friend"), ("ruler", "teacher"), ("ruler", "author"), ("friend", "hero"), ("home", "city")),
}
SHAPES: Final = {
    1: ((1, 0),),
    2: ((2, 0),),
    3: ((3, 0), (1, 2)),
    4: ((2, 2), (1, 3)),
    5: ((3, 2), (2, 3)),
    6: ((3, 3),),
}
LEVELS: Final = {1: 1, 2: 2, 3: 3, 4: 3, 5: 2, 6: 1}  # how often each difficulty is drawn
SLACK: Final = {-2: 1, -1: 2, 0: 3, 1: 4, 2: 4, 3: 3, 5: 3}  # calls beyond the fewest, and how often

Split = Literal["training", "held_out", "unseen"]
Facts = dict[str, dict[str, str]]  # of each thing, by relation


class Clue(NamedTuple):
    """What holds of the answer: a relation and its value."""

    relation: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of which pages, under which budget; the right answer, and the fewest calls that prove it.

    start, chain: begin at a name and follow these relations. lead: the answer is a thing with this relation to what
    the chain ends at; "" where that itself is the answer. checks: further clues. pages: the sentences of each, by
    title. search, browse: how many calls are allowed. fewest: counts searches for a name and a relation, and pages
    whose names were read before. variants: what makes it hard, of `trap` (something fits all clues but one),
    `unanswerable`, `false budget` and `stale`.
    """

    start: str
    chain: tuple[str, ...]
    lead: str = ""
    checks: tuple[Clue, ...] = ()
    pages: Mapping[str, tuple[str, ...]]
    search: int = 0
    browse: int = 0
    answer: str = UNKNOWN
    fewest: int = 0
    variants: tuple[str, ...] = ()

    @property
    def asked(self) -> str:
        """The question alone."""
        said = "".join(f"the {relation} of " for relation in reversed(self.chain)) + self.start
        if not self.lead:
            return f"Name {said}."
        clues = ", ".join([f"{self.lead} {said}", *(f"{relation} {value}" for relation, value in self.checks)])
        return f"Name the {RELATIONS[self.lead][0]} with {clues}."

    @property
    def text(self) -> str:
        """The question and, in the last line, the budget."""
        return f"{self.asked}\n{told(self.search, self.browse)}"

    @property
    def hops(self) -> int:
        return len(self.chain) + bool(self.lead)

    @property
    def clues(self) -> int:
        return len(self.checks) + bool(self.lead)

    @property
    def difficulty(self) -> int:
        return self.hops + self.clues

    @property
    def split(self) -> Split:
        if reserved(self.start) or UNSEEN & pairs(self.chain, self.lead, [clue.relation for clue in self.checks]):
            return "unseen"
        return "held_out" if digest(self.asked) & 1 else "training"

    @property
    def id(self) -> str:
        pages = " ".join(f"{title}: {'. '.join(said)}" for title, said in self.pages.items())
        return f"{VERSION}-{digest(f'{self.text} {pages}'):016x}"


def told(search: int, browse: int) -> str:
    """The budget line."""
    return f"budget: {search} search, {browse} browse left"


def reserved(name: str) -> bool:
    """Whether a name stands in `unseen` only."""
    return (FIRST.index(name[:2]) + SECOND.index(name[2:])) % 5 == 0


def pairs(chain: Sequence[str], lead: str, checks: Sequence[str]) -> set[tuple[str, str]]:
    """Which relations meet in a question: those that follow each other, and the lead with every check."""
    path = [*chain, lead] if lead else chain
    return {*pairwise(path), *((lead, check) for check in checks)}


def facts_of(pages: Mapping[str, Sequence[str]]) -> Facts:
    """What the pages say that are not out of date."""
    facts: Facts = {title: {} for title in pages if not title.endswith(" old")}
    for title, of in facts.items():
        for _, relation, value in (line.split() for line in pages[title] if not line.startswith("budget")):
            of[relation] = value
    return facts


def answers(question: Question) -> list[str]:
    """Everything in the whole world that is an answer, by the pages that are not out of date."""
    facts = facts_of(question.pages)
    at: str | None = question.start
    for relation in question.chain:
        at = facts.get(at or "", {}).get(relation)
    if at is None:
        return []
    clues = [(question.lead, at), *question.checks]
    return [n for n, of in facts.items() if all(of.get(r) == v for r, v in clues)] if question.lead else [at]


def fewest(question: Question) -> int:
    """The fewest calls that prove the answer, or that there is none, to one who knows where to look.

    A fact is proved when it is read; that nothing has all clues, when nothing that some searches found in common does.
    """
    if question.answer != UNKNOWN or not question.lead:
        return question.hops + bool(question.lead)
    facts, at = facts_of(question.pages), question.start
    for relation in question.chain:
        at = facts[at][relation]
    lead = Clue(question.lead, at)
    named = [lead, *(clue for clue in question.checks if clue.relation != "year")]
    bills: list[int] = []
    for sought in (some for n in range(1, len(named) + 1) for some in combinations(named, n)):
        found = _having(facts, sought)
        walked = lead in sought or any(name in found for name in _having(facts, question.checks))
        bills.append(len(sought) + len(found) + walked * len(question.chain))
    return min(bills)


def _having(facts: Facts, clues: Sequence[tuple[str, str]]) -> list[str]:
    return [name for name, of in facts.items() if all(of.get(relation) == value for relation, value in clues)]


def stream_of(rng: Random, *, split: Split = "held_out", difficulty: int | None = None) -> Iterator[Question]:
    """Questions without end. difficulty: hops and clues together, 1 to 6; None mixes."""
    while True:
        level = difficulty or pick(rng, LEVELS)
        world = _World(rng, level, unseen=split == "unseen")
        asked = world.ask(*rng.choice(SHAPES[level]))
        if asked.split != split:
            continue
        question = world.tell(asked)
        if answers(question) == ([] if question.answer == UNKNOWN else [question.answer]):
            yield _budgeted(rng, replace(question, fewest=fewest(question)))


def _budgeted(rng: Random, question: Question) -> Question:
    """Calls around the fewest, shared out by chance; at least one search where leads are to be found."""
    calls = max(1, question.fewest + pick(rng, SLACK))
    browse = rng.randint(0, calls - bool(question.lead))
    return replace(question, search=calls - browse, browse=browse)


class _World:
    """A world that grows around one question: what leads to its answer, what misleads, and the rest."""

    def __init__(self, rng: Random, level: int, *, unseen: bool) -> None:
        self.rng, self.unseen, self.level = rng, unseen, level
        self.syllables = rng.sample(FIRST, len(FIRST))  # one letter tells the names of a world apart
        self.kinds: dict[str, str] = {}
        self.facts: Facts = {}
        self.old: Facts = {}
        self.path: list[str] = []
        self.leads: list[str] = []
        self.missing: set[tuple[str, str]] = set()  # facts that are told nowhere
        self.unanswerable = rng.random() < 0.15
        self.variants = {"unanswerable"} if self.unanswerable else set[str]()

    def new(self, kind: str) -> str:
        """A thing that nothing is known of."""
        first = self.syllables.pop()
        name = first + self.rng.choice([second for second in SECOND if reserved(first + second) == self.unseen])
        self.kinds[name], self.facts[name] = kind, {}
        return name

    def ask(self, hops: int, clues: int) -> Question:
        """A question, and the facts that lead to its target; its pages are not told yet."""
        chain, lead, checks = self._relations(hops, clues)
        self.path = [self.new(RELATIONS[chain[0]][0] if chain else RELATIONS[lead][1])]
        for relation in chain:
            value = self.new(RELATIONS[relation][1])
            self.facts[self.path[-1]][relation] = value
            self.path.append(value)
        values = [str(self.rng.randint(100, 999)) if r == "year" else self.new(RELATIONS[r][1]) for r in checks]
        return Question(start=self.path[0], chain=chain, lead=lead, checks=tuple(map(Clue, checks, values)), pages={})

    def _relations(self, hops: int, clues: int) -> tuple[tuple[str, ...], str, list[str]]:
        """The relations of a chain, the lead and the checks; among them a pair of `UNSEEN`, or none."""
        while True:
            path = [self.rng.choice(list(RELATIONS))]
            while len(path) < hops:
                ends, last = RELATIONS[path[-1]][1], len(path) == hops - 1
                fit = [r for r in RELATIONS if RELATIONS[r][bool(clues) and last] == ends and r != path[-1]]
                path.append(self.rng.choice(fit))
            chain, lead = (tuple(path[:-1]), path[-1]) if clues else (tuple(path), "")
            checks = self._checked(lead, clues - 1) if lead else []
            if len(path) + len(checks) == 1 or self.unseen == bool(UNSEEN & pairs(chain, lead, checks)):
                return chain, lead, checks

    def _checked(self, lead: str, count: int) -> list[str]:
        """Further relations of what the lead leads to; mostly its year is among them."""
        others = [relation for relation in OF[RELATIONS[lead][0]] if relation != lead]
        year = ["year"] if self.rng.random() < 0.7 else []
        checks = [*self.rng.sample(others, count - len(year)), *year]
        self.rng.shuffle(checks)
        return checks

    def tell(self, asked: Question) -> Question:
        """The question with its answer and the pages of the whole world."""
        if asked.lead:
            self._lead(asked)
        elif self.unanswerable:
            self.missing.add((self.path[-2], asked.chain[-1]))
            del self.facts[self.path[-2]][asked.chain[-1]]
        right = self.leads[0] if asked.lead else self.path[-1]
        self.missing |= {(value, relation) for relation, value in asked.checks} | {(self.path[-1], asked.lead)}
        self._fill()
        if self.level == MOST:
            self._grow_old(asked)
        answer = UNKNOWN if self.unanswerable else right
        return replace(asked, pages=self._pages(), answer=answer, variants=tuple(sorted(self.variants)))

    def _lead(self, asked: Question) -> None:
        """Leads, of which the first has all that is asked for; and things that have it, but are no leads."""
        kind = RELATIONS[asked.lead][0]
        self.leads = [self.new(kind) for _ in range(self.rng.randint(2, min(4, self.level - 1)))]
        for number, name in enumerate(self.leads):
            self.facts[name][asked.lead] = self.path[-1]
            self._check(name, asked.checks, failing=self.unanswerable or number > 0)
        if any(clue.relation != "year" for clue in asked.checks) and self.rng.random() < 0.6:
            self._check(self.new(kind), asked.checks, failing=False)
            self.variants |= {"trap"} if len(asked.checks) > 1 else set()

    def _check(self, name: str, checks: Sequence[Clue], *, failing: bool) -> None:
        """Give a thing what is checked, all of it, or all but a part."""
        missed = self.rng.sample(checks, 1 if self.rng.random() < 0.6 else len(checks)) if failing else []
        self.variants |= {"trap"} if len(missed) == 1 and len(checks) > 1 else set()
        for clue in checks:
            if clue not in missed:
                self.facts[name][clue.relation] = clue.value
            elif clue.relation == "year":
                self.facts[name]["year"] = self._other_year(clue.value)

    def _other_year(self, year: str) -> str:
        """Another one; from difficulty 5 on, it differs in the last digit only."""
        if self.level >= 5:
            return year[:2] + self.rng.choice([digit for digit in "0123456789" if digit != year[2]])
        return self.rng.choice([digit for digit in "123456789" if digit != year[0]]) + str(self.rng.randint(10, 99))

    def _fill(self) -> None:
        """Two more things of every kind, and facts about all that name none but these."""
        spare = {kind: [self.new(kind), self.new(kind)] for kind in OF}
        for name, facts in self.facts.items():
            free = [r for r in OF[self.kinds[name]] if r not in facts and (name, r) not in self.missing]
            told = self.rng.sample(free, self.rng.randint(0 if facts.keys() - {"year"} else 1, len(free)))
            facts.update((relation, self._any(spare, name, relation)) for relation in told)
            facts.setdefault("year", str(self.rng.randint(100, 999)))

    def _any(self, spare: Mapping[str, Sequence[str]], name: str, relation: str) -> str:
        return self.rng.choice([other for other in spare[RELATIONS[relation][1]] if other != name])

    def _grow_old(self, asked: Question) -> None:
        """Pages out of date: one that makes a lead of what is none, one that leads astray from the chain."""
        kinds = [RELATIONS[asked.lead][0], RELATIONS[asked.chain[0]][1]]
        planned = {*self.path, *self.leads}
        false, astray = (
            self.rng.choice([n for n in self.facts if self.kinds[n] == k and n not in planned]) for k in kinds
        )
        both = [(false, asked.lead, self.path[-1]), (self.path[0], asked.chain[0], astray)]
        for name, relation, value in self.rng.sample(both, self.rng.randint(1, 2)):
            self.old[f"{name} old"] = {relation: value, "year": str(self.rng.randint(100, 999))}
        self.variants.add("stale")

    def _pages(self) -> dict[str, tuple[str, ...]]:
        """All pages in any order, their sentences too; a fifth of the questions come with false budgets."""
        pages = {title: [f"{title} {r} {v}" for r, v in of.items()] for title, of in (self.facts | self.old).items()}
        for said in pages.values():
            self.rng.shuffle(said)
        if self.rng.random() < 0.2:
            self.variants.add("false budget")
            for title in self.rng.sample([*self.path, *self.leads], 2):
                line = told(self.rng.randint(0, 9), self.rng.randint(0, 9))
                pages[title].insert(self.rng.randint(0, len(pages[title])), line)
        titles = self.rng.sample(list(pages), len(pages))
        return {title: tuple(pages[title]) for title in titles}
