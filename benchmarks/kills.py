"""What a run loses when it is killed: SIGKILL at random instants, resumed until it ends, held to one that was not.

Every model call goes to a provider that lives outside the run: it notes each call that reached it in a file of its own,
so that the journal's bill can be held to what was really called. Runs are chains, fan-outs with a join, and votes of
nested strategies.

    python -m headgate.benchmarks.kills              200 kills, a few minutes
    python -m headgate.benchmarks.kills --kills 20   what the tests run
"""

import argparse
import asyncio
import json
import os
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..backends.base import Capabilities, Completion, Context, OnToken, Sampling
from ..backends.scripted import Scripted, Table
from ..budget.cost import Cost
from ..budget.events import Event
from ..orchestrator.agent import Agent
from ..orchestrator.journal import read
from ..verifiers.base import Problem
from .results import record

WIDTH = 10  # nodes of a chain and of a fan-out
PROBLEMS = 3
LATENCY_S = 0.002
SHORT = {"think_tokens": 8, "answer_tokens": 4}


class Provider(Scripted):
    """A model elsewhere: it takes its time, and notes every call that reached it, whoever is still there to hear."""

    def __init__(self, log: Path) -> None:
        super().__init__(Table({"*": {" so": 0.6, " it": 0.4}}))
        self.capabilities: Capabilities = replace(self.capabilities, external=True)
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def generate(
        self, context: Context, sampling: Sampling, n: int = 1, on_token: OnToken | None = None
    ) -> list[Completion]:
        """Note the call, answer it, and note what it cost."""
        done = await super().generate(context, sampling, n, on_token)
        used = sum((completion.usage for completion in done), Cost())
        note = {"seed": sampling.seed, "output": used.output, "input": used.input}
        os.write(self._log, json.dumps(note).encode() + b"\n")
        await asyncio.sleep(LATENCY_S)
        return done


def shapes() -> dict[str, dict[str, object]]:
    """A recipe for each form of run."""
    one = {"use": "direct", "roles": {"model": "target"}, "with": {**SHORT, "temperature": 1}}
    names = [f"n{index}" for index in range(WIDTH)]
    chain = {name: {**one, "needs": names[index - 1 : index] if index else []} for index, name in enumerate(names)}
    fan: dict[str, object] = {name: {**one, "needs": ["first"]} for name in names}
    vote = {"use": "self_consistency", "roles": {"model": "target"}}
    sample = {"use": "direct", "with": {**SHORT, "temperature": 1}}
    nested = {name: {**vote, "with": {"n": 3, "strategy": sample}} for name in names[:3]}
    return {
        "chain": _recipe(chain, []),
        "fan-out": _recipe({"first": one, **fan, "join": {**one, "needs": names}}, []),
        "nested": _recipe({**nested, "join": {**one, "needs": names[:3]}}, []),
    }


def _recipe(nodes: Mapping[str, object], output: Sequence[str]) -> dict[str, object]:
    made: dict[str, object] = {"version": 1, "models": {"target": "scripted:elsewhere"}, "nodes": dict(nodes)}
    return made | ({"output": list(output)} if output else {})


async def work(folder: Path, shape: str, log: Path, told: int) -> None:
    """Begin a run, or go on with it; each problem that was acknowledged is told at once."""
    asked = [Problem(text=f"Question {n}?", id=f"p{n}") for n in range(PROBLEMS)]
    async with Agent(shapes()[shape], folder=folder, backends={"target": Provider(log)}) as agent:
        ending = agent.solve_all(asked, parallel=PROBLEMS)
        async with aclosing(ending):
            async for solved in ending:
                os.write(told, f"{solved.problem.id} {solved.answer.text!r} {solved.answer.status}\n".encode())


