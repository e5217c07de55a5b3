"""Tokens a second of the local engine beside others, in one run on one thread: greedy, fp32, the embedded pair.

python -m headgate.benchmarks.engines [--rounds 5] [--tokens 64] [--batch 1 8 64] [--vllm PYTHON]

Peers: transformers' `generate`; the ceiling, a hand-written loop over static keys and values without any scheduler; the
same loop over this engine's own forward, which tells what its scheduler costs; vLLM, eager, in a process of its own.
"""

import argparse
import asyncio
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import torch

from ..backends.base import Context, Piece, Sampling
from ..backends.checkpoint import EMBEDDED
from ..backends.local.backend import LocalBackend
from ..backends.local.decoder import Lean
from ..backends.local.rows import Rows
from .engines_peers import Static, Vllm, transformers
from .results import record, table

Ids = list[list[int]]
Peer = Callable[[Ids, int], float | None]  # writes; returns the CPU seconds that it took elsewhere
Speed = tuple[float, float]  # tokens a second of the clock on the wall, and of the processor's
FIRST = """
import time; begun = time.perf_counter()
import asyncio
from headgate.backends.base import Context, Sampling
from headgate.backends.registry import ModelSpec, open_backend
backend = open_backend(ModelSpec(backend="local", model="embedded/{role}"))
asyncio.run(backend.generate(Context.ask("How many are 3 and 4?"), Sampling(max_tokens=1)))
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(time.perf_counter() - begun, int(peak) / 1024)
"""


def endless(role: str) -> LocalBackend:
    """A backend whose texts do not end before their length, as the others' are told not to."""
    made = LocalBackend(f"embedded/{role}")
    made._ends = frozenset()
    return made


def asked(backend: LocalBackend, ids: Sequence[int]) -> Context:
    return Context((Piece(role="user", text="?", ids={backend._tokens.key: tuple(ids)}),))


def local(backend: LocalBackend) -> Peer:
    """This engine, as a strategy meets it: a call for each text, all at once."""

    async def write(contexts: list[Context], tokens: int) -> None:
        await asyncio.gather(*(backend.generate(context, Sampling(max_tokens=tokens)) for context in contexts))

    return lambda prompts, tokens: asyncio.run(write([asked(backend, ids) for ids in prompts], tokens))


@torch.inference_mode()
def bare(model: Lean, prompts: Ids, tokens: int) -> None:
    """This engine's forward with nothing around it."""
    rows = Rows(model.layers, model.kv_heads, model.head_dim, model.device, model.dtype, 1 << 30)
    width, count = len(prompts[0]), len(prompts)
    rows.reserve(count, width + tokens)
    rows.aim(0, [0] * count, [width] * count)
    last = model.logits(model.forward(torch.tensor(prompts), rows)[:, -1]).argmax(-1)
    rows.aim(0, [width] * count, [1] * count)
    for _ in range(tokens - 1):
        last = model.logits(model.forward(last[:, None], rows)[:, 0]).argmax(-1)
        rows.advance()


def questions(count: int, length: int, chance: random.Random) -> Ids:
    return [[chance.randrange(20, 500) for _ in range(length)] for _ in range(count)]


def speeds(peers: dict[str, Peer], batch: int, tokens: int, rounds: int) -> dict[str, list[Speed]]:
    """Tokens a second in each round; every peer gets the same prompts, and its turn in every round."""
    chance, found = random.Random(batch), {name: list[Speed]() for name in peers}
    for turn in range(rounds + 1):
        prompts = questions(batch, 64, chance)
        for name, write in peers.items():
            begun, busy = time.perf_counter(), time.process_time()
            elsewhere = write(prompts, tokens)
            wall, busy = time.perf_counter() - begun, elsewhere or time.process_time() - busy
            if turn:  # the first warms up
                found[name].append((batch * tokens / wall, batch * tokens / busy))
    return found


def lines(role: str, batch: int, found: dict[str, list[Speed]]) -> Iterator[list[object]]:
    """A row for each peer."""
    for name, theirs in found.items():
        walls, shares = [wall for wall, _ in theirs], [list[float](), list[float]()]
        for ours, other in zip(found["local"], theirs, strict=True):
            for share, a, b in zip(shares, ours, other, strict=True):
                share.append(a / b)
        spread = (statistics.median(walls), min(walls), max(walls), statistics.median(busy for _, busy in theirs))
        yield [role, batch, name, *(f"{v:.0f}" for v in spread), *(f"{statistics.median(v):.2f}" for v in shares)]


