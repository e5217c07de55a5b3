"""What each strategy buys on the embedded pair: accuracy, tokens by model, nominal dollars, and what chance would buy.

    python -m headgate.benchmarks.strategies [--n 2000] [--calibrate 400] [--only glimp_router] [--out runs/strategies]

Knobs are chosen on other problems than those of the table, each strategy's by three rules: "dollars" is the value that
is furthest above the line between draft alone and target alone at equal dollars, which whoever throws a coin for each
problem reaches; "tokens" the same at equal tokens of the target; "cheap" is the one at which the target generates
least among those within half a point of the target alone, where there is one. Of entropy routing the value at which
the target generates nearest to a quarter of what it does alone is told as well. Every setting's answers are kept in
--out, and a setting that is already there is not run again, so that an interrupted run goes on where it was.
"""

import argparse
import asyncio
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from time import perf_counter
from typing import Any, Final

import torch
from rich.progress import Progress
from torch import Tensor

from ..orchestrator.agent import Agent, Solved
from ..orchestrator.intervals import paired, wilson
from ..tasks import registry
from ..verifiers.base import Problem
from .results import FOLDER, record

Knobs = Mapping[str, object]
GREEDY: Final[Knobs] = {"temperature": 0, "step_tokens": 64, "think_tokens": 512, "answer_tokens": 32}
CLASSES: Final = ("draft think", "draft wasted", "target think", "target wasted", "target judge")
VOTES: Final = (("draft", 8), ("target", 4))
SHARES: Final = (0.1, 0.25, 0.5, 0.75)
CALIBRATION_SEED, TABLE_SEED = 41, 43
RESAMPLES: Final = 1000
QUARTER: Final = 0.25


@dataclass(frozen=True, slots=True)
class Rule:
    """A strategy with one knob to choose; `models` are those that it needs beside draft and target."""

    use: str
    knob: str
    grid: Sequence[float]
    knobs: Knobs = field(default_factory=dict[str, object])
    models: Mapping[str, str] = field(default_factory=dict[str, str])
    name: str = ""
    quarter: bool = False

    @property
    def label(self) -> str:
        return self.name or self.use

    def at(self, value: float) -> Knobs:
        """All its knobs, with one value of that one."""
        whole = isinstance(self.grid[0], int)
        return {**GREEDY, **self.knobs, self.knob: int(value) if whole else value}


