"""What the models read at each moment of their training: which kinds of documents, how often, and how hard."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from ..tasks import browsing, housekeeper
from ..tasks.word_problems import JOINED, OPERATIONS, Mix, WordProblem, draw
from .documents import acting, asides, lookups, rating, solving, workers
from .documents.document import Document, Text
from .documents.rating import Candidates, Own
from .documents.solving import Style
from .tokenizer import Encoder

TILTED: Mapping[str, float] = {
    "same": 3,
    "add": 13,
    "subtract": 13,
    "times": 16,
    "times_two_digit": 13,
    "sum": 14,
    "half": 7,
    "compare": 14,
    "remainder": 15,
}
ASIDES: Mapping[str, float] = {
    "cut_short": 3,
    "given_up": 3,
    "checked": 5,
    "outcome": 4,
    "planned": 3,
    "note_taking": 3,
    "asked_with_notes": 5,
    "asked_without_notes": 3,
    "with_calculator": 5,
    "induced": 5,
    "side_by_side": 5,
    "household": 6,
    "browsing": 6,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is drawn how often at one moment of the training.

    kinds: weights of kinds of documents. rated: share of solved problems that carry ratings; own: share of those with
    the draft's own steps. shuffled: share of problems whose statements stand in any order.
    """

    kinds: Mapping[str, float]
    rated: float = 0.0
    own: float = 0.0
    rating_weight: float = 3.0
    operations: Mapping[str, float] = field(default_factory=lambda: dict(OPERATIONS))
    shuffled: float = 0.0


def draft_plan(fraction: float) -> Plan:
    """Solving above all, a little of everything, all the way."""
    asides = {kind: weight / 3 for kind, weight in ASIDES.items()}
    return Plan(kinds={"looked_up": 4, "chased": 2, "drill": 5, "solved": 70, **asides}, shuffled=0.3)


def target_plan(fraction: float) -> Plan:
    """First to look values up by names, then to solve, then to rate; what is hard comes more often from a third on."""
    if fraction < 0.04:
        return Plan(kinds={"looked_up": 6, "chased": 3, "solved": 1}, shuffled=0.5)
    solving = fraction < 0.4
    return Plan(
        kinds={"looked_up": 3, "chased": 2, "drill": 10, "solved": 45, **ASIDES},
        rated=0.2 if solving else 0.65,
        own=0.75 if fraction > 0.7 else 0.65,
        rating_weight=2.0 if solving else 3.0,
        operations=OPERATIONS if fraction < 0.3 else TILTED,
        shuffled=0.35,
    )


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes documents by a plan; `own_steps` are problems with what the draft wrote at each of their steps."""

    rng: Random
    plan: Plan
    own_steps: Sequence[tuple[WordProblem, Own]] = ()

    def text(self) -> Text:
        """One document of a kind drawn from the plan."""
        kinds = self.plan.kinds
        return KINDS[self.rng.choices(list(kinds), list(kinds.values()))[0]](self)

    def style(self) -> Style:
        """How one writer writes."""
        return Style.drawn(self.rng)

    def problem(self) -> WordProblem:
        """A problem of the training side."""
        mix = Mix(operations=self.plan.operations, shuffled=self.plan.shuffled, joined=0.1)
        return draw(self.rng, split="training", mix=mix)

    def candidates(self) -> Candidates:
        """A problem with what could stand as its steps."""
        problem, own = self.problem(), Own()
        if self.own_steps and self.rng.random() < self.plan.own:
            problem, own = self.rng.choice(self.own_steps)
        return Candidates(self.rng, problem, self.style(), own)


def solved(w: Writer) -> Text:
    """A solved problem, with ratings or without."""
    if w.rng.random() < w.plan.rated:
        return rating.rated(w.candidates(), w.plan.rating_weight)
    return solving.solved(w.problem(), w.style())


def checked(w: Writer) -> Text:
    """A problem whose wrong steps are the draft's own where they are known."""
    candidates = w.candidates()
    wrong = [candidates.wrong(k) for k in range(len(candidates.problem.steps))]
    return solving.checked(w.rng, candidates.problem, candidates.style, wrong)


def side_by_side(w: Writer) -> Text:
    """A problem that two can share."""
    return workers.side_by_side(w.rng, draw(w.rng, split="training", mix=JOINED), w.style())


KINDS: Mapping[str, Callable[[Writer], Text]] = {
    "looked_up": lambda w: lookups.looked_up(w.rng),
    "chased": lambda w: lookups.chased(w.rng),
    "drill": lambda w: lookups.drill(w.rng),
    "solved": solved,
    "cut_short": lambda w: solving.cut_short(w.rng, w.problem(), w.style()),
    "given_up": lambda w: solving.given_up(*solving.without(w.rng, w.problem()), w.style()),
    "checked": checked,
    "outcome": lambda w: rating.outcome(w.candidates(), w.plan.rating_weight),
    "planned": lambda w: asides.planned(w.problem()),
    "note_taking": lambda w: asides.note_taking(w.rng, w.style()),
    "asked_with_notes": lambda w: asides.asked_with_notes(w.rng, w.style()),
    "asked_without_notes": lambda w: asides.asked_without_notes(w.rng, w.style()),
    "with_calculator": lambda w: asides.with_calculator(w.rng),
    "induced": lambda w: asides.induced(w.rng),
    "side_by_side": side_by_side,
    "household": lambda w: acting.acted(next(housekeeper.episodes(w.rng, split="training"))),
    "browsing": lambda w: acting.acted(next(browsing.episodes(w.rng, split="training"))),
}


class Curriculum:
    """Documents in ids."""

    def __init__(self, encoder: Encoder, own_steps: Sequence[tuple[WordProblem, Own]] = ()) -> None:
        self.encoder, self.own_steps = encoder, own_steps

    def draw(self, rng: Random, plan: Plan) -> Document:
        """One document by the plan."""
        return Document.of(self.encoder, Writer(rng, plan, self.own_steps).text())


def plain_texts(count: int, seed: int) -> Iterator[str]:
    """What the vocabulary is learned from: whole documents as the models will meet them."""
    writer = Writer(Random(seed), target_plan(0.5))
    for _ in range(count):
        yield str(writer.text())
