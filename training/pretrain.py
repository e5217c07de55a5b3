"""One command that makes the shipped draft and target from nothing but a seed: `python -m headgate.training.pretrain`.

Every stage leaves a product in the output folder and is skipped where that product is whole; a training goes on from
its latest checkpoint. So the same command, given again, finishes what a kill, a power cut or Ctrl-C left undone.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..backends.local.qwen3 import Qwen3
from . import sizes
from .checks import Check
from .command import Stages, add_options, add_stages, asked, command, finish, in_order, to_the_end, with_large_blocks
from .curriculum import Curriculum, Plan, draft_plan, plain_texts, target_plan
from .loop import Job, Trainer
from .processes import shared_out
from .publish import finished, publish
from .rollout import label, load_labels, practice, save_labels
from .sizes import Role
from .tokenizer import Encoder, export, learn

MODULE = "headgate.training.pretrain"
STAGES = ("tokenizer", "draft", "steps", "target", "export", "evaluate")

PLANS: dict[Role, Callable[[float], Plan]] = {"draft": draft_plan, "target": target_plan}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the command was asked to do."""

    out: Path
    seed: int = 1
    processes: int = 2
    draft_tokens: int = 36_000_000
    target_tokens: int = 90_000_000
    own_problems: int = 8_000
    check_every: int = 3_000_000
    compiled: bool = True
    save_every: float = 120.0
    publish: Path | None = None

    @property
    def tokenizer(self) -> Path:
        return self.out / "tokenizer"

    @property
    def labels(self) -> Path:
        return self.out / "own_steps.json"

    def exported(self, role: Role) -> Path:
        return (self.publish or self.out / "embedded") / role


def job(settings: Settings, role: Role) -> Job:
    draft = role == "draft"
    return Job(
        config=sizes.OF[role],
        tokens=settings.draft_tokens if draft else settings.target_tokens,
        seed=settings.seed + (0 if draft else 1),
        batch_tokens=1536 if draft else 3072,
        constant=0.6 if draft else 0.5,
        floor=0.01 if draft else 0.0,
        compiled=settings.compiled,
        bf16=True,
        save_every_s=settings.save_every,
    )


def make_tokenizer(settings: Settings) -> None:
    if not (settings.tokenizer / "tokenizer.json").exists():
        export(learn(plain_texts(20_000, settings.seed + 7)), settings.tokenizer)


def train_draft(settings: Settings) -> None:
    train(settings, "draft", Curriculum(Encoder(settings.tokenizer)), None)


def train_target(settings: Settings) -> None:
    labels = load_labels(settings.labels)
    own = list(zip(practice(len(labels), settings.seed + 100), labels, strict=True))
    train(settings, "target", Curriculum(Encoder(settings.tokenizer), own), finished(settings.out, "draft"))


def train(settings: Settings, role: Role, curriculum: Curriculum, draft: Qwen3 | None) -> None:
    """Run to the end. Ctrl-C ends it after the current step: Raises KeyboardInterrupt once a checkpoint is written."""
    trainer = Trainer(job(settings, role), curriculum, PLANS[role], settings.out / role)
    ship = publisher(settings, role)
    to_the_end(trainer, role, Check(Encoder(settings.tokenizer), draft, settings.check_every, ship))
    if trainer.rank == 0:
        ship(trainer.snapshot())


def publisher(settings: Settings, role: Role) -> Callable[[Qwen3], None]:
    encoder = Encoder(settings.tokenizer)
    return lambda model: publish(model, encoder, settings.exported(role))


def write_steps(settings: Settings) -> None:
    """The draft's own steps on training problems, shared out over the processes."""
    draft, encoder = finished(settings.out, "draft"), Encoder(settings.tokenizer)
    practised = practice(settings.own_problems, settings.seed + 100)
    labels = shared_out(practised, lambda share, rank: label(draft, encoder, share, settings.seed + rank))
    if labels is not None:
        save_labels(labels, settings.labels)


def export_both(settings: Settings) -> None:
    for role in sizes.OF:
        publisher(settings, role)(finished(settings.out, role))


def evaluate_both(settings: Settings) -> None:
    from .evaluate import main as evaluate

    folders = [f"--{role}={settings.exported(role)}" for role in sizes.OF]
    evaluate([*folders, f"--logs={settings.out}", f"--out={settings.out / 'results.json'}"])


def run(settings: Settings, stages: tuple[str, ...]) -> None:
    """The stages in their order; the draft's steps are written once."""
    settings.out.mkdir(parents=True, exist_ok=True)
    work: Stages = {
        "tokenizer": (make_tokenizer, 1),
        "draft": (train_draft, settings.processes),
        "steps": (write_steps, settings.processes),
        "target": (train_target, settings.processes),
        "export": (export_both, 1),
        "evaluate": (evaluate_both, 1),
    }
    in_order(work, stages, ["steps"] if settings.labels.exists() else [], settings)


EPILOG = (
    "stages, in order:\n"
    "  tokenizer  768 rows, learned from generated documents                       seconds\n"
    "  draft      0.30 M parameters, from scratch                                  minutes\n"
    "  steps      the draft's own steps on training problems, labelled             minutes\n"
    "  target     2.80 M parameters, from scratch; learns to rate the draft's steps  over an hour\n"
    "  export     both in Hugging Face form, fp32                                  seconds\n"
    "  evaluate   accuracy, step errors and ratings on held-out problems           minutes\n\n"
    "examples:\n"
    "  everything:            python -m headgate.training.pretrain\n"
    "  a run of two minutes:  python -m headgate.training.pretrain --out /tmp/small --draft-tokens 300000 \\\n"
    "                             --target-tokens 300000 --own-problems 200 --eager\n"
    "  only measure again:    python -m headgate.training.pretrain --stage evaluate\n"
)


NUMBERS = {  # option: what it means, shown with its default in `Settings`
    "processes": "one thread each; a run resumes with the number it began with",
    "seed": "the same seed and processes give the same weights",
    "draft_tokens": "padded; may change on resuming",
    "target_tokens": "padded; may change on resuming",
    "own_problems": "problems whose steps the draft writes",
    "check_every": "tokens between small evaluations",
    "save_every": "seconds between checkpoints",
}


def parser() -> argparse.ArgumentParser:
    """Defaults are those of `Settings`."""
    made = command(MODULE, __doc__, EPILOG)
    defaults = Settings(out=Path(__file__).parent / "runs" / "embedded")
    add_stages(made, STAGES, defaults.out, "training/runs/embedded")
    made.add_argument("--publish", type=Path, help="where the finished models go (default: OUT/embedded)")
    add_options(made, NUMBERS, defaults)
    return made


def main(argv: list[str] | None = None) -> int:
    values, stages = asked(parser().parse_args(argv), STAGES)
    return finish(MODULE, argv, lambda: run(Settings(**values), stages))


if __name__ == "__main__":
    with_large_blocks(MODULE)
    sys.exit(main())
