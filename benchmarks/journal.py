"""What a journal costs: a durable event, an event that nobody waits for, reading a run back, and the disk.

python -m headgate.benchmarks.journal [--rounds 5] [--nodes 10000] [--folder DIR]
"""

import argparse
import asyncio
import gc
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ..budget.cost import Cost
from ..budget.events import Trace
from ..orchestrator.journal import Header, Journal, Level, past
from ..strategies.base import Answer, digest
from .results import record

WRITERS = (1, 8, 64, 512)
BYTES = 1024
EVENTS = 4  # of a node
COST = Cost(input=812, cached_input=512, output=120, calls=1, nanodollars=1_230_000, seconds=0.4123)
ASKED = digest("How many?")


class Node:
    """The four events of one node with one call, as a run tells them."""

    def __init__(self, trace: Trace, text: str) -> None:
        self.trace, self.text = trace, text
        self.answer = Answer(text=text, cost=COST, cost_by_role={"draft": COST}, bill={("draft", "think"): COST})

    def tell(self, number: int) -> None:
        emit, path, call = self.trace.emit, f"p1/n{number}", {"role": "draft", "purpose": "think"}
        ended = {"status": "answered", "text": self.text, "reason": "", "result": self.answer}
        emit("node_start", path, strategy="direct", roles={"model": "draft"})
        reserve = emit("reserve", path, parent=None, cost=COST, **call, backend="scripted", tokens=512, shrunk=False)
        emit("settle", path, parent=reserve, cost=COST, **call, stop="eos", text="", unmeasured=False)
        emit("node_end", path, parent=None, cost=COST, asked=ASKED, **ended)


def new(folder: Path, level: Level = "group") -> Journal:
    path = Path(tempfile.mkdtemp(dir=folder)) / "journal.jsonl"
    return Journal.create(path, Header(run="r", recipe="0" * 16, headgate="0"), level)


def raw_sync(folder: Path, size: int = BYTES, writes: int = 100) -> float:
    """Microseconds of the median append and fdatasync of so many bytes."""
    times, data = list[float](), b"x" * size
    fd = os.open(folder / "raw", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for _ in range(writes):
        began = time.perf_counter()
        os.write(fd, data)
        os.fdatasync(fd)
        times.append((time.perf_counter() - began) * 1e6)
    os.close(fd)
    return statistics.median(times)


class Durable(NamedTuple):
    """Median microseconds from telling an event to its being durable; events a second; events and bytes a sync."""

    us: float
    a_second: float
    a_sync: float
    size: int


async def durable(folder: Path, writers: int, events: int) -> Durable:
    """Writers that each wait for every event of theirs."""
    journal, times = new(folder), list[float]()
    trace, text = Trace(journal), "x" * 600

    async def writer() -> None:
        for _ in range(events // writers):
            began = time.perf_counter()
            trace.emit("settle", "p1/solve", cost=COST, role="draft", purpose="think", stop="eos", text=text)
            await journal.flush()
            times.append((time.perf_counter() - began) * 1e6)

    began = time.perf_counter()
    await asyncio.gather(*(writer() for _ in range(writers)))
    took = time.perf_counter() - began
    journal.close()
    size = journal.path.stat().st_size // journal.commits
    return Durable(statistics.median(times), len(times) / took, len(times) / journal.commits, size)


def unwaited(folder: Path, level: Level, nodes: int) -> tuple[float, float]:
    """Microseconds of processor time an event that nobody waits for: in the caller's thread, and in all."""
    journal = new(folder, level)
    node = Node(Trace(journal), "42")
    own, all_of_it = time.thread_time(), time.process_time()
    for number in range(nodes):
        node.tell(number)
    own = time.thread_time() - own
    journal.close()
    return own / nodes / EVENTS * 1e6, (time.process_time() - all_of_it) / nodes / EVENTS * 1e6


def made(folder: Path, nodes: int, text: str) -> Path:
    """A journal of so many nodes."""
    journal = new(folder, "off")
    node = Node(Trace(journal), text)
    node.trace.emit("run_start", "", recipe="", seed=0)
    node.trace.emit("problem_start", "p1", question="How many?", id="p1")
    for number in range(nodes):
        node.tell(number)
    journal.close()
    return journal.path


def seconds(work: Callable[[], object]) -> float:
    gc.collect()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def middle(values: list[float], digits: int = 2) -> str:
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def commit_rows(folder: Path, rounds: int) -> list[list[object]]:
    rows: list[list[object]] = []
    for writers in WRITERS:
        pairs = [(raw_sync(folder), asyncio.run(durable(folder, writers, 50 * writers))) for _ in range(rounds)]
        alike = [own.us / raw_sync(folder, own.size) for _, own in pairs]
        name = f"durable event, {writers} writers"
        rows.append([f"{name}: median us", middle([own.us for _, own in pairs], 0)])
        rows.append([f"{name}: times a raw fdatasync", middle([own.us / raw for raw, own in pairs])])
        rows.append([f"{name}: times a raw fdatasync of as many bytes", middle(alike)])
        rows.append([f"{name}: events a second", middle([own.a_second for _, own in pairs], 0)])
        rows.append([f"{name}: events a sync", middle([own.a_sync for _, own in pairs], 1)])
    return rows


def queue_rows(folder: Path, rounds: int) -> list[list[object]]:
    rows: list[list[object]] = []
    for level in ("off", "group"):
        pairs = [unwaited(folder, level, 2000) for _ in range(rounds)]
        rows.append([f"event nobody waits for, {level}: us in the caller's thread", middle([a for a, _ in pairs])])
        rows.append([f"event nobody waits for, {level}: us of processor in all", middle([b for _, b in pairs])])
    return rows


def read_rows(folder: Path, rounds: int, nodes: int) -> list[list[object]]:
    path, text = made(folder, nodes, "42"), "x" * BYTES
    times = [seconds(lambda: past(path)) for _ in range(rounds)]
    sizes = [made(folder, nodes * factor // 4, text).stat().st_size / nodes * 4 / factor / BYTES for factor in (1, 2)]
    return [
        [f"past() of {nodes} nodes, {path.stat().st_size / 1e6:.1f} MB: seconds", middle(times)],
        [f"bytes a byte of result, {nodes // 4} nodes of 1 KiB results", f"{sizes[0]:.2f}"],
        [f"bytes a byte of result, {nodes // 2} nodes of 1 KiB results", f"{sizes[1]:.2f}"],
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument(
        "--folder", type=Path, default=None, help="on the disk to measure; else where temporary files go"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        rows = [*commit_rows(folder, options.rounds), *queue_rows(folder, options.rounds)]
        rows += read_rows(folder, options.rounds, options.nodes)
    note = "Median (least-most) of the rounds; a raw fdatasync, of 1 KiB, is timed right before each round."
    record("journal", "what it costs", ["", "figure"], rows, note)


if __name__ == "__main__":
    main()
