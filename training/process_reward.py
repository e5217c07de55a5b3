"""One command that trains the scorer of the shipped pair's steps: `python -m headgate.training.process_reward`.

Source: Lightman et al. 2023, "Let's Verify Step by Step", arXiv 2305.20050, section 2: steps are labelled up to the
first wrong one. Where we differ: an exact checker labels, not people. What the draft and the target wrote on training
problems is labelled, beside errors made by rule. A stage is skipped where its product is whole, and a training goes on
from its checkpoint, as in `pretrain`.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import torch

from ..backends.checkpoint import Checkpoint
from ..backends.local.qwen3 import Qwen3, Qwen3Config
from ..tasks.word_problems import WordProblem, problems
from .command import Stages, add_options, add_stages, asked, command, finish, in_order, to_the_end, with_large_blocks
from .curriculum import TILTED, Curriculum, Plan, Writer
from .documents.document import Document
from .documents.labelled import closed, labelled, opening
from .documents.rating import UNNEEDED, Candidates, Own
from .figures import Figures, area, counted
from .formats import CLOSE
from .loop import Job, Trainer
from .processes import shared_out
from .rollout import OwnStep, label, load_labels, own_steps, practice, save_labels
from .scorer import chances, publish, rows, with_head
from .sizes import shape
from .tokenizer import Encoder

MODULE = "headgate.training.process_reward"
STAGES = ("label", "train", "export", "evaluate")
FRESH = "fresh"
KEEP = 0.7  # the reward at which reward-guided decoding keeps a step
HELD_OUT = 7_101  # the seed of the problems that are measured on


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the command was asked to do."""

    out: Path
    pair: Path
    seed: int = 1
    processes: int = 2
    problems: int = 1_500
    tokens: int = 16_000_000
    measured: int = 500
    trunk: str = FRESH
    layers: int = 0
    save_every: float = 60.0
    compiled: bool = True
    publish: Path | None = None

    @property
    def labels(self) -> Path:
        return self.out / "labels.json"

    @property
    def exported(self) -> Path:
        return self.publish or self.out / "reward"

    @property
    def encoder(self) -> Encoder:
        return Encoder(self.pair / "target")

    def model(self, role: str) -> Qwen3:
        return Qwen3.load(self.pair / role)


class Labelled(Curriculum):
    """Solutions with labels: of the pair's own steps where they are known, else of steps made by rule."""

    def draw(self, rng: Random, plan: Plan) -> Document:
        """A right solution and beside it what else could stand at its steps; or an exercise without labels."""
        if rng.random() >= plan.rated:
            return super().draw(rng, plan)
        candidates = Writer(rng, plan, self.own_steps).candidates()
        solution = [candidates.style(line) for line in candidates.problem.steps]
        return labelled(self.encoder, candidates.problem.question, [*solution, CLOSE], beside(candidates))


def plan(fraction: float) -> Plan:
    """First above all to look values up by names, without which nothing can be checked; then to tell steps apart."""
    kinds = {"looked_up": 6, "chased": 3} if fraction < 0.08 else {"looked_up": 3, "chased": 2, "drill": 10}
    return Plan(kinds=kinds, rated=0.1 if fraction < 0.08 else 0.85, own=0.6, operations=TILTED, shuffled=0.35)


def beside(candidates: Candidates) -> list[tuple[int, str, bool]]:
    """For most steps and the end of the thinking one other text, right or wrong."""
    places = range(len(candidates.problem.steps) + 1)
    drawn = [(k, *candidates.draw(k)) for k in places if candidates.rng.random() < 0.8]
    return [(k, text, rating >= UNNEEDED) for k, text, rating in drawn]


def write_labels(settings: Settings) -> None:
    """What draft and target write on training problems, held to the checker; shared out over the processes."""
    pair, encoder = [settings.model(role) for role in ("draft", "target")], settings.encoder

    def work(share: Sequence[WordProblem], rank: int) -> list[Own]:
        by_role = [label(model, encoder, share, settings.seed + rank) for model in pair]
        return [both(*found) for found in zip(*by_role, strict=True)]

    labels = shared_out(practice(settings.problems, settings.seed + 300), work)
    if labels is not None:
        save_labels(labels, settings.labels)


def both(left: Own, right: Own) -> Own:
    """By step, what either wrote there; a step at which neither wrote what can be read again is left out."""
    texts = {k: [*left.get(k, ()), *right.get(k, ())] for k in sorted({*left, *right})}
    return {k: found for k, found in texts.items() if found}


def config(settings: Settings) -> Qwen3Config:
    """One of the pair's, or a trunk of its own: larger than the draft, a third of the target, with the pair's rows."""
    if settings.trunk != FRESH:
        whole = Qwen3Config.load(settings.pair / settings.trunk)
        return replace(whole, num_hidden_layers=settings.layers or whole.num_hidden_layers)
    vocabulary = Qwen3Config.load(settings.pair / "target").vocab_size
    return replace(shape(hidden=128, layers=4, heads=4, feed_forward=352), vocab_size=vocabulary)


def learned(settings: Settings) -> dict[str, torch.Tensor]:
    """The weights that a trunk of the pair's begins with: its first layers, and what stands around them."""
    state = settings.model(settings.trunk).state_dict()
    return {name: state[name] for name in Qwen3(config(settings)).state_dict()}


def job(settings: Settings) -> Job:
    """From scratch, or more gently from what one of the pair has learned."""
    rates = {} if settings.trunk == FRESH else {"muon_rate": 0.005, "adam_rate": 0.001}
    return Job(
        config=config(settings),
        tokens=settings.tokens,
        seed=settings.seed,
        batch_tokens=2048,
        compiled=settings.compiled,
        bf16=True,
        save_every_s=settings.save_every,
        **rates,
    )


