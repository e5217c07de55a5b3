"""All figures of the model card, measured on held-out problems: `python -m headgate.training.evaluate`.

Problems are drawn from seeds that no training uses, on the held-out side of the split by hash. Greedy unless a
temperature is given. Shares carry 95 % Wilson intervals, areas under the curve Hanley-McNeil ones (steps taken as
independent).
"""

import argparse
import json
import multiprocessing
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from ..backends.local.qwen3 import Qwen3
from ..tasks.word_problems import HARD, problems
from . import episodes, skills
from .checks import rated
from .figures import Figures, accuracy, agreement, routing, signals, step_errors
from .report import markdown, put_into_card
from .rollout import ANSWER_LIMIT, own_steps
from .routed import Pair
from .sizes import OF, Role
from .tokenizer import Encoder

SEEDS = {"accuracy": 7_001, "hard": 7_002, "steps": 7_003, "calibration": 7_004, "test": 7_005, "agreement": 7_006}


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The pair that is measured, and on how many problems; small enough to be sent to another process."""

    draft: Path
    target: Path
    count: int
    limit: int

    @cached_property
    def pair(self) -> Pair:
        return Pair(Qwen3.load(self.draft), Qwen3.load(self.target), Encoder(self.target))

    def share(self, part: float) -> int:
        return max(1, round(self.count * part))


def of_role(subject: Subject, role: Role) -> Figures:
    """One model on its own: size, accuracy, agreement with transformers, step errors."""
    folder, encoder = getattr(subject, role), subject.pair.encoder
    model = getattr(subject.pair, role)
    steps = own_steps(model, encoder, problems(subject.share(0.4), SEEDS["steps"]))
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "bytes": (folder / "model.safetensors").stat().st_size,
        "accuracy": accuracy(model, encoder, subject.count, SEEDS["accuracy"]),
        "shuffled": accuracy(model, encoder, subject.share(0.2), SEEDS["hard"], HARD),
        "agreement": agreement(folder, encoder, SEEDS["agreement"]),
        "step_error": step_errors(steps),
    }


def of_draft(subject: Subject) -> Figures:
    return of_role(subject, "draft")


def of_target(subject: Subject) -> Figures:
    return of_role(subject, "target")


def skills_of(subject: Subject, role: Role) -> Figures:
    """Everything beside solving."""
    reader = skills.Reader(getattr(subject.pair, role), subject.pair.encoder, subject.limit)
    return {name: skill(reader, subject.share(0.25)) for name, skill in {**skills.SKILLS, **episodes.SKILLS}.items()}


def skills_of_draft(subject: Subject) -> Figures:
    return skills_of(subject, "draft")


def skills_of_target(subject: Subject) -> Figures:
    return skills_of(subject, "target")


def of_signals(subject: Subject) -> Figures:
    pair, asked = subject.pair, problems(subject.share(0.4), SEEDS["steps"])
    own = {t: own_steps(pair.draft, pair.encoder, asked, temperature=t, seed=1) for t in (0.0, 0.7)}
    return {f"T {t}": signals(steps, rated(pair.target, pair.encoder, steps)) for t, steps in own.items()}


def of_calibration(subject: Subject) -> Figures:
    return routing(subject.pair, subject.share(0.3), SEEDS["calibration"])


def of_test(subject: Subject) -> Figures:
    return routing(subject.pair, subject.share(0.5), SEEDS["test"])


PARTS: dict[str, Callable[[Subject], Figures]] = {  # the longest first, so that no process is left with it at the end
    "target_skills": skills_of_target,
    "draft_skills": skills_of_draft,
    "test": of_test,
    "target": of_target,
    "signals": of_signals,
    "calibration": of_calibration,
    "draft": of_draft,
}


def measure(subject: Subject, processes: int, logs: Path | None) -> Figures:
    """Every part, in as many processes as there are to be had."""
    began, context = time.monotonic(), multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        waiting = {name: pool.submit(part, subject) for name, part in PARTS.items()}
        parts = {name: future.result() for name, future in waiting.items()}
    for role in OF:
        parts[role]["training"] = history(logs, role)
    routed = {name: parts.pop(name) for name in ("calibration", "test")}
    took = {"machine": machine(), "seconds": round(time.monotonic() - began), "problems": subject.count}
    return {**parts, "routing": routed, "measured": took}


def history(logs: Path | None, role: Role) -> Figures:
    """What the training's own log says: tokens, time, and a thinned curve of loss and checks."""
    if logs is None or not (logs / role / "log.jsonl").exists():
        return {}
    lines = [json.loads(line) for line in (logs / role / "log.jsonl").read_text().splitlines()]
    checks_file = logs / role / "checks.jsonl"
    checks = [json.loads(x) for x in checks_file.read_text().splitlines()] if checks_file.exists() else []
    last = lines[-1]
    thin = [nearest(lines, last["tokens"] * part / 10) for part in range(1, 11)]
    return {
        "tokens": last["tokens"],
        "steps": last["step"],
        "seconds": last["seconds"],
        "curve": thin,
        "checks": checks,
    }


def nearest(lines: Sequence[Figures], tokens: float) -> Figures:
    return min(lines, key=lambda line: abs(line["tokens"] - tokens))


def machine() -> str:
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    names = [line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name")]
    return f"{os.cpu_count()} cores, {names[0] if names else platform.processor()}, torch {torch.__version__}"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m headgate.training.evaluate", description=__doc__)
    embedded = Path(__file__).parents[1] / "backends" / "local" / "embedded"
    parser.add_argument("--draft", type=Path, default=embedded / "draft", help="a checkpoint folder")
    parser.add_argument("--target", type=Path, default=embedded / "target", help="a checkpoint folder")
    parser.add_argument("--count", type=int, default=1000, help="problems for accuracy; other tables take a part of it")
    parser.add_argument("--limit", type=int, default=ANSWER_LIMIT, help="tokens of a text, where skills are measured")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="one thread each")
    parser.add_argument("--logs", type=Path, help="the output folder of a training, for its curve and times")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results.json", help="all figures, as JSON")
    parser.add_argument("--card", type=Path, help="a model card to put the tables into, between its two marks")
    given = parser.parse_args(argv)
    subject = Subject(draft=given.draft, target=given.target, count=given.count, limit=given.limit)
    figures = measure(subject, given.processes, given.logs)
    given.out.write_text(json.dumps(figures, indent=1) + "\n")
    text = markdown(figures)
    if given.card:
        put_into_card(given.card, text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
