"""All figures of the model card, measured on held-out problems: `python -m headgate.training.evaluate`.

Problems are drawn from seeds that no training uses, on the held-out side of the split by hash. Greedy unless a
temperature is given. Shares carry 95 % Wilson intervals, areas under the curve Hanley-McNeil ones (steps taken as
independent).
"""

import argparse
import json
import os
import platform
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from ..backends.local.qwen3 import Qwen3
from ..tasks.word_problems import HARD, STANDARD, Mix, problems
from .checks import answered, rated
from .formats import asking
from .report import markdown, put_into_card
from .rollout import OwnStep, Rating, own_steps, write
from .routed import Pair, specreason
from .statistics import auroc, hanley_mcneil, wilson
from .tokenizer import Encoder

Figures = dict[str, Any]
THRESHOLDS = (2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 7.5, 8.0, 8.3, 8.6)
SEEDS = {
    "accuracy": 7_001,
    "hard": 7_002,
    "steps": 7_003,
    "calibration": 7_004,
    "test": 7_005,
    "agreement": 7_006,
}


def counted(hits: Sequence[bool]) -> Figures:
    low, high = wilson(sum(hits), len(hits))
    return {"share": sum(hits) / max(1, len(hits)), "low": low, "high": high, "n": len(hits)}


def accuracy(model: Qwen3, encoder: Encoder, count: int, seed: int, mix: Mix = STANDARD) -> Figures:
    """All together and by the number of steps."""
    asked = problems(count, seed, mix=mix)
    right = answered(model, encoder, asked)
    by: dict[int, list[bool]] = defaultdict(list)
    for problem, hit in zip(asked, right, strict=True):
        by[len(problem.steps)].append(hit)
    return {"all": counted(right), "by_steps": {str(k): counted(by[k]) for k in sorted(by)}}


def step_errors(steps: Sequence[OwnStep]) -> Figures:
    """Shares of wrong steps behind right ones; `all` leaves out the closing of the thinking, which has its own row."""
    by: dict[str, list[bool]] = defaultdict(list)
    for step in steps:
        by[step.operation].append(step.wrong)
    proper = [step.wrong for step in steps if step.operation != "close"]
    worst = sorted(by, key=lambda name: -sum(by[name]) / len(by[name]))
    return {"all": counted(proper), "by_operation": {name: counted(by[name]) for name in worst}}


def area(scores: Sequence[float], wrong: Sequence[bool]) -> Figures:
    value = auroc(scores, wrong)
    half = hanley_mcneil(value, sum(wrong), len(wrong) - sum(wrong))
    return {"auroc": value, "half": half, "wrong": sum(wrong), "n": len(wrong)}


Signal = Callable[[OwnStep, Rating], float]
SIGNALS: dict[str, Signal] = {
    "target's expected rating": lambda step, rating: -rating.expected,
    "target's likeliest digit": lambda step, rating: -rating.likeliest,
    "target's least log-probability": lambda step, rating: -rating.least_logprob,
    "draft's entropy before the first token": lambda step, rating: step.written.entropies[0],
    "draft's mean entropy": lambda step, rating: sum(step.written.entropies) / len(step.written.entropies),
    "draft's mean log-probability": lambda step, rating: -sum(step.written.logprobs) / len(step.written.logprobs),
    "draft's least log-probability": lambda step, rating: -min(step.written.logprobs),
}


def signals(steps: Sequence[OwnStep], ratings: Sequence[Rating]) -> Figures:
    """How well each number tells the draft's wrong steps from its right ones."""
    wrong, both = [step.wrong for step in steps], list(zip(steps, ratings, strict=True))
    overall = {name: area([of(s, r) for s, r in both], wrong) for name, of in SIGNALS.items()}
    by: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    for step, rating in both:
        by[step.operation].append((-rating.expected, step.wrong))
    within = {name: area([s for s, _ in pairs], [w for _, w in pairs]) for name, pairs in sorted(by.items())}
    return {"overall": overall, "rating_within_operation": within, "accepted": accepted(both)}


def accepted(both: Sequence[tuple[OwnStep, Rating]]) -> Figures:
    """Shares of right and wrong steps that reach each threshold."""
    right = [rating.expected for step, rating in both if not step.wrong]
    wrong = [rating.expected for step, rating in both if step.wrong]
    return {
        str(t): {"right": counted([x >= t for x in right]), "wrong": counted([x >= t for x in wrong])}
        for t in THRESHOLDS
    }