def train(settings: Settings) -> None:
    """Run to the end. Ctrl-C ends it after the current step: Raises KeyboardInterrupt once a checkpoint is written."""
    labels = load_labels(settings.labels)
    own = list(zip(practice(len(labels), settings.seed + 300), labels, strict=True))
    fresh = settings.trunk == FRESH
    plans = plan if fresh else lambda _: plan(1.0)  # one of the pair has learned the first part
    trainer = Trainer(job(settings), Labelled(settings.encoder, own), plans, settings.out / "training")
    if not fresh and trainer.step == 0:
        trainer.model.load_state_dict(learned(settings))
    to_the_end(trainer, "reward", lambda _: None)


def export(settings: Settings) -> None:
    """The trained trunk under a head made of its labels' rows, as a folder that any engine loads."""
    source = Checkpoint.open(str(settings.pair / "target"))
    state = torch.load(settings.out / "training" / "checkpoint.pt", weights_only=True)["model"]
    publish(with_head(config(settings), state, rows(source.tokens)), source, settings.exported)


def evaluate(settings: Settings) -> None:
    """How well the rewards tell the pair's wrong steps, behind right ones, on held-out problems."""
    scorer, encoder, figures = Qwen3.load(settings.exported), settings.encoder, Figures()
    asked = problems(settings.measured, HELD_OUT)
    for role in ("draft", "target"):
        for temperature in (0.0, 0.7):
            steps = own_steps(settings.model(role), encoder, asked, temperature=temperature, seed=settings.seed)
            values = chances(scorer, [shown(encoder, step) for step in steps])
            figures[f"{role}, T {temperature}"] = told_apart(steps, values)
    (settings.out / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")
    for name, found in figures.items():
        print(f"{name:>14}: AUROC {found['auroc']:.4f} ± {found['half']:.4f} of {found['wrong']} wrong in {found['n']}")


def told_apart(steps: Sequence[OwnStep], values: Sequence[float]) -> Figures:
    """The area under the curve with its interval, and the shares of right and of wrong steps that would be kept."""
    wrong = [step.wrong for step in steps]
    kept = {
        name: counted([value >= KEEP for value, bad in zip(values, wrong, strict=True) if bad is which])
        for name, which in (("right", False), ("wrong", True))
    }
    return {**area([-value for value in values], wrong), "kept": kept}


def shown(encoder: Encoder, step: OwnStep) -> list[int]:
    """A step as the scorer reads it, up to where its reward stands."""
    before = [token for line in lines(step.problem)[: step.k] for token in closed(encoder, line)]
    return [*opening(encoder, step.problem.question), *before, *closed(encoder, encoder.decode(step.written.ids))]


def lines(problem: WordProblem) -> list[str]:
    return [line.text for line in problem.steps]


def run(settings: Settings, stages: tuple[str, ...]) -> None:
    """The stages in their order; labels are written once."""
    settings.out.mkdir(parents=True, exist_ok=True)
    work: Stages = {
        "label": (write_labels, settings.processes),
        "train": (train, settings.processes),
        "export": (export, 1),
        "evaluate": (evaluate, 1),
    }
    in_order(work, stages, ["label"] if settings.labels.exists() else [], settings)


EPILOG = (
    "stages, in order:\n"
    "  label     what draft and target write on training problems, right or wrong   about two minutes\n"
    "  train     a small Qwen3 under a head of two classes                          minutes\n"
    "  export    a checkpoint that transformers, vLLM and headgate load             seconds\n"
    "  evaluate  how well it tells wrong steps on held-out problems                 about a minute\n\n"
    "examples:\n"
    "  everything:            python -m headgate.training.process_reward\n"
    "  a run of two minutes:  python -m headgate.training.process_reward --out /tmp/small --problems 100 \\\n"
    "                             --tokens 300000 --measured 50 --eager\n"
    "  from the target:       python -m headgate.training.process_reward --out /tmp/second --trunk target --layers 2\n"
    "  only measure again:    python -m headgate.training.process_reward --stage evaluate\n"
)
NUMBERS = {  # option: what it means, shown with its default in `Settings`
    "processes": "one thread each; a run resumes with the number it began with",
    "seed": "the same seed and processes give the same weights",
    "problems": "problems whose steps the pair writes",
    "tokens": "padded; may change on resuming",
    "measured": "held-out problems",
    "layers": "of the pair's trunk that are kept, from the first on; 0 keeps all",
    "save_every": "seconds between checkpoints",
}


def parser() -> argparse.ArgumentParser:
    """Defaults are those of `Settings`."""
    made = command(MODULE, __doc__, EPILOG)
    home = Path(__file__).parent
    defaults = Settings(out=home / "runs" / "reward", pair=home.parent / "backends" / "local" / "embedded")
    add = made.add_argument
    add_stages(made, STAGES, defaults.out, "training/runs/reward")
    add("--pair", type=Path, default=defaults.pair, help="the folder of draft and target (default: the shipped pair)")
    begun = "what to begin with: a million parameters that have read nothing, or one of the pair (default: %(default)s)"
    add("--trunk", choices=(FRESH, "draft", "target"), default=defaults.trunk, help=begun)
    add("--publish", type=Path, help="where the finished scorer goes (default: OUT/reward)")
    add_options(made, NUMBERS, defaults)
    return made


def main(argv: list[str] | None = None) -> int:
    values, stages = asked(parser().parse_args(argv), STAGES)
    return finish(MODULE, argv, lambda: run(Settings(**values), stages))


if __name__ == "__main__":
    with_large_blocks(MODULE)
    sys.exit(main())
