"""What each strategy buys on the embedded pair: accuracy, tokens by model, nominal dollars and seconds.

    python -m headgate.benchmarks.strategies [--n 1000] [--calibrate 400] [--out runs/benchmark-strategies]

The threshold of each rule is chosen on other problems than those of the table: the one at which the target generates
least among those within half a point of the target alone. Every setting's answers are kept in --out, and a setting that
is already there is not run again, so an interrupted run goes on where it was.
"""

import argparse
import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

from rich.progress import Progress

from ..orchestrator.agent import Agent, Solved
from ..orchestrator.intervals import paired, wilson
from ..tasks import registry
from ..verifiers.base import Problem
from .results import record

GREEDY: Mapping[str, object] = {"temperature": 0, "step_tokens": 64, "think_tokens": 512, "answer_tokens": 32}
RULES: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "expected": ("spec_reason", {"score": "expected"}),
    "uniform": ("spec_reason", {"score": "uniform"}),
    "min_logprob": ("likelihood_gate", {}),
}
GRIDS: Mapping[str, Sequence[float]] = {
    "expected": (5, 6, 7, 7.5, 8, 8.3, 8.6),
    "min_logprob": (-4, -2.5, -1.5, -0.7),
}
TABLE = (5.0, 6.0, 7.0, 7.5, 8.0, 8.6)
LIKELY = -1.5
VOTES = (("draft", 8), ("target", 4))
CALIBRATION_SEED, TABLE_SEED = 41, 43


@dataclass(frozen=True, slots=True)
class Row:
    """One setting's figures; tokens are sums over all problems."""

    right: list[bool]
    tokens: dict[str, int]
    dollars: float
    seconds: float

    @property
    def accuracy(self) -> float:
        return sum(self.right) / len(self.right)

    def target_tokens(self) -> int:
        """All that the target generated: kept, wasted, judging, answers."""
        return sum(count for name, count in self.tokens.items() if name.startswith("target "))


@dataclass(frozen=True, slots=True)
class Bench:
    """Problems and a folder that remembers settings already measured."""

    name: str
    problems: Sequence[Problem]
    folder: Path
    parallel: int

    def measure(self, label: str, use: str, knobs: Mapping[str, object], roles: Mapping[str, str] | None = None) -> Row:
        """One setting, run or remembered."""
        path = self.folder / f"{self.name}-{len(self.problems)}-{label}.json"
        if not path.exists():
            row = asyncio.run(self._run(label, recipe(use, knobs, roles or {})))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(asdict(row)))
        return Row(**json.loads(path.read_text()))

    def rule(self, score: str, threshold: float) -> Row:
        """One signal and threshold."""
        use, knobs = RULES[score]
        return self.measure(f"{score}-{threshold:g}", use, {**GREEDY, **knobs, "threshold": threshold})

    def alone(self, model: str) -> Row:
        """One model, step by step."""
        return self.measure(model, "direct", GREEDY, {"model": model})

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


def recipe(use: str, knobs: Mapping[str, object], roles: Mapping[str, str]) -> Mapping[str, object]:
    models = {"draft": "local:embedded/draft", "target": "local:embedded/target"}
    node = {"use": use, "with": dict(knobs), "roles": dict(roles)}
    return {"version": 1, "models": models, "nodes": {"solve": node}}


def row(solved: Sequence[Solved], seconds: float) -> Row:
    tokens: dict[str, int] = {}
    for one in solved:
        for (model, purpose), cost in one.answer.bill.items():
            tokens[f"{model} {purpose}"] = tokens.get(f"{model} {purpose}", 0) + cost.output
    dollars = sum(one.answer.cost.nanodollars for one in solved) / 1e9
    return Row([bool(one.correct) for one in solved], tokens, dollars, seconds)


def choose(bench: Bench, score: str) -> float:
    """The threshold at which the target generates least, within half a point of the target alone."""
    goal = bench.alone("target").accuracy - 0.005
    rows = {threshold: bench.rule(score, threshold) for threshold in GRIDS[score]}
    good = [threshold for threshold, row in rows.items() if row.accuracy >= goal]
    return min(good, key=lambda t: rows[t].target_tokens()) if good else max(rows, key=lambda t: rows[t].accuracy)


