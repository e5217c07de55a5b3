"""What is kept of one problem that one recipe solved with one seed: right or wrong, and where every token went."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, cast

from ...budget.cost import Cost
from ...strategies.base import Answer, Status
from ...verifiers import numeric
from ...verifiers import registry as verifiers
from ...verifiers.base import Problem, Step
from ..agent import Solved
from ..console.figures import Usage, by_model
from .lost import Bill
from .samples import Sample

TASK: Final = "task"  # where a problem's meta says which task it is of
_NOTHING: Final = Cost()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What one model read and wrote, in tokens. reasoning: a part of what was written, never added again."""

    input: int = 0
    cached: int = 0
    kept: int = 0
    wasted: int = 0
    judge: int = 0
    answer: int = 0
    reasoning: int = 0

    @property
    def generated(self) -> int:
        """All that it wrote: kept, wasted, judging, answers."""
        return self.kept + self.wasted + self.judge + self.answer

    @classmethod
    def of(cls, usage: Usage) -> "Tokens":
        """From what a model cost."""
        cost = usage.cost
        return cls(
            input=cost.input + cost.cache_write,
            cached=cost.cached_input,
            kept=usage.kept,
            wasted=usage.wasted,
            judge=usage.judge,
            answer=usage.answer,
            reasoning=cost.reasoning,
        )

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(**{item.name: getattr(self, item.name) + getattr(other, item.name) for item in fields(self)})


CLASSES: Final = tuple(item.name for item in fields(Tokens))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rated:
    """A step: who wrote it, whether it stands, and what a verifier or router said of it in which signal's units."""

    author: str
    kept: bool
    tokens: int
    score: float | None = None
    signal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One line of `records.jsonl`.

    correct: None without a reference. tokens: by model. nanodollars: None where a model that worked has no price.
    seconds: of wall clock, beside the other problems at work. busy: seconds by model and purpose. chains: the steps of
    each chain of thought; several where answers were sampled. samples: those answers, as votes. lost: what
    interruptions cost on top, in no other figure.
    """

    recipe: str
    seed: int
    problem: str
    task: str
    status: Status
    correct: bool | None
    answer: str
    reason: str = ""
    tokens: Mapping[str, Tokens]
    nanodollars: int | None
    seconds: float
    busy: Mapping[str, Mapping[str, float]] = field(default_factory=dict[str, Mapping[str, float]])
    chains: tuple[tuple[Rated, ...], ...] = ()
    samples: tuple[Sample, ...] = ()
    lost: int = 0

    @property
    def generated(self) -> int:
        """Tokens that all models wrote."""
        return sum(tokens.generated for tokens in self.tokens.values())

    @property
    def target_share(self) -> float | None:
        """The target's share of what was written; None where nothing was, or nobody is called `target`."""
        if "target" not in self.tokens or not self.generated:
            return 0.0 if self.generated and self.tokens else None
        return self.tokens["target"].generated / self.generated

    @property
    def vote(self) -> Sample:
        """Its answer as one sample among those of other seeds."""
        return Sample(vote=numeric.key(self.answer) if self.answer else "", right=bool(self.correct))

    def line(self) -> str:
        """As JSON."""
        tokens = {model: _plain(figures) for model, figures in self.tokens.items()}
        chains = [[_plain(step) for step in chain] for chain in self.chains]
        told = {item.name: getattr(self, item.name) for item in fields(self)}
        told |= {"tokens": tokens, "target_share": self.target_share, "seconds": round(self.seconds, 6)}
        told |= {"chains": chains, "samples": [_plain(sample) for sample in self.samples]}
        return json.dumps(told, ensure_ascii=False)

    @classmethod
    def of_line(cls, line: str) -> "Record":
        """From JSON. Raises: ValueError, KeyError, TypeError for a line that is none."""
        told = cast(dict[str, Any], json.loads(line))
        told.pop("target_share")
        told["tokens"] = {model: Tokens(**figures) for model, figures in told["tokens"].items()}
        told["chains"] = tuple(tuple(Rated(**step) for step in chain) for chain in told["chains"])
        told["samples"] = tuple(Sample(**sample) for sample in told["samples"])
        return cls(**told)


async def record(solved: Solved, *, recipe: str, seed: int, priced: Mapping[str, bool], lost: Bill) -> Record:
    """What is kept of a problem. priced: which models have a price; lost: what interruptions cost of its bill."""
    problem, answer = solved.problem, solved.answer
    bill = {key: cost - lost.get(key, _NOTHING) for key, cost in answer.bill.items()}
    used = by_model([replace(solved, answer=replace(answer, bill=bill))])
    known = all(priced.get(model, False) for model in used)
    return Record(
        recipe=recipe,
        seed=seed,
        problem=problem.id,
        task=str(problem.meta.get(TASK, "")),
        status=answer.status,
        correct=solved.correct,
        answer=answer.text,
        reason=answer.reason,
        tokens={model: Tokens.of(usage) for model, usage in used.items()},
        nanodollars=sum(cost.nanodollars for cost in bill.values()) if known else None,
        seconds=solved.seconds,
        busy=_busy(bill),
        chains=tuple(_chain(one) for one in _written(answer)),
        samples=tuple([await _sample(problem, one) for one in answer.candidates]),
        lost=sum(cost.tokens for cost in lost.values()),
    )


def _busy(bill: Bill) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for (model, purpose), cost in bill.items():
        if cost.seconds:
            found.setdefault(model, {})[purpose] = round(cost.seconds, 6)
    return found


def _written(answer: Answer) -> list[Answer]:
    """The answers that have steps of their own: this one, or else its candidates."""
    if answer.steps or not answer.candidates:
        return [answer] if answer.steps else []
    return [one for candidate in answer.candidates for one in _written(candidate)]


def _chain(answer: Answer) -> tuple[Rated, ...]:
    return tuple(_rated(step) for step in answer.steps)


def _rated(step: Step) -> Rated:
    told = {"author": step.author, "kept": step.kept, "tokens": step.completion.usage.output}
    if step.score is None or step.score.value != step.score.value:  # a score that is no number says nothing
        return Rated(**cast(Any, told))
    return Rated(**cast(Any, told), score=step.score.value, signal=step.score.signal)


async def _sample(problem: Problem, answer: Answer) -> Sample:
    answered = answer.status == "answered"
    right = answered and bool(await verifiers.right(answer.text, problem))
    return Sample(vote=numeric.key(answer.text) if answered else "", right=right)


def _plain(item: Any) -> dict[str, object]:
    """A small dataclass without what is as it would be anyway."""
    return {one.name: value for one in fields(item) if (value := getattr(item, one.name)) != one.default}
