"""Trains the router of a pair of models, which says when the target's step is better: `headgate train-router`.

Source: Maheswaran et al. 2025, "Arbitrage: Efficient Reasoning via Advantage-Aware Speculation", arXiv 2512.05033,
section 4: labels by a process reward, as many of each kind, a 2-class reading at the candidate's end, the best by rank
correlation on held-out steps. Where we differ: the split is by problem, not by step, since the steps of a trace are
alike; two steps of one text are as good; held-out steps keep their natural shares; a reward model that is gone on from
is first turned round; the optimiser is that of the shipped pair. A training goes on from its checkpoint.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

import torch

from ..backends.checkpoint import Checkpoint
from ..backends.local.qwen3 import Qwen3, Qwen3Config
from .command import to_the_end
from .curriculum import Curriculum, Plan
from .documents.advantages import candidates, document
from .documents.document import Document
from .figures import Figures, area
from .loop import Job, Trainer, append
from .processes import together
from .scorer import Weights, chances, publish, rows, solutions, trunk, with_head
from .statistics import bonett_wright, spearman
from .traces import Trace, balanced, load

SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9)  # of the steps that go to the target
PLAN = Plan(kinds={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a training was asked to do; small enough to be sent to another process.

    trunk: a Qwen3 checkpoint to go on from, best a process reward model. out: holds `traces.jsonl`, and all products.
    """

    out: Path
    trunk: Path
    seed: int = 1
    processes: int = 2
    epochs: float = 3.0
    batch_tokens: int = 2048
    checks: int = 12  # how often in all the best is looked for
    save_every: float = 60.0
    compiled: bool = True
    publish: Path | None = None

    @property
    def traces(self) -> Path:
        return self.out / "traces.jsonl"

    @property
    def best(self) -> Path:
        return self.out / "best.pt"

    @property
    def exported(self) -> Path:
        return self.publish or self.out / "router"

    @property
    def checkpoint(self) -> Checkpoint:
        return _opened(self.trunk)

    @property
    def labels(self) -> list[int]:
        return rows(self.checkpoint.tokens)


@cache
def _opened(trunk: Path) -> Checkpoint:
    return Checkpoint.open(str(trunk))


@dataclass(frozen=True, slots=True)
class Held:
    """The steps that nothing is learned from: what the router reads, and how much better the target's step was."""

    texts: list[list[int]]
    advantages: list[float]
    better: list[bool]

    @classmethod
    def of(cls, settings: Settings, traces: Sequence[Trace]) -> "Held":
        """Every step of every held-out problem, in their natural shares. Raises: ValueError where there is none."""
        reading = solutions(settings.checkpoint)
        kept = [trace for trace in traces if trace.held_out and trace.places]
        if not kept:
            raise ValueError(f"none of {len(traces)} problems is held out, to select by; ask more")
        places = [place for trace in kept for place in trace.places]
        texts = [text for trace in kept for text in candidates(reading, trace)]
        return cls(texts, [place.advantage for place in places], [place.better for place in places])