def match_random(bench: Bench, tokens: int) -> float:
    """The blind threshold at which the target generates as much, by bisection on the calibration problems."""
    low, high = 0.0, 9.0
    for _ in range(5):
        middle = round((low + high) / 2, 3)
        low, high = (low, middle) if bench.rule("uniform", middle).target_tokens() > tokens else (middle, high)
    return round((low + high) / 2, 3)


def line(name: str, row: Row, target: Row) -> list[str]:
    n = len(row.right)
    low, high = wilson(sum(row.right), n)
    difference, below, above = paired(row.right, target.right)
    parts = [
        f"{row.tokens.get(key, 0) / n:.1f}"
        for key in ("draft think", "draft wasted", "target think", "target wasted", "target judge")
    ]
    answers = (row.tokens.get("draft answer", 0) + row.tokens.get("target answer", 0)) / n
    share = row.target_tokens() / target.target_tokens()
    money = [f"{row.dollars / n * 1e6:.0f}", f"{row.seconds:.0f}"]
    change = f"{100 * difference:+.1f} [{100 * below:+.1f}, {100 * above:+.1f}]"
    return [
        name,
        f"{row.accuracy:.3f} [{low:.3f}, {high:.3f}]",
        change,
        *parts,
        f"{answers:.1f}",
        f"{share:.2f}",
        *money,
    ]


def sampled(bench: Bench, model: str, n: int) -> Row:
    knobs = {"n": n, "strategy": {"use": "direct", "with": {**GREEDY, "temperature": 0.7, "top_p": 1.0}}}
    return bench.measure(f"vote-{model}-{n}", "self_consistency", knobs, {"model": model})


def tabulate(calibration: Bench, test: Bench) -> None:
    """Choose on one set, tell of the other."""
    target, draft = test.alone("target"), test.alone("draft")
    digit, likelihood = choose(calibration, "expected"), choose(calibration, "min_logprob")
    blind = match_random(calibration, calibration.rule("expected", digit).target_tokens())
    chosen, random = test.rule("expected", digit), test.rule("uniform", blind)
    named = [("draft alone", draft), ("target alone", target)]
    named += [(f"self_consistency n {n}, {model}", sampled(test, model, n)) for model, n in VOTES]
    thresholds = sorted({*TABLE, digit})
    named += [(f"spec_reason >= {t:g}{' *' if t == digit else ''}", test.rule("expected", t)) for t in thresholds]
    named += [(f"random at the share of *, {blind:g}", random)]
    likely = sorted({LIKELY, likelihood})
    named += [
        (f"likelihood_gate >= {t:g}{' *' if t == likelihood else ''}", test.rule("min_logprob", t)) for t in likely
    ]
    gain, below, above = paired(chosen.right, random.right)
    record(
        "strategies",
        f"{len(target.right)} held-out word problems, embedded pair",
        HEADER,
        [line(name, row, target) for name, row in named],
        NOTE,
        f"\\* against random at its share: {100 * gain:+.1f} points [{100 * below:+.1f}, {100 * above:+.1f}].",
    )


HEADER = [
    "strategy",
    "accuracy",
    "points to target",
    "draft kept",
    "draft wasted",
    "target kept",
    "target wasted",
    "target judge",
    "answer",
    "target share",
    "micro-$ a problem",
    "wall s",
]
NOTE = (
    "Generated tokens are means a problem. Target share: all that the target generated (kept, wasted, judge, answers), "
    "of what it generates alone. Dollars are nominal. \\* threshold chosen on other problems: least target tokens "
    "within half a point of the target alone. Intervals are 95 %: Wilson, and normal for paired differences. Greedy "
    "decoding, samples at temperature 0.7; wall seconds are of the whole set, on a shared machine."
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--calibrate", type=int, default=400)
    parser.add_argument("--parallel", type=int, default=64)
    parser.add_argument("--out", type=Path, default=Path("runs/benchmark-strategies"))
    options = parser.parse_args()
    calibration = registry.sample("word_problems", n=options.calibrate, seed=CALIBRATION_SEED)
    test = registry.sample("word_problems", n=options.n, seed=TABLE_SEED)
    benches = [
        Bench(name, problems, options.out, options.parallel)
        for name, problems in (("calibration", calibration), ("test", test))
    ]
    tabulate(*benches)


if __name__ == "__main__":
    main()