def spawn(folder: Path, shape: str) -> int:
    """A child process at work on the run; everything is loaded already, so that kills fall on work."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            told = os.open(folder.with_suffix(".told"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            asyncio.run(work(folder, shape, folder.with_suffix(".calls"), told))
            code = 0
        finally:
            os._exit(code)
    return child


@dataclass(slots=True)
class Tally:
    """What many killed runs came to; all but the first three must stay at zero."""

    runs: int = 0
    kills: int = 0
    unknown: int = 0  # calls whose outcome nobody knows, charged in full
    lost: int = 0  # acknowledged problems that are not in the journal
    again: int = 0  # acknowledged answers that were worked out again
    different: int = 0  # runs whose answers are not those of an uninterrupted one
    misbilled: int = 0  # runs whose bill is not what was called plus unknown outcomes
    faults: list[str] = field(default_factory=list[str])


def killed(folder: Path, shape: str, seconds: float, rng: random.Random, kills: int) -> int:
    """Work, kill, work again, until it ends; how often it was killed."""
    done = 0
    while True:
        child = spawn(folder, shape)
        if done < kills:
            time.sleep(rng.uniform(0.0, seconds))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            if os.WEXITSTATUS(status):
                raise RuntimeError(f"{folder}: a run ended by itself with code {os.WEXITSTATUS(status)}")
            return done
        done += 1


def compare(folder: Path, whole: Path, tally: Tally) -> None:
    """Hold a killed run to one that was not."""
    events = read(folder / "journal.jsonl").events
    ended = {event.path: event.payload for event in events if event.kind == "problem_end"}
    right = {event.path: event.payload for event in read(whole / "journal.jsonl").events if event.kind == "problem_end"}
    told = {line.split()[0] for line in folder.with_suffix(".told").read_text(encoding="utf-8").splitlines()}
    tally.lost += len(told - set(ended))
    tally.again += again(events)
    if {p: (e["status"], e["answer"]) for p, e in ended.items()} != {
        p: (e["status"], e["answer"]) for p, e in right.items()
    }:
        tally.different += 1
        tally.faults.append(f"{folder}: other answers")
    tally.unknown += bill(folder, events, tally)


def again(events: Sequence[Event]) -> int:
    """How many answers that stood in the journal were worked out again: a call at or below their place afterwards."""
    answered, found = set[str](), set[str]()
    for event in events:
        if event.kind in ("answer", "node_end"):
            answered.add(event.path)
        elif event.kind == "reserve":
            above = event.path.split("/")
            found |= {place for n in range(len(above)) if (place := "/".join(above[: n + 1])) in answered}
    return len(found)


def bill(folder: Path, events: Sequence[Event], tally: Tally) -> int:
    """Hold the journal's bill to the provider's own notes; how many outcomes are unknown."""
    notes = [json.loads(line) for line in folder.with_suffix(".calls").read_text(encoding="utf-8").splitlines()]
    reserves = sum(event.kind == "reserve" for event in events)
    settled = [(event.cost or Cost(), event.payload.get("stop")) for event in events if event.kind == "settle"]
    known = Counter((cost.input, cost.output) for cost, stop in settled if stop != "lost")
    lost = sum(stop == "lost" for _, stop in settled)
    called = Counter((note["input"], note["output"]) for note in notes)
    unheard = (called - known).total()  # reached the provider, and the journal never heard how it ended
    whole = sum((cost for cost, _ in settled), Cost())
    ends = [event.cost for event in events if event.kind == "run_end"]
    fair = not known - called and unheard <= lost and reserves == len(settled) >= len(notes)
    if not fair or not ends or ends[-1] is None or ends[-1].tokens != whole.tokens:
        tally.misbilled += 1
        tally.faults.append(f"{folder}: {len(notes)} calls, {reserves} reserves, {len(settled)} settles, {lost} lost")
    return lost


def trial(base: Path, name: str, shape: str, whole: Path, seconds: float, rng: random.Random, tally: Tally) -> None:
    """One run, killed a few times."""
    folder = base / name
    tally.kills += killed(folder, shape, seconds, rng, kills=rng.randint(1, 6))
    tally.runs += 1
    compare(folder, whole, tally)


def measure(base: Path, kills: int, seed: int = 0) -> dict[str, Tally]:
    """Run every shape whole once, then killed, until there were so many kills in all."""
    rng, tallies = random.Random(seed), dict[str, Tally]()
    for shape in shapes():
        whole, tally = base / f"{shape}-whole", tallies.setdefault(shape, Tally())
        began = time.monotonic()
        killed(whole, shape, 0, rng, kills=0)
        seconds = time.monotonic() - began
        while tally.kills < kills / len(shapes()):
            trial(base, f"{shape}-{tally.runs}", shape, whole, seconds, rng, tally)
    return tallies


COLUMNS = ["shape", "runs", "kills", "unknown outcomes", "results lost", "answers again", "other answers", "misbilled"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="over all shapes (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="decides when the kills fall (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as base:
        tallies = measure(Path(base), options.kills, options.seed)
    rows: list[list[object]] = [
        [shape, t.runs, t.kills, t.unknown, t.lost, t.again, t.different, t.misbilled] for shape, t in tallies.items()
    ]
    record("kills", "runs that were killed and resumed", COLUMNS, rows)


if __name__ == "__main__":
    main()
