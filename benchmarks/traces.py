"""What it costs to look at a run: reading a journal, opening it in the viewer, a key, and the memory it takes.

python -m headgate.benchmarks.traces [--events 100000] [--rounds 3]

Each figure comes from a process of its own. A key's time ends when the screen that it asked for is drawn.
"""

import argparse
import asyncio
import gc
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ..budget.cost import Cost
from ..budget.events import Trace
from ..orchestrator.journal import Header, Journal, read
from .results import record

SIZES: Final = {"a batch, 7 steps a problem": 7, "one problem": 10**9}
NOTHING: Final = "x"  # a key that does nothing: what the driver of the measurement waits by itself
KEYS: Final = ("down", "pagedown", "end", "n", "r", "t", "escape", "b", "escape", "s", "p", "enter", "plus", "end", "?")
TEXT: Final = "Kim:Ben33-6;Kim27 and so on\n\n"
HELD: Final = Cost(input=60, output=64, calls=1, nanodollars=31_500)
SPENT: Final = Cost(input=1, cached_input=63, output=13, reasoning=13, calls=1, nanodollars=5_930, seconds=0.0046)
FIGURES: Final = {"lengths": [3, 1] * 7, "logprobs": [-0.01, -1.25] * 7, "digits": [0.0] * 8 + [0.25, 0.75]}


def made(folder: Path, events: int, steps: int) -> Path:
    """A journal of so many events, of problems of so many steps, every seventh of which is thrown away."""
    journal = Journal.create(folder / "journal.jsonl", Header(run="r", recipe="0" * 16, headgate="0"), "off")
    trace = Trace(journal)
    told = trace.emit("run_start", "", recipe="budget: {each: {tokens: 20000}}", name="spec_reason", seed=0)
    problem = 0
    while told < events:
        problem += 1
        told = _problem(trace, f"p{problem}", steps, events)
    trace.emit("run_end", "")
    journal.close()
    return journal.path


def _problem(trace: Trace, name: str, steps: int, events: int) -> int:
    trace.emit("problem_start", name, question="Ben has 33 apples. Kim has 6 fewer. How many has Kim?", id=name)
    told = trace.emit("node_start", f"{name}/solve", strategy="spec_reason", roles={})
    for index in range(steps):
        if told >= events:
            break
        told = _step(trace, f"{name}/solve", index)
    trace.emit("node_end", f"{name}/solve", cost=SPENT, status="answered", text="27", reason="")
    return trace.emit("problem_end", name, cost=SPENT, status="answered", answer="27", correct=name[-1] != "3")


def _step(trace: Trace, place: str, index: int) -> int:
    """A step with its draft and its rating: five events."""
    for role, purpose in (("draft", "think"), ("target", "judge")):
        who = {"role": role, "purpose": purpose}
        out = trace.tell("reserve", place, None, HELD, {**who, "tokens": 64, "shrunk": False})
        said = {"stop": "delimiter", "text": TEXT} if purpose == "think" else {}
        trace.tell("settle", place, out, SPENT, {**who, "unmeasured": False, **said})
    decided = {"index": index, "author": "draft", "kept": index % 7 != 3, "text": TEXT, "stop": "delimiter"}
    decided |= {"tokens": 13, "score": 7.25, "reason": "7.25 of 9", **FIGURES}
    return trace.tell("step", f"{place}/step-{index}", None, SPENT, decided)


def reading(path: Path) -> dict[str, float]:
    """Seconds to read the journal's events, and no more."""
    gc.disable()
    return {**timed("all", lambda: read(path)), "megabytes": megabytes()}