def routing(pair: Pair, count: int) -> Figures:
    """Accuracy and the target's share of tokens by threshold, on problems to choose one and on others to report it."""
    sets = {
        "calibration": problems(max(1, count * 3 // 5), SEEDS["calibration"]),
        "test": problems(count, SEEDS["test"]),
    }
    found: Figures = {}
    for name, asked in sets.items():
        alone = counted(answered(pair.target, pair.encoder, asked))
        rows = {}
        for threshold in THRESHOLDS:
            right, share = specreason(pair, asked, threshold)
            rows[str(threshold)] = counted(right) | {"target_tokens": share}
        drafted = counted(answered(pair.draft, pair.encoder, asked))
        found[name] = {"target_alone": alone, "draft_alone": drafted, "thresholds": rows}
    return found


def agreement(folder: Path, encoder: Encoder, count: int = 12) -> Figures:
    """On how many problems `transformers`, loading the folder as it is, writes the same tokens."""
    from transformers import AutoModelForCausalLM

    model, theirs = Qwen3.load(folder), AutoModelForCausalLM.from_pretrained(folder)
    prompts = [encoder.encode(asking(problem.question)) for problem in problems(count, SEEDS["agreement"])]
    same = []
    for prompt, ours in zip(prompts, write(model, prompts, stop=(encoder.one("<|im_end|>"),), limit=256), strict=True):
        with torch.inference_mode():
            output = theirs.generate(torch.tensor([prompt]), max_new_tokens=256, do_sample=False)
        same.append(output[0, len(prompt) :].tolist() == ours.ids)
    return {"same": sum(same), "n": count}


def history(logs: Path | None, role: str) -> Figures:
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


def of_model(folder: Path, encoder: Encoder, count: int) -> tuple[Qwen3, Figures]:
    model = Qwen3.load(folder)
    size = {"parameters": sum(p.numel() for p in model.parameters())}
    size["bytes"] = (folder / "model.safetensors").stat().st_size
    hard = accuracy(model, encoder, max(1, count // 5), SEEDS["hard"], HARD)
    standard = accuracy(model, encoder, count, SEEDS["accuracy"])
    return model, {**size, "accuracy": standard, "shuffled": hard, "agreement": agreement(folder, encoder)}


def measure(draft_folder: Path, target_folder: Path, count: int, logs: Path | None) -> Figures:
    """Everything; about ten minutes on one core with 1,000 problems."""
    began, encoder = time.monotonic(), Encoder(target_folder)
    draft, of_draft = of_model(draft_folder, encoder, count)
    target, of_target = of_model(target_folder, encoder, count)
    asked = problems(max(1, count * 2 // 5), SEEDS["steps"])
    own = {t: own_steps(draft, encoder, asked, temperature=t, seed=1) for t in (0.0, 0.7)}
    of_draft["step_error"] = step_errors(own[0.0])
    of_target["step_error"] = step_errors(own_steps(target, encoder, asked))
    judged = {f"T {t}": signals(steps, rated(target, encoder, steps)) for t, steps in own.items()}
    routed = routing(Pair(draft, target, encoder), max(1, count // 2))
    for role, figures in (("draft", of_draft), ("target", of_target)):
        figures["training"] = history(logs, role)
    took = {"machine": machine(), "seconds": round(time.monotonic() - began), "problems": count}
    return {"draft": of_draft, "target": of_target, "signals": judged, "routing": routed, "measured": took}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m headgate.training.evaluate", description=__doc__)
    embedded = Path(__file__).parents[1] / "backends" / "local" / "embedded"
    parser.add_argument("--draft", type=Path, default=embedded / "draft", help="a checkpoint folder")
    parser.add_argument("--target", type=Path, default=embedded / "target", help="a checkpoint folder")
    parser.add_argument("--count", type=int, default=1000, help="problems for accuracy; other tables take a part of it")
    parser.add_argument("--logs", type=Path, help="the output folder of a training, for its curve and times")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results", help="writes OUT.json and OUT.md"
    )
    parser.add_argument("--card", type=Path, help="a model card to put the tables into, between its two marks")
    given = parser.parse_args(argv)
    torch.set_num_threads(max(1, (os.cpu_count() or 2) - 1))
    figures = measure(given.draft, given.target, given.count, given.logs)
    given.out.with_suffix(".json").write_text(json.dumps(figures, indent=1) + "\n")
    text = markdown(figures)
    given.out.with_suffix(".md").write_text(text)
    if given.card:
        put_into_card(given.card, text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
