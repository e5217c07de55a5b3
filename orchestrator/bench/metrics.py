"""A recipe's figures, from its records alone.

Sources: Erol et al. 2025, "Cost-of-Pass: An Economic Framework for Evaluating Language Models", arXiv 2504.13359: cost
of an attempt over the chance that it is right. Lin et al. 2025, "Plan and Budget", arXiv 2505.16122: E^3 = A^2 / T, A
the accuracy in percent and T the mean of generated tokens; with A as a share it would be 10,000 times smaller.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from statistics import fmean
from typing import Final

from ..intervals import bootstrap, chance, clustered
from .records import CLASSES, Record, Tokens
from .samples import Sample, majority_at, pass_at

_SAMPLES: Final = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One recipe over the records it has so far; means are a problem, over all seeds.

    n: problems; tries: seeds of each, at most. accuracy, low, high: a share and its 95 % interval, None where no
    problem has a reference. tokens: by model and class. dollars: None where a price is missing. cost_of_pass: what a
    right answer costs, in dollars or else in `spent` tokens; infinite where none is right. target_share: of what was
    written.
    """

    recipe: str
    n: int
    tries: int
    accuracy: float | None
    low: float
    high: float
    tokens: Mapping[str, Mapping[str, float]]
    generated: float
    spent: float
    dollars: float | None
    seconds: float
    target_share: float | None
    cost_of_pass: float | None
    e3: float | None
    abstained: float
    exhausted: float
    failed: float
    lost: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A recipe less the baseline over the problems that both solved: accuracy, and the ratio of their costs.

    low, high: the 95 % percentile interval of the difference, problems drawn again. p: how often chance alone would
    differ as much. ratio: of dollars, or else tokens.
    """

    recipe: str
    n: int
    points: float
    low: float
    high: float
    p: float
    ratio: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """What k samples of a problem are worth, k by k: the chance that one is right, and that their vote is."""

    recipe: str
    n: int
    of: str
    passed: Mapping[int, float]
    voted: Mapping[int, float]


def row(recipe: str, records: Sequence[Record]) -> Row:
    """The figures of one recipe's records."""
    shares, tries = by_problem(records), max(map(len, problems(records).values()), default=0)
    accuracy = fmean(shares.values()) if shares else None
    low, high = clustered(list(shares.values()), tries) if shares else (0.0, 1.0)
    generated, spent = _mean(record.generated for record in records), _mean(map(_spent, records))
    dollars = cost(records)
    total = reduce(Tokens.__add__, (tokens for one in records for tokens in one.tokens.values()), Tokens())
    written = sum(one.tokens["target"].generated for one in records if "target" in one.tokens)
    return Row(
        recipe=recipe,
        n=len(problems(records)),
        tries=tries,
        accuracy=accuracy,
        low=low,
        high=high,
        tokens=_tokens(records),
        generated=generated,
        spent=spent,
        dollars=dollars,
        seconds=_mean(record.seconds for record in records),
        target_share=written / total.generated if total.generated else None,
        cost_of_pass=cost_of_pass(spent if dollars is None else dollars, accuracy),
        e3=(100 * accuracy) ** 2 / generated if accuracy is not None and generated else None,
        abstained=_mean(record.status == "abstained" for record in records),
        exhausted=_mean(record.status == "exhausted" for record in records),
        failed=_mean(record.status == "failed" for record in records),
        lost=sum(record.lost for record in records),
    )


def priced(rows: Iterable[Row]) -> bool:
    """Whether every row that has problems has dollars."""
    return all(one.dollars is not None for one in rows if one.n)


def problems(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Records by problem, in the problems' order."""
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record.problem, []).append(record)
    return found


def by_problem(records: Iterable[Record]) -> dict[str, float]:
    """The share of a problem's tries that are right, of problems with a reference."""
    known = [record for record in records if record.correct is not None]
    return {name: _mean(bool(one.correct) for one in tries) for name, tries in problems(known).items()}


def cost(records: Sequence[Record]) -> float | None:
    """Mean dollars a problem; None where a price is missing."""
    paid = [record.nanodollars for record in records if record.nanodollars is not None]
    return sum(paid) / len(paid) / 1e9 if paid and len(paid) == len(records) else None


def cost_of_pass(mean: float, accuracy: float | None) -> float | None:
    """What a right answer costs: a try's mean cost over the chance that it is right; infinite where none is."""
    if accuracy is None:
        return None
    return mean / accuracy if accuracy else math.inf


def difference(records: Sequence[Record], baseline: Sequence[Record]) -> Difference | None:
    """A recipe less the baseline, over the problems of both; None where they have none with a reference in common."""
    left, right = by_problem(records), by_problem(baseline)
    both = [name for name in left if name in right]
    if not both:
        return None
    mine_right, theirs_right = [left[name] for name in both], [right[name] for name in both]
    points, low, high = bootstrap(mine_right, theirs_right)
    common = frozenset(both)
    mine, theirs = ([one for one in some if one.problem in common] for some in (records, baseline))
    return Difference(
        recipe=records[0].recipe,
        n=len(both),
        points=points,
        low=low,
        high=high,
        p=chance(mine_right, theirs_right),
        ratio=_ratio(mine, theirs),
    )


def sampled(recipe: str, records: Sequence[Record]) -> Sampled | None:
    """Of the answers that a recipe sampled, or else of its seeds; None where each problem has one answer."""
    known = problems(one for one in records if one.correct is not None)
    drawn = {name: [s for one in tries for s in one.samples] for name, tries in known.items()}
    seeds = {name: [one.vote for one in tries] for name, tries in known.items()}
    for of, samples in (("samples", drawn), ("seeds", seeds)):
        # a vote may stop early where it is decided: the first so many were drawn whatever they said
        most = min((len(some) for some in samples.values()), default=0)
        if most > 1:
            firsts = [some[:most] for some in samples.values()]
            return Sampled(recipe=recipe, n=most, of=of, **_worth(firsts, most))
    return None


def pareto(points: Mapping[str, tuple[float, float]]) -> list[str]:
    """Those (cost, accuracy) that no other beats in one without losing in the other, by rising cost."""
    best, kept = -math.inf, list[str]()
    for name, (_, accuracy) in sorted(points.items(), key=lambda item: (item[1][0], -item[1][1])):
        if accuracy > best:
            best = accuracy
            kept.append(name)
    return kept


def _worth(samples: Sequence[Sequence[Sample]], most: int) -> dict[str, dict[int, float]]:
    ks = [k for k in _SAMPLES if k < most] + [most]
    right = [sum(sample.right for sample in some) for some in samples]
    return {
        "passed": {k: fmean(pass_at(most, c, k) for c in right) for k in ks},
        "voted": {k: fmean(majority_at(some, k) for some in samples) for k in ks},
    }


def _ratio(left: Sequence[Record], right: Sequence[Record]) -> float | None:
    mine, theirs = cost(left), cost(right)
    if mine is None or theirs is None:
        mine, theirs = _mean(map(_spent, left)), _mean(map(_spent, right))
    return mine / theirs if theirs else None


def _tokens(records: Sequence[Record]) -> dict[str, dict[str, float]]:
    """Means a record, by model and class."""
    sums: dict[str, Tokens] = {}
    for record in records:
        for model, tokens in record.tokens.items():
            sums[model] = sums.get(model, Tokens()) + tokens
    names = (*CLASSES, "generated")
    return {model: {name: getattr(total, name) / len(records) for name in names} for model, total in sums.items()}


def _spent(record: Record) -> float:
    return float(sum(tokens.input + tokens.generated for tokens in record.tokens.values()))


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found) if found else 0.0