def opening(path: Path) -> dict[str, float]:
    """Seconds from nothing to the first screen and to the last event, and milliseconds for each key."""
    clock = Clock()
    from ..orchestrator.commands.exploring import FIRST
    from ..orchestrator.traces import Source
    from ..orchestrator.viewer.app import Viewer

    source, found = Source(path), dict[str, float]()
    source.read(FIRST)

    class Timed(Viewer):
        def on_ready(self) -> None:
            found.update(clock.told("first screen"))

    async def look() -> None:
        async with Timed([source]).run_test(size=(120, 40)) as pilot:
            while source.behind:
                await asyncio.sleep(0.005)
            found.update(clock.told("all"))
            await pilot.pause()
            for key in (NOTHING, *KEYS):
                pressed = Clock()
                await pilot.press(key)
                await pilot.pause()
                for name, took in pressed.told(key).items():
                    found[name] = max(found.get(name, 0.0), took * 1e3)

    asyncio.run(look())
    return {**found, "megabytes": megabytes()}


class Clock:
    """The wall's and the processor's time since it was made."""

    def __init__(self) -> None:
        self.wall, self.busy = time.perf_counter(), time.process_time()

    def told(self, name: str) -> dict[str, float]:
        """Both, in seconds."""
        return {name: time.perf_counter() - self.wall, f"{name}, busy": time.process_time() - self.busy}


def timed(name: str, work: Callable[[], object]) -> dict[str, float]:
    clock = Clock()
    work()
    return clock.told(name)


def megabytes() -> float:
    """The most memory that this process had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def apart(name: str, path: Path) -> dict[str, float]:
    """A measurement in a process of its own."""
    command = [sys.executable, "-m", __spec__.name, "--only", name, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {key: float(value) for key, value in json.loads(done.stdout).items()}


def table(path: Path, rounds: int, size: str) -> list[list[object]]:
    pairs = [(apart("reading", path), apart("opening", path)) for _ in range(rounds)]
    alone, opened = ({key: [one[at][key] for one in pairs] for key in pairs[0][at]} for at in (0, 1))
    keys = {key: statistics.median(opened[f"{key}, busy"]) for key in dict.fromkeys(KEYS)}
    slowest = max(keys, key=lambda key: keys[key])
    rows: list[list[object]] = [
        [f"{size}: journal of {path.stat().st_size / 1e6:.1f} MB, read alone, s", *_both(alone, "all")]
    ]
    rows.append([f"{size}: from the first import to the first screen, s", *_both(opened, "first screen")])
    rows.append([f"{size}: until every event is in, s", *_both(opened, "all")])
    walls = [statistics.median(opened[key]) for key in keys]
    rows.append(
        [
            f"{size}: a key, median of {len(keys)}, ms",
            f"{statistics.median(walls):.0f}",
            f"{statistics.median(keys.values()):.0f}",
        ]
    )
    rows.append([f"{size}: the dearest key (`{slowest}`), ms", *_both(opened, slowest, 0)])
    rows.append([f"{size}: a key that does nothing, ms", *_both(opened, NOTHING, 0)])
    return [*rows, [f"{size}: memory, MB", _middle(opened["megabytes"], 0), ""]]


def _both(found: dict[str, list[float]], name: str, digits: int = 2) -> tuple[str, str]:
    return _middle(found[name], digits), _middle(found[f"{name}, busy"], digits)


def _middle(values: list[float], digits: int = 2) -> str:
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs=2, metavar=("FIGURE", "JOURNAL"), help="one figure, as JSON")
    options = parser.parse_args()
    if options.only:
        work = {"reading": reading, "opening": opening}[options.only[0]]
        print(json.dumps(work(Path(options.only[1]))))
        return
    rows: list[list[object]] = []
    for size, steps in SIZES.items():
        with tempfile.TemporaryDirectory() as name:
            rows += table(made(Path(name), options.events, steps), options.rounds, size)
    note = f"Journals of {options.events:,} events; 120 x 40 cells. Median (least-most) of the rounds. "
    note += "A key's time by the wall holds what its driver waits by itself: see the key that does nothing."
    record("traces", "what it costs to look at a run", ["", "by the wall clock", "of the processor"], rows, note)


if __name__ == "__main__":
    main()