RULES: Final = (
    Rule("spec_reason", "threshold", (5.0, 6.0, 7.0, 7.5, 8.0, 8.3, 8.6)),
    Rule("likelihood_gate", "threshold", (-6.0, -4.0, -2.5, -1.5, -0.7, -0.3)),
    Rule("rsd", "delta", (0.1, 0.3, 0.5, 0.7, 0.9, 0.97), models={"reward": "local:embedded/reward"}),
    Rule("arbitrage", "tau", (0.05, 0.1, 0.2, 0.35, 0.5, 0.7), models={"router": "local:embedded/router"}),
    Rule("glimp_router", "tau", (0.01, 0.03, 0.1, 0.3, 0.4, 0.5, 0.6, 0.7, 0.9), quarter=True),
    Rule("foreal", "n", (1, 2, 3, 5, 8)),
    Rule("entropy_switching", "tau", (0.02, 0.05, 0.1, 0.2, 0.4), {"window": 3, "min_dwell": 3}),
    Rule("speculative_thinking", "takeover_tokens", (1, 2, 4, 8), {"always": True, "top_k": 0}),
    Rule("lookahead_reasoning", "gamma", (2, 4), {"same": "text"}),
    Rule("trig_reason", "rho", (0.6, 0.7, 0.8, 0.9, 0.95), {"first_n": 1}),
    Rule("hybrid_routing", "lost", (0.1, 0.3, 0.6, 1.0), {"judge": "likelihood", "sure": 0.003}),
    Rule("hybrid_routing", "lost", (0.3, 0.6, 1.0), {"judge": "digit", "sure": 0.003}, name="hybrid_routing, digit"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One setting's figures, a problem each but for the seconds; tokens are sums by model and purpose."""

    right: list[bool]
    nanodollars: list[int]
    target: list[int]
    tokens: dict[str, int]
    seconds: float

    @property
    def accuracy(self) -> float:
        return fmean(self.right)

    @property
    def dollars(self) -> float:
        """A problem, in the mean."""
        return fmean(self.nanodollars) / 1e9


@dataclass(frozen=True, slots=True)
class Bench:
    """Problems and a folder that remembers settings already measured."""

    name: str
    problems: Sequence[Problem]
    folder: Path
    parallel: int

    def measure(self, label: str, use: str, knobs: Knobs, **more: Mapping[str, str]) -> Row:
        """One setting, run or remembered."""
        path = self.folder / f"{self.name}-{len(self.problems)}-{label}.json"
        if not path.exists():
            row = asyncio.run(self._run(label, recipe(use, knobs, **more)))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(asdict(row)))
        return Row(**json.loads(path.read_text()))

    def rule(self, rule: Rule, value: float) -> Row:
        """A strategy at one value of its knob."""
        return self.measure(f"{rule.label}-{value:g}".replace(", ", "-"), rule.use, rule.at(value), models=rule.models)

    def alone(self, model: str) -> Row:
        """One model, step by step."""
        return self.measure(model, "direct", GREEDY, roles={"model": model})

    def chance(self, share: float) -> Row:
        """Steps given to the target by chance."""
        return self.measure(f"random-{share:g}", "random_routing", {**GREEDY, "share": share})

    async def _run(self, label: str, mapping: Mapping[str, object]) -> Row:
        solved: dict[str, Solved] = {}
        began = perf_counter()
        async with Agent(mapping) as agent:
            with Progress(transient=True) as progress:
                bar = progress.add_task(f"{self.name} {label}", total=len(self.problems))
                async for one in agent.solve_all(self.problems, parallel=self.parallel):
                    solved[one.problem.id] = one
                    progress.advance(bar)
        return row([solved[problem.id] for problem in self.problems], perf_counter() - began)


def recipe(
    use: str, knobs: Knobs, *, roles: Mapping[str, str] | None = None, models: Mapping[str, str] | None = None
) -> Mapping[str, object]:
    pair = {"draft": "local:embedded/draft", "target": "local:embedded/target"}
    node = {"use": use, "with": dict(knobs), "roles": dict(roles or {})}
    return {"version": 1, "models": {**pair, **(models or {})}, "nodes": {"solve": node}}


def row(solved: Sequence[Solved], seconds: float) -> Row:
    tokens: dict[str, int] = {}
    for one in solved:
        for (model, purpose), cost in one.answer.bill.items():
            tokens[f"{model} {purpose}"] = tokens.get(f"{model} {purpose}", 0) + cost.output
    wrote = [one.answer.cost_by_role["target"].output if "target" in one.answer.cost_by_role else 0 for one in solved]
    paid = [one.answer.cost.nanodollars for one in solved]
    return Row([bool(one.correct) for one in solved], paid, wrote, tokens, seconds)


@dataclass(frozen=True, slots=True)
class Curve:
    """Settings that cost more and more, on the same problems; between two neighbours a coin is thrown for each problem.

    of: what a row costs, a problem each.
    """

    rows: Sequence[Row]
    of: Callable[[Row], Sequence[int]]

    def gain(self, row: Row) -> float:
        """How far a setting's accuracy lies above the line at equal cost; a dearer one is held to the last point."""
        return self.gains(row, torch.ones(1, len(row.right), dtype=torch.float64))[0]

    def interval(self, row: Row) -> tuple[float, float]:
        """95 % of the gain, problems drawn again."""
        n = len(row.right)
        drawn = torch.randint(n, (RESAMPLES, n), generator=torch.Generator().manual_seed(0))
        often = torch.zeros(RESAMPLES, n, dtype=torch.float64).scatter_add_(1, drawn, torch.ones_like(drawn).double())
        gains = sorted(self.gains(row, often))
        return gains[round(0.025 * RESAMPLES)], gains[round(0.975 * RESAMPLES) - 1]

    def gains(self, row: Row, often: Tensor) -> list[float]:
        """The gain on each of several draws of the problems; often [draws, n]: how often each problem is drawn."""
        points = [self._points(one, often) for one in (row, *self.rows)]
        return [accuracy - between(line, cost) for (cost, accuracy), *line in zip(*points, strict=True)]

    def _points(self, row: Row, often: Tensor) -> list[tuple[float, float]]:
        """Mean cost and accuracy of a row, by draw."""
        each = torch.tensor([self.of(row), row.right], dtype=torch.float64)
        means = often @ each.T / often.sum(1, keepdim=True)  # [draws, 2]
        return [(float(cost), float(accuracy)) for cost, accuracy in means]

    def told(self, row: Row) -> str:
        """The gain with its interval, in points."""
        gain, (low, high) = self.gain(row), self.interval(row)
        return f"{100 * gain:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"


def between(points: Iterable[tuple[float, float]], x: float) -> float:
    """The broken line through the points at x, level beyond its ends."""
    known = sorted(points)
    for (x0, y0), (x1, y1) in pairwise(known):
        if x0 <= x < x1:
            return y0 + (y1 - y0) * (x - x0) / (x1 - x0)
    return known[0][1] if x < known[0][0] else known[-1][1]


@dataclass(frozen=True, slots=True)
class Controls:
    """What chance buys on the same problems: the two models alone, and steps given to the target by chance."""

    draft: Row
    target: Row
    drawn: Sequence[Row] = ()

    @classmethod
    def of(cls, bench: Bench, shares: Sequence[float] = ()) -> "Controls":
        return cls(bench.alone("draft"), bench.alone("target"), [bench.chance(share) for share in shares])

    @property
    def dollars(self) -> Curve:
        """One of the two for each problem, for as many dollars."""
        return Curve([self.draft, self.target], lambda row: row.nanodollars)

    @property
    def tokens(self) -> Curve:
        """One of the two for each problem, for as many tokens of the target."""
        return Curve([self.draft, self.target], lambda row: row.target)

    @property
    def steps(self) -> Curve:
        """One of the two for each step, for as many tokens of the target."""
        return Curve([self.draft, *self.drawn, self.target], lambda row: row.target)

    def share(self, row: Row) -> float:
        """All that the target generated, of what it generates alone."""
        return sum(row.target) / sum(self.target.target)


def chosen(bench: Bench, rule: Rule) -> dict[float, str]:
    """The values of a strategy's knob that the rules choose, with the rules' names."""
    alone = Controls.of(bench)
    rows = {value: bench.rule(rule, value) for value in rule.grid}
    good = [value for value, row in rows.items() if row.accuracy >= alone.target.accuracy - 0.005]
    found: dict[float, list[str]] = {}
    for name, coin in (("dollars", alone.dollars), ("tokens", alone.tokens)):
        found.setdefault(max(rows, key=lambda value: coin.gain(rows[value])), []).append(name)
    if good:
        found.setdefault(min(good, key=lambda value: sum(rows[value].target)), []).append("cheap")
    if rule.quarter:
        nearest = min(rows, key=lambda value: abs(alone.share(rows[value]) - QUARTER))
        found.setdefault(nearest, []).append("quarter")
    return {value: ", ".join(names) for value, names in found.items()}


def line(name: str, row: Row, controls: Controls) -> list[str]:
    n = len(row.right)
    low, high = wilson(sum(row.right), n)
    difference, below, above = paired(row.right, controls.target.right)
    answers = (row.tokens.get("draft answer", 0) + row.tokens.get("target answer", 0)) / n
    return [
        name,
        f"{row.accuracy:.3f} [{low:.3f}, {high:.3f}]",
        f"{100 * difference:+.1f} [{100 * below:+.1f}, {100 * above:+.1f}]",
        controls.dollars.told(row),
        controls.tokens.told(row),
        controls.steps.told(row),
        f"{controls.share(row):.2f}",
        f"{row.dollars * 1e6:.0f}",
        *(f"{row.tokens.get(key, 0) / n:.1f}" for key in CLASSES),
        f"{answers:.1f}",
    ]


def sampled(bench: Bench, model: str, n: int) -> Row:
    knobs = {"n": n, "strategy": {"use": "direct", "with": {**GREEDY, "temperature": 0.7, "top_p": 1.0}}}
    return bench.measure(f"vote-{model}-{n}", "self_consistency", knobs, roles={"model": model})


@dataclass(frozen=True, slots=True)
class Setting:
    """A strategy, how it was set, and what that gave."""

    label: str
    setting: str
    row: Row

    @property
    def name(self) -> str:
        return f"{self.label}, {self.setting}" if self.setting else self.label


def settings(calibration: Bench, test: Bench, rules: Sequence[Rule], controls: Controls) -> list[Setting]:
    """What is told of: the controls, each strategy as it was chosen on one set and run on the other, and votes."""
    found = [Setting("draft alone", "", controls.draft), Setting("target alone", "", controls.target)]
    found += [Setting("random_routing", f"share {s:g}", row) for s, row in zip(SHARES, controls.drawn, strict=True)]
    for rule in rules:
        for value, why in chosen(calibration, rule).items():
            found.append(Setting(rule.label, f"{rule.knob} {value:g} ({why})", test.rule(rule, value)))
    return found + [Setting("self_consistency", f"n {n}, {model}", sampled(test, model, n)) for model, n in VOTES]


def tabulate(calibration: Bench, test: Bench, rules: Sequence[Rule]) -> None:
    """Choose on one set, tell of the other."""
    controls = Controls.of(test, SHARES)
    found = settings(calibration, test, rules, controls)
    lines = [line(one.name, one.row, controls) for one in found]
    record("strategies", f"{len(controls.target.right)} held-out word problems, embedded pair", HEADER, lines, NOTE)
    picture(found, controls)


def picture(found: Sequence[Setting], controls: Controls) -> None:
    """Accuracy against dollars and the target's share, with the line of a coin for each problem; nothing far dearer."""
    from ..orchestrator.bench.plots.style import RC, columns, figure, save

    matplotlib: Any = import_module("matplotlib")
    shown = [one for one in found if one.row.dollars <= 1.5 * controls.target.dollars]
    with matplotlib.rc_context(dict(RC)):
        drawn = figure(9.6, 5.4)
        left, right = drawn.subplots(1, 2, sharey=True)
        plot(left, shown, controls, lambda row: 1e6 * row.dollars)
        plot(right, shown, controls, controls.share)
        left.set_xlabel("millionths of a dollar a problem (dotted: a coin for each problem)")
        right.set_xlabel("target's tokens, of those that it needs alone")
        left.set_ylabel("problems answered right, % (bars: 95 %)")
        handles, labels = left.get_legend_handles_labels()
        drawn.legend(handles, labels, loc="outside lower center", ncols=columns(labels, 9.6), frameon=False)
        save(drawn, FOLDER / "strategies")


def plot(axis: Any, shown: Sequence[Setting], controls: Controls, of: Callable[[Row], float]) -> None:
    """A mark a setting, of one form and on one line for each strategy."""
    from ..orchestrator.bench.plots.style import bar, look

    labels = list(dict.fromkeys(one.label for one in shown))
    for label, form in look(labels).items():
        rows = sorted((one.row for one in shown if one.label == label), key=of)
        around = [bar(row.accuracy, *wilson(sum(row.right), len(row.right))) for row in rows]
        bars = [[low for (low,), _ in around], [high for _, (high,) in around]]
        style = {**form, "label": label, "linewidth": 0.7, "capsize": 2, "markersize": 6}
        axis.errorbar([of(row) for row in rows], [100 * row.accuracy for row in rows], yerr=bars, **style)
    both = (controls.draft, controls.target)
    axis.plot([of(one) for one in both], [100 * one.accuracy for one in both], ":", color="#333333")


HEADER: Final = [
    "strategy",
    "accuracy",
    "points to target",
    "above a coin, equal dollars",
    "above a coin, equal target tokens",
    "above a coin a step",
    "target share",
    "micro-$ a problem",
    "draft kept",
    "draft wasted",
    "target kept",
    "target wasted",
    "target judge",
    "answer",
]
NOTE: Final = (
    "Generated tokens are means a problem. Target share: all that the target generated (kept, wasted, judge, "
    "answers), of what it generates alone. Above a coin: points above draft alone or target alone, thrown for each "
    "problem so that it costs as many dollars, or as many tokens of the target; above a coin a step: points above "
    "random_routing, for as many tokens of the target. Dollars are nominal. Knobs were chosen on other problems, "
    "(dollars) and (tokens): furthest above that coin; (cheap): least target tokens within half a point of the target "
    "alone; (quarter): nearest to a quarter of its tokens. Intervals are 95 %: Wilson's, normal for paired "
    "differences, bootstrap above a coin. Greedy decoding, samples at temperature 0.7. Wall time is in step_times.md."
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m headgate.benchmarks.strategies", description=__doc__)
    parser.add_argument("--n", type=int, default=2000, help="problems of the table (2000)")
    parser.add_argument("--calibrate", type=int, default=400, help="problems on which knobs are chosen (400)")
    parser.add_argument("--only", action="append", default=[], help="a strategy; may be repeated")
    parser.add_argument("--parallel", type=int, default=64, help="problems at a time (64)")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmark-strategies"), help="where settings are kept")
    asked = parser.parse_args()
    calibration, table = (
        Bench(name, registry.sample("word_problems", n, seed), asked.out, asked.parallel)
        for name, n, seed in (("calibration", asked.calibrate, CALIBRATION_SEED), ("table", asked.n, TABLE_SEED))
    )
    tabulate(calibration, table, [rule for rule in RULES if not asked.only or rule.use in asked.only])


if __name__ == "__main__":
    main()
