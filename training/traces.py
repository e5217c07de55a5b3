"""Problems solved by an oracle: at every place what draft and target wrote, and what a process reward says of it.

Source: Maheswaran et al. 2025, "Arbitrage: Efficient Reasoning via Advantage-Aware Speculation", arXiv 2512.05033,
section 4: what a router learns from. The rewards are a trained model's, never the checker's, or an oracle would leak.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any, cast

from ..backends.base import Completion, Stop
from ..budget.cost import Cost
from ..strategies.base import Answer, digest
from ..verifiers.base import Problem, Step
from ..verifiers.equivalence import fold

PARTS = 5  # of the problems one part is kept from the training, to select and to report


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A step, how it ended, and its process reward, from 0 to 1."""

    text: str
    stop: Stop
    reward: float

    def step(self, author: str) -> Step:
        """As a step that somebody wrote."""
        return Step(completion=Completion(text=self.text, stop=self.stop, usage=Cost()), author=author)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What both wrote behind the same prefix, and whose step stands there."""

    draft: Written
    target: Written
    by_target: bool

    @property
    def advantage(self) -> float:
        """How much higher the target's reward is."""
        return self.target.reward - self.draft.reward

    @property
    def better(self) -> bool:
        """Whether the target's step is better: two of one text, but for case and spaces, are as good."""
        return self.advantage > 0 and fold(self.draft.text) != fold(self.target.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One problem, place by place."""

    id: str
    question: str
    places: tuple[Place, ...]

    @property
    def held_out(self) -> bool:
        """Whether the problem is kept from the training, by a hash of its text."""
        return int(digest(self.question), 16) % PARTS == 0


def traced(problem: Problem, answer: Answer, target: str) -> Trace:
    """The trace of an answer by the oracle, which scores both steps of a place and books them one after the other."""
    scored = [step for step in answer.steps if step.score]
    pairs = zip(scored[::2], scored[1::2], strict=False)
    return Trace(id=problem.id, question=problem.text, places=tuple(_place(*pair, target) for pair in pairs))


def _place(lost: Step, stood: Step, target: str) -> Place:
    by_target = stood.author == target
    draft, own = (lost, stood) if by_target else (stood, lost)
    return Place(draft=_written(draft), target=_written(own), by_target=by_target)


def _written(step: Step) -> Written:
    assert step.score is not None
    return Written(text=step.text, stop=step.completion.stop, reward=step.score.value)


def balanced(traces: Sequence[Trace], seed: int) -> list[tuple[Trace, frozenset[int]]]:
    """For each trace the places to learn from: as many where the target is better as where it is not, drawn at random.

    Raises: ValueError where there is only one kind.
    """
    places = [(t, k) for t, trace in enumerate(traces) for k in range(len(trace.places))]
    kinds: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
    for t, k in places:
        kinds[traces[t].places[k].better].append((t, k))
    fewest = min(map(len, kinds))
    if not fewest:
        sort = "never" if not kinds[1] else "always"
        raise ValueError(
            f"of {len(places)} steps the target's is {sort} better: there is nothing to learn; ask more problems"
        )
    rng = Random(seed)
    chosen = {place for kind in kinds for place in rng.sample(kind, fewest)}
    wanted = [frozenset(k for k in range(len(trace.places)) if (t, k) in chosen) for t, trace in enumerate(traces)]
    return [(trace, those) for trace, those in zip(traces, wanted, strict=True) if those]


def append(file: Path, trace: Trace) -> None:
    """One line more."""
    with file.open("a", encoding="utf-8") as out:
        out.write(json.dumps(asdict(trace), ensure_ascii=False) + "\n")


def load(file: Path) -> list[Trace]:
    """All whole lines; one that a crash tore is cut off."""
    if not file.exists():
        return []
    text = file.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        file.write_text(whole, encoding="utf-8")
    return [_trace(json.loads(line)) for line in whole.splitlines()]


def _trace(raw: dict[str, Any]) -> Trace:
    places = cast(Iterable[dict[str, Any]], raw.pop("places"))
    return Trace(places=tuple(map(_read, places)), **raw)


def _read(raw: dict[str, Any]) -> Place:
    return Place(draft=Written(**raw["draft"]), target=Written(**raw["target"]), by_target=raw["by_target"])