def hand_over(role: str, rounds: int) -> list[object]:
    """Continuing 512 tokens, and judging a step of 16: microseconds, and how many decoding steps those are."""
    backend, chance = endless(role), random.Random(5)

    async def once() -> tuple[float, float, float]:
        context = asked(backend, questions(1, 490, chance)[0])
        step = (await backend.generate(context, Sampling(max_tokens=16)))[0]
        context = context.append(step.piece("text", role))
        first = await _seconds(backend.generate(context, Sampling(max_tokens=1)))
        more = await _seconds(backend.generate(context, Sampling(max_tokens=33, seed=1)))
        judged = await _seconds(backend.peek(backend.judge(context), list("0123456789")))
        judge = backend.count(backend.judge(context)) - backend.count(context)
        return first, (more - first) / 32, judged - prefill(backend._engine.model, 512, judge + 1)

    found = [asyncio.run(once()) for _ in range(rounds)]
    first, step, judged = (statistics.median(column) for column in zip(*found, strict=True))
    figures = (f"{1e6 * step:.0f}", f"{1e6 * first:.0f}", f"{first / step:.1f}")
    return [role, *figures, f"{1e6 * judged:.0f}", f"{judged / step:.1f}"]


async def _seconds(call: Awaitable[object]) -> float:
    begun = time.perf_counter()
    await call
    return time.perf_counter() - begun


@torch.inference_mode()
def prefill(model: object, held: int, more: int) -> float:
    """What the forward alone takes to read `more` tokens behind those held."""
    assert isinstance(model, Lean)
    rows, times = Rows(model.layers, model.kv_heads, model.head_dim, model.device, model.dtype, 1 << 30), list[float]()
    rows.reserve(1, held + more)
    for _ in range(5):
        begun = time.perf_counter()
        rows.aim(0, [held], [more])
        model.logits(model.forward(torch.zeros(1, more, dtype=torch.long), rows)[0, -1:])
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def first_token(role: str, rounds: int) -> list[object]:
    """Seconds of a fresh interpreter to its first token, imports included, and its memory then."""
    command = [
        sys.executable,
        "-c",
        FIRST.replace("{role}", role).replace("headgate", (__package__ or "").partition(".")[0]),
    ]
    runs = [subprocess.run(command, check=True, capture_output=True, text=True).stdout.split() for _ in range(rounds)]
    seconds = sorted(float(run[0]) for run in runs)
    return [role, f"{statistics.median(seconds):.2f}", f"{seconds[-1]:.2f}", f"{float(runs[0][1]):.0f}"]


def peers_of(role: str, vllm: Vllm | None) -> dict[str, Peer]:
    backend = endless(role)
    lean = backend._engine.model
    assert isinstance(lean, Lean)
    found: dict[str, Peer] = {
        "local": local(backend),
        "transformers": transformers(EMBEDDED / role),
        "static loop": Static(EMBEDDED / role),
        "bare forward": lambda prompts, tokens: bare(lean, prompts, tokens),
    }
    return found | ({"vllm eager": lambda prompts, tokens: vllm(role, prompts, tokens)} if vllm else {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--role", nargs="+", default=["draft", "target"])
    parser.add_argument("--vllm", default="", help="an interpreter that has vLLM; none without it")
    options = parser.parse_args()
    torch.set_num_threads(1)
    vllm = Vllm(options.vllm, EMBEDDED) if options.vllm and Path(options.vllm).exists() else None
    rows, notes = list[list[object]](), list[str]()
    for role in options.role:
        peers = peers_of(role, vllm)
        for batch in options.batch:
            found = speeds(peers, batch, options.tokens, options.rounds)
            rows += lines(role, batch, found)
    about = ["model", "decoding step, us", "512 tokens continued: first token, us", "in steps"]
    about += ["a digit, less its prefill, us", "in steps"]
    steps = table(about, [hand_over(role, 8 * options.rounds) for role in options.role])
    starts = table(
        ["model", "seconds to the first token", "slowest", "memory, MiB"], [first_token(r, 3) for r in options.role]
    )
    notes = ["## Hand-over, alone in the batch", "\n".join(steps), "## A fresh interpreter", "\n".join(starts)]
    header = ["model", "batch", "engine", "tokens/s, median", "least", "most", "tokens per CPU second"]
    header += ["local is so many times as fast", "and in CPU time"]
    record("engines", f"{options.tokens} tokens behind 64, {options.rounds} rounds in turn", header, rows, *notes)
    if vllm:
        vllm.close()


if __name__ == "__main__":
    main()
