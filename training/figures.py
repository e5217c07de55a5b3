"""What is measured of a trained pair, with intervals: accuracy, step errors, signals, routing, agreement."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from ..backends.local.qwen3 import Qwen3
from ..orchestrator.intervals import wilson
from ..tasks.word_problems import STANDARD, Mix, problems
from .checks import answered
from .formats import asking
from .rollout import OwnStep, Rating, write
from .routed import Pair, specreason
from .statistics import auroc, hanley_mcneil
from .tokenizer import Encoder

Figures = dict[str, Any]
THRESHOLDS = (2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 7.5, 8.0, 8.3, 8.6)
ROUTED = (5.0, 6.0, 7.0, 7.5, 8.0, 8.4)  # fewer: each is a whole run over the problems


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


def routing(pair: Pair, count: int, seed: int) -> Figures:
    """Accuracy and the target's share of tokens at each threshold, beside each model alone."""
    asked = problems(count, seed)
    rows: Figures = {}
    for threshold in ROUTED:
        right, share = specreason(pair, asked, threshold)
        rows[str(threshold)] = counted(right) | {"target_tokens": share}
    alone = {
        who: counted(answered(model, pair.encoder, asked))
        for who, model in (("target", pair.target), ("draft", pair.draft))
    }
    return {"target_alone": alone["target"], "draft_alone": alone["draft"], "thresholds": rows}


def agreement(folder: Path, encoder: Encoder, seed: int, count: int = 12) -> Figures:
    """On how many problems `transformers`, loading the folder as it is, writes the same tokens."""
    from transformers import AutoModelForCausalLM

    model = Qwen3.load(folder)
    theirs: Any = AutoModelForCausalLM.from_pretrained(folder)
    prompts = [encoder.encode(asking(problem.question)) for problem in problems(count, seed)]
    same = []
    for prompt, ours in zip(prompts, write(model, prompts, stop=(encoder.one("<|im_end|>"),), limit=256), strict=True):
        with torch.inference_mode():
            output = theirs.generate(torch.tensor([prompt]), max_new_tokens=256, do_sample=False)
        same.append(output[0, len(prompt) :].tolist() == ours.ids)
    return {"same": sum(same), "n": count}
