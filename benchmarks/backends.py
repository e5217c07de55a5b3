"""The same recipes on every engine: whether they take the same steps, and how fast each is.

    python -m headgate.benchmarks.backends [--n 300] [--parallel 16] [--only local vllm ...]

Each engine runs in a process of its own. Greedy decoding; a problem counts as the same where every step that stands is
the same text by the same model. Where one is not, the reason is named: at a tie (the two texts part where the model's
first two choices are equal but for rounding), or at the threshold (a rating within a thousandth of it).
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from rich.progress import Progress

from ..backends.base import Context, Piece
from ..backends.checkpoint import EMBEDDED, Checkpoint
from ..backends.local.qwen3 import Qwen3, causal
from ..orchestrator.agent import Agent, Solved
from ..tasks import registry
from ..verifiers.base import Problem
from .results import record
from .server import serving

GREEDY: Mapping[str, object] = {"temperature": 0, "step_tokens": 64, "think_tokens": 512, "answer_tokens": 32}
THRESHOLD = 7.0
NEAR = 1e-3  # of a rating to the threshold
TIED = 1e-3  # between the first two choices of a token, in nats
NODES: Mapping[str, Mapping[str, Any]] = {
    "spec_reason": {"use": "spec_reason", "with": {**GREEDY, "threshold": THRESHOLD}},
    "self_consistency": {
        "use": "self_consistency",
        "roles": {"model": "draft"},
        "with": {"n": 4, "strategy": {"use": "direct", "with": {**GREEDY, "temperature": 0.7, "top_p": 1.0}}},
    },
}
WAYS: Mapping[str, Mapping[str, Any]] = {
    "local": {"backend": "local", "dtype": "float32"},
    "vllm": {"backend": "vllm", "dtype": "float32"},
    "vllm async": {"backend": "vllm", "dtype": "float32", "engine": {"form": "async"}},
    "openai": {"backend": "openai"},
}


def problems(n: int) -> list[Problem]:
    return registry.sample("word_problems", n, seed=47)


@contextmanager
def models(way: str) -> Generator[dict[str, dict[str, Any]]]:
    """The pair as a recipe names it on one engine; servers live as long as the context."""
    with ExitStack() as stack:
        found: dict[str, dict[str, Any]] = {}
        for role in ("draft", "target"):
            found[role] = {**WAYS[way], "model": f"embedded/{role}"}
            if way == "openai":
                found[role] |= {
                    "model": str(EMBEDDED / role),
                    "base_url": stack.enter_context(serving(role)),
                }
        yield found


def solve_all(way: str, n: int, parallel: int) -> dict[str, Any]:
    """Wall seconds, tokens and steps of every recipe on one engine."""
    with models(way) as named:
        return {name: asyncio.run(_solve(named, node, n, parallel)) for name, node in NODES.items()}


async def _solve(named: Mapping[str, Any], node: Mapping[str, Any], n: int, parallel: int) -> dict[str, Any]:
    used = {role: named[role] for role in named if role == "draft" or "roles" not in node}
    began, solved = time.monotonic(), dict[str, Solved]()
    async with Agent({"version": 1, "models": used, "nodes": {"solve": dict(node)}}) as agent:
        opened = time.monotonic()
        with Progress(transient=True) as progress:
            bar = progress.add_task("", total=n)
            async for one in agent.solve_all(problems(n), parallel=parallel):
                solved[one.problem.id] = one
                progress.advance(bar)
        ended = time.monotonic()
    return {
        "open_s": opened - began,
        "seconds": ended - opened,
        "output": sum(one.answer.cost.output for one in solved.values()),
        "right": sum(bool(one.correct) for one in solved.values()),
        "steps": {name: _steps(one) for name, one in solved.items()},
        "answers": {name: one.answer.text for name, one in solved.items()},
    }


def _steps(solved: Solved) -> list[tuple[str, str, bool, float | None]]:
    return [(s.author, s.text, s.kept, s.score.value if s.score else None) for s in solved.answer.steps]


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any], problems: Sequence[Problem]) -> dict[str, int]:
    """Problems whose steps are not the same, by why."""
    found = {"tie": 0, "threshold": 0, "other": 0}
    for problem in problems:
        mine, other = ours["steps"][problem.id], theirs["steps"][problem.id]
        if [step[:3] for step in mine] != [step[:3] for step in other]:
            found[_reason(problem, mine, other)] += 1
    return found


def _reason(problem: Problem, ours: Sequence[Sequence[Any]], theirs: Sequence[Sequence[Any]]) -> str:
    """Where two chains part: in what was written, or in whether the same step stood."""
    context = Context.ask(problem.text)
    for mine, other in zip(ours, theirs, strict=False):
        if mine[1] != other[1]:
            return "tie" if _margin(context, mine[0], mine[1], other[1]) < TIED else "other"
        if mine[2] != other[2]:
            return "threshold" if abs((mine[3] or 0) - THRESHOLD) < NEAR else "other"
        if mine[2]:
            context = context.append(Piece(role="assistant", text=mine[1], part="think", author=mine[0]))
    return "other"


def _margin(context: Context, role: str, ours: str, theirs: str) -> float:
    """By how many nats the first choice beats the second where two texts of a model part."""
    checkpoint, model = _loaded(role)
    mine, other = checkpoint.tokens.encode(ours), checkpoint.tokens.encode(theirs)
    same = next((i for i, (a, b) in enumerate(zip(mine, other, strict=False)) if a != b), min(len(mine), len(other)))
    ids = [*checkpoint.tokens.prompt(checkpoint.dialect(), context), *mine[:same]]
    with torch.inference_mode():
        hidden = model(torch.tensor([ids]), torch.arange(len(ids))[None], causal(len(ids)))
        best = model.logits(hidden[0, -1]).topk(2).values
    return float(best[0] - best[1])


@cache
def _loaded(role: str) -> tuple[Checkpoint, Qwen3]:
    return Checkpoint.open(f"embedded/{role}"), Qwen3.load(EMBEDDED / role)


def row(way: str, name: str, found: Mapping[str, Any], reference: Mapping[str, Any], n: int) -> list[object]:
    """One engine and recipe, beside `local`."""
    other = differences(found, reference, problems(n)) if name == "spec_reason" else {}
    same = f"{n - sum(other.values())} of {n}" if other else ""
    return [
        name,
        way,
        f"{found['seconds']:.1f}",
        f"{found['output'] / found['seconds']:,.0f}",
        f"{found['open_s']:.1f}",
        f"{found['right'] / n:.3f}",
        same,
        ", ".join(f"{count} at a {why}" for why, count in other.items() if count),
    ]


def measure(ways: Sequence[str], n: int, parallel: int) -> dict[str, Any]:
    """Every engine, one after the other, each in a process of its own."""
    results: dict[str, Any] = {}
    with TemporaryDirectory() as folder:
        for way in ways:
            out = Path(folder) / f"{way}.json"
            words = ["--way", way, "--out", str(out), "--n", str(n), "--parallel", str(parallel)]
            subprocess.run([sys.executable, "-m", "headgate.benchmarks.backends", *words], check=True)
            results[way] = json.loads(out.read_text(encoding="utf-8"))
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=300)
    parser.add_argument("--parallel", type=int, default=16, help="problems at a time")
    parser.add_argument("--only", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        options.out.write_text(json.dumps(solve_all(options.way, options.n, options.parallel)), encoding="utf-8")
        return
    results = measure(["local", *(way for way in options.only if way != "local")], options.n, options.parallel)
    rows = [row(way, name, results[way][name], results["local"][name], options.n) for name in NODES for way in results]
    record("backends", f"{options.n} word problems, {options.parallel} at a time, float32", HEADER, rows, NOTE)


HEADER = ("recipe", "engine", "wall s", "tokens/s", "opening s", "accuracy", "same steps as local", "differences")
NOTE = (
    "Tokens are all that were generated, by both models. A server draws its own random numbers, so that of its sampled "
    "votes only the accuracy can be compared. Servers of `openai` share the machine with the run, and start before it."
)

if __name__ == "__main__":
    main()