class Advantages(Curriculum):
    """Documents of traces, drawn one by one."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self.documents = documents

    def draw(self, rng: Random, plan: Plan) -> Document:
        """Any of them."""
        return rng.choice(self.documents)


class Selection:
    """Called after every step; now and then, and at the end, it measures and keeps the best so far."""

    def __init__(self, settings: Settings, held: Held, every: float) -> None:
        self.settings, self.held, self.every = settings, held, every
        self.best = float(torch.load(settings.best, weights_only=True)["rho"]) if settings.best.exists() else -math.inf
        self.due = 0.0  # not known yet

    def __call__(self, trainer: Trainer) -> None:
        self.due = self.due or (trainer.tokens // self.every + 1) * self.every
        if trainer.rank or (trainer.tokens < self.due and trainer.fraction < 1.0):
            return
        self.due += self.every
        state = trainer.snapshot().state_dict()
        scorer = with_head(trainer.job.config, state, self.settings.labels)
        rho = spearman(chances(scorer, self.held.texts), self.held.advantages)
        rho = -1.0 if math.isnan(rho) else rho  # all as good as each other
        append(trainer.folder / "checks.jsonl", {"tokens": trainer.tokens, "rho": round(rho, 4)})
        if rho > self.best:
            self.best = rho
            aside = self.settings.best.with_suffix(".part")
            torch.save({"model": state, "rho": rho, "tokens": trainer.tokens}, aside)
            aside.replace(self.settings.best)


def train(settings: Settings) -> None:
    """Run to the end. Ctrl-C ends it after the current step: Raises KeyboardInterrupt once a checkpoint is written."""
    traces, reading = load(settings.traces), solutions(settings.checkpoint)
    learned = balanced([trace for trace in traces if not trace.held_out], settings.seed)
    documents = [document(reading, settings.labels, trace, wanted) for trace, wanted in learned]
    config, weights = beginning(settings)
    tokens = round(settings.epochs * sum(len(made.ids) for made in documents))
    job = Job(
        config=config,
        tokens=tokens,
        seed=settings.seed,
        batch_tokens=settings.batch_tokens,
        muon_rate=0.005,
        adam_rate=0.001,
        compiled=settings.compiled,
        bf16=True,
        save_every_s=settings.save_every,
    )
    trainer = Trainer(job, Advantages(documents), lambda _: PLAN, settings.out / "training")
    if trainer.step == 0:
        trainer.model.load_state_dict(weights)
    to_the_end(trainer, "router", Selection(settings, Held.of(settings, traces), tokens / settings.checks))


def beginning(settings: Settings) -> tuple[Qwen3Config, Weights]:
    """What the training goes on from: of a reward model the opposite, since a step that is wrong is one to rewrite."""
    config, weights = trunk(settings.checkpoint)
    embedding = weights["model.embed_tokens.weight"]
    embedding[settings.labels] = embedding[settings.labels[::-1]]
    return config, weights


def export(settings: Settings) -> Qwen3:
    """The best router so far, as a folder that any engine loads."""
    config, _ = trunk(settings.checkpoint)
    scorer = with_head(config, torch.load(settings.best, weights_only=True)["model"], settings.labels)
    publish(scorer, settings.checkpoint, settings.exported)
    return scorer


def measure(settings: Settings, scorer: Qwen3) -> Figures:
    """What the router is worth on held-out problems; written into `figures.json`."""
    held = Held.of(settings, load(settings.traces))
    read = chances(scorer, held.texts)
    rho = spearman(read, held.advantages)
    half = bonett_wright(rho, len(read))
    low, high = (math.tanh(math.atanh(rho) + sign * half) for sign in (-1, 1)) if abs(rho) < 1 else (rho, rho)
    figures: Figures = {
        "steps": len(read),
        "better": sum(held.better) / max(1, len(read)),
        "spearman": {"rho": rho, "low": low, "high": high},
        "better steps told": area(read, held.better),
        "utility": utility(read, held.advantages),
    }
    (settings.out / "figures.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return figures


def utility(chances: Sequence[float], advantages: Sequence[float]) -> list[Figures]:
    """For each share of steps that goes to the target: the tau that asks for it, and what the mean reward gains.

    Beside the router stand the oracle, which knows the advantages, and chance, which sends anything.
    """
    order = sorted(range(len(chances)), key=lambda i: -chances[i])
    best, mean = sorted(advantages, reverse=True), sum(advantages) / max(1, len(advantages))
    curve: list[Figures] = []
    for share in SHARES if chances else ():
        sent = round(share * len(chances))
        gained = sum(advantages[i] for i in order[:sent]) / len(chances)
        oracle = sum(best[:sent]) / len(chances)
        tau = chances[order[min(sent, len(order) - 1)]]
        curve.append({"share": share, "tau": tau, "router": gained, "oracle": oracle, "random": share * mean})
    return curve


def learn(settings: Settings, told: Callable[[str], None] = lambda _: None) -> Figures:
    """Train from `traces.jsonl`, keep the best, publish and measure it. Raises: ValueError, KeyboardInterrupt."""
    together(train, settings.processes, settings)
    told(f"publishing {settings.exported}")
    return measure(settings, export(settings))
