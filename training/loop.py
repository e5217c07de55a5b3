"""The training loop: packed batches, one flat all-reduce a step, a schedule of the fraction done, checkpoints that
resume exactly.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.fx.experimental import _config as symbols

from ..backends.local.qwen3 import Qwen3, Qwen3Config
from .attention import mix
from .batches import Batch, Cursor, stream
from .curriculum import Curriculum, Plan
from .optim import Optimizer, schedule

State = dict[str, Any]
LOG_EVERY = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """All that decides what a training does; the same job and the same number of processes give the same weights."""

    config: Qwen3Config
    tokens: int  # padded, over all processes
    seed: int
    batch_tokens: int  # of one process
    muon_rate: float = 0.02
    adam_rate: float = 0.004
    constant: float = 0.6  # fraction of the tokens at the full rate
    floor: float = 0.0
    compiled: bool = False
    bf16: bool = False  # for the matrix products; weights, norms and sums stay fp32
    save_every_s: float = 120.0


class Trainer:
    """One process's half of a data-parallel training."""

    def __init__(self, job: Job, curriculum: Curriculum, plan: Callable[[float], Plan], folder: Path) -> None:
        self.job, self.curriculum, self.plan, self.folder = job, curriculum, plan, folder
        self.world = dist.get_world_size() if dist.is_initialized() else 1
        self.rank = dist.get_rank() if dist.is_initialized() else 0
        self.model = initialised(Qwen3(job.config), job.seed)
        if job.compiled:
            compile_layers(self.model)
        self.optimizer = Optimizer(self.model, job.muon_rate, job.adam_rate)
        self.parameters = list(self.model.parameters())
        self.tokens, self.step, self.seconds, self.cursor = 0, 0, 0.0, Cursor()
        self.interrupted = False
        folder.mkdir(parents=True, exist_ok=True)
        if self.checkpoint.exists():
            self.restore()

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    @property
    def fraction(self) -> float:
        return min(1.0, self.tokens / self.job.tokens)

    def run(self, report: Callable[["Trainer", State], None], check: Callable[["Trainer"], None]) -> bool:
        """Train to the end; False where an interrupt ended it sooner. `check` is called after each step, everywhere."""
        meter, saved = Meter(self.folder, self.rank), time.monotonic()
        for batch, cursor in self.batches():
            began = time.monotonic()
            due = began - saved > self.job.save_every_s
            totals, stop, save = self.advance(batch, self.interrupted, due)
            self.cursor, self.step, self.tokens = cursor, self.step + 1, self.tokens + round(totals["tokens"])
            self.seconds += time.monotonic() - began
            meter.add(self, totals, report)
            check(self)
            if save or stop or self.fraction >= 1.0:
                self.save()
                saved = time.monotonic()
            if stop or self.fraction >= 1.0:
                return not stop
        return True

    def batches(self) -> Iterator[tuple[Batch, Cursor]]:
        if self.fraction >= 1.0:
            return iter(())
        return stream(
            self.curriculum,
            self.plan,
            lambda: self.fraction,
            seed=self.job.seed,
            rank=self.rank,
            tokens=self.job.batch_tokens,
            cursor=self.cursor,
        )

    def advance(self, batch: Batch, stop: bool, save: bool) -> tuple[dict[str, float], bool, bool]:
        """One step of the optimiser; every process hears the first one's wish to stop or save through the same sum."""
        losses = self.losses(batch)
        weights, rated = batch.weights[batch.weights > 0], batch.ratings[batch.weights > 0]
        (losses * weights).sum().backward()  # type: ignore[no-untyped-call]
        plain = losses.detach()
        counts = [float(weights.sum()), float(batch.ids.numel()), float(stop), float(save)]
        sums = [plain[~rated].sum(), (~rated).sum(), plain[rated].sum(), rated.sum()]
        tail = self.reduce([*counts, *map(float, sums)])
        scale = schedule(self.fraction, self.step, constant=self.job.constant, floor=self.job.floor)
        self.optimizer.step(scale)
        self.model.zero_grad(set_to_none=True)
        names = ("weight", "tokens", "stop", "save", "loss", "of", "rating", "ratings")
        totals = dict(zip(names, tail, strict=True)) | {"rate": scale}
        return totals, totals["stop"] > 0, totals["save"] > 0

    def losses(self, batch: Batch) -> Tensor:
        """Negative log-likelihood wherever something is to be learned: [n]."""
        cos, sin = self.model.turns(batch.positions)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.job.bf16):
            hidden = self.model.model(batch.ids, cos, sin, batch.attend, None, mix)  # [B, T, d]
        learn = batch.weights > 0
        return F.cross_entropy(self.model.logits(hidden[learn].float()), batch.targets[learn], reduction="none")

    def reduce(self, tail: list[float]) -> list[float]:
        """Sum gradients and counts over the processes in one message; gradients become those of the weighted mean."""
        pieces = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.parameters]
        flat = torch.cat([*(piece.reshape(-1) for piece in pieces), torch.tensor(tail)])
        if self.world > 1:
            dist.all_reduce(flat)
        gradients, counts = flat[: -len(tail)], flat[-len(tail) :]
        gradients /= counts[0]
        parts = gradients.split([p.numel() for p in self.parameters])  # type: ignore[no-untyped-call]
        for p, part in zip(self.parameters, parts, strict=True):
            p.grad = part.view_as(p)
        return [float(x) for x in counts]

    def snapshot(self) -> Qwen3:
        """A plain copy, for reading with."""
        copy = Qwen3(self.job.config)
        copy.load_state_dict(self.model.state_dict())
        return copy.eval()

    def save(self) -> None:
        """Write aside, then rename: a checkpoint is whole or absent."""
        cursors: list[Any] = [asdict(self.cursor)]
        if self.world > 1:
            cursors = [None] * self.world
            dist.all_gather_object(cursors, asdict(self.cursor))
        if self.rank:
            return
        counters = {"tokens": self.tokens, "step": self.step, "seconds": self.seconds, "cursors": cursors}
        state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), **counters}
        aside = self.checkpoint.with_suffix(".part")
        torch.save(state, aside)
        aside.replace(self.checkpoint)

    def restore(self) -> None:
        """Go on from the checkpoint; Raises ValueError where it was written by another number of processes."""
        state: State = torch.load(self.checkpoint, weights_only=True)
        if len(state["cursors"]) != self.world:
            raise ValueError(
                f"{self.checkpoint} was written by {len(state['cursors'])} processes, this run has {self.world}; "
                f"pass --processes {len(state['cursors'])}"
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.tokens, self.step, self.seconds = state["tokens"], state["step"], state["seconds"]
        self.cursor = Cursor(**state["cursors"][self.rank])


class Meter:
    """Means over the latest steps, one line of JSON every so often."""

    def __init__(self, folder: Path, rank: int) -> None:
        self.path, self.rank = folder / "log.jsonl", rank
        self.sums: dict[str, float] = {}
        self.began = time.monotonic()

    def add(self, trainer: Trainer, totals: dict[str, float], report: Callable[[Trainer, State], None]) -> None:
        for name, value in totals.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        if self.rank or (trainer.step % LOG_EVERY and trainer.step > 3):
            return
        line = self.line(trainer, totals["rate"])
        append(self.path, line)
        report(trainer, line)
        self.sums, self.began = {}, time.monotonic()

    def line(self, trainer: Trainer, rate: float) -> State:
        sums, took = self.sums, time.monotonic() - self.began
        loss, rating = sums["loss"] / max(1.0, sums["of"]), sums["rating"] / max(1.0, sums["ratings"])
        means = {"loss": round(loss, 4), "rating_loss": round(rating, 4), "rate": round(rate, 4)}
        speed = {"tokens_per_s": round(sums["tokens"] / took), "seconds": round(trainer.seconds)}
        return {"step": trainer.step, "tokens": trainer.tokens, **means, **speed}


def append(path: Path, line: State) -> None:
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")


def initialised(model: Qwen3, seed: int) -> Qwen3:
    """Normal weights by fan-in; what writes into the residual stream starts smaller, by the depth."""
    torch.manual_seed(seed)
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2:
            residual = (
                (2 * model.config.num_hidden_layers) ** -0.5
                if name.endswith(("o_proj.weight", "down_proj.weight"))
                else 1
            )
            std = 0.02 if "embed" in name else 0.7 * parameter.shape[1] ** -0.5 * residual
            nn.init.normal_(parameter, std=std)
    return model


def compile_layers(model: Qwen3) -> None:
    """One by one: they share one graph, which is soon compiled."""
    symbols.use_duck_shape = False  # a length that happens to be a weight's size is not that size
    for layer in model.model.layers:
        layer.compile(dynamic=True)
