"""One command that makes the shipped draft and target from nothing but a seed: `python -m headgate.training.pretrain`.

Every stage leaves a product in the output folder and is skipped where that product is whole; a training goes on from its latest
checkpoint. So the same command, given again, finishes what a kill, a power cut or Ctrl-C left undone.
"""

import argparse
import os
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.distributed as dist

from ..backends.local.qwen3 import Qwen3
from . import sizes
from .checks import Check
from .curriculum import Curriculum, Own, draft_plan, plain_texts, target_plan
from .loop import Job, Trainer
from .processes import together
from .progress import Progress
from .rollout import label, load_labels, practice, save_labels
from .tokenizer import Encoder, export, learn

STAGES = ("tokenizer", "draft", "steps", "target", "export", "evaluate")
# Large blocks are reused instead of being handed back to the system after every layer; on Linux this saves a third of the time.
MALLOC = "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=33554432:glibc.malloc.trim_threshold=8589934592"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    out: Path
    seed: int = 1
    processes: int = 2
    draft_tokens: int = 14_000_000
    target_tokens: int = 30_000_000
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

    def exported(self, role: str) -> Path:
        return (self.publish or self.out / "embedded") / role


def draft_job(settings: Settings) -> Job:
    shared = {
        "seed": settings.seed,
        "compiled": settings.compiled,
        "bf16": True,
        "save_every_s": settings.save_every,
    }
    return Job(config=sizes.DRAFT, tokens=settings.draft_tokens, batch_tokens=1536, floor=0.01, **shared)


def target_job(settings: Settings) -> Job:
    shared = {
        "seed": settings.seed + 1,
        "compiled": settings.compiled,
        "bf16": True,
        "save_every_s": settings.save_every,
    }
    return Job(config=sizes.TARGET, tokens=settings.target_tokens, batch_tokens=3072, **shared)


def make_tokenizer(settings: Settings) -> None:
    if not (settings.tokenizer / "tokenizer.json").exists():
        export(learn(plain_texts(20_000, settings.seed + 7)), settings.tokenizer)


def train_draft(settings: Settings) -> None:
    curriculum = Curriculum(Encoder(settings.tokenizer))
    trainer = Trainer(draft_job(settings), curriculum, draft_plan, settings.out / "draft")
    train(trainer, settings, "draft", None)


def train_target(settings: Settings) -> None:
    labels = load_labels(settings.labels)
    problems = practice(len(labels), settings.seed + 100)
    own: list[tuple[object, Own]] = list(zip(problems, labels, strict=True))
    curriculum = Curriculum(Encoder(settings.tokenizer), own)  # type: ignore[arg-type]
    trainer = Trainer(target_job(settings), curriculum, target_plan, settings.out / "target")
    train(trainer, settings, "target", finished(settings, "draft"))


def train(trainer: Trainer, settings: Settings, role: str, draft: Qwen3 | None) -> None:
    """Run to the end, with Ctrl-C ending it at the next step; Raises KeyboardInterrupt then, after the checkpoint is written."""
    if trainer.rank == 0:
        signal.signal(signal.SIGINT, lambda *_: setattr(trainer, "interrupted", True))
        signal.signal(signal.SIGTERM, lambda *_: setattr(trainer, "interrupted", True))
    publish = Publisher(settings, role)
    check = Check(Encoder(settings.tokenizer), draft, settings.check_every, publish)
    with Progress(role, trainer.job.tokens, quiet=trainer.rank > 0) as progress:
        ended = trainer.run(progress, check)
    if not ended:
        raise KeyboardInterrupt
    if trainer.rank == 0:
        publish(trainer.snapshot())


@dataclass(frozen=True, slots=True)
class Publisher:
    """Puts a model, its tokenizer and its generation settings where others load them; written aside, then renamed."""

    settings: Settings
    role: str

    def __call__(self, model: Qwen3) -> None:
        folder = self.settings.exported(self.role)
        folder.mkdir(parents=True, exist_ok=True)
        aside = folder.with_name(folder.name + ".part")
        shutil.rmtree(aside, ignore_errors=True)
        model.save(aside)
        export(Encoder(self.settings.tokenizer).tokenizer, aside)
        generation = {"eos_token_id": model.config.eos_token_id, "pad_token_id": model.config.pad_token_id}
        (aside / "generation_config.json").write_text(json_text({"_from_model_config": True, **generation}))
        for file in sorted(aside.iterdir()):  # file by file: what else lies in the folder stays
            file.chmod(0o644)
            os.replace(file, folder / file.name)
        aside.rmdir()


def json_text(value: object) -> str:
    import json

    return json.dumps(value, indent=2, sort_keys=True) + "\n"


def finished(settings: Settings, role: str) -> Qwen3:
    """The trained model of a role, from its last checkpoint."""
    model = Qwen3({"draft": sizes.DRAFT, "target": sizes.TARGET}[role])
    state = torch.load(settings.out / role / "checkpoint.pt", weights_only=True)
    model.load_state_dict(state["model"])
    return model.eval()


def write_steps(settings: Settings) -> None:
    """The draft's own steps on training problems, shared out over the processes."""
    rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    asked = practice(settings.own_problems, settings.seed + 100)
    share = asked[rank::world]
    own = label(finished(settings, "draft"), Encoder(settings.tokenizer), share, settings.seed + rank)
    parts: list[list[Own]] = [own]
    if world > 1:
        parts = [[] for _ in range(world)]
        dist.all_gather_object(parts, own)
    if rank == 0:
        save_labels([parts[i % world][i // world] for i in range(len(asked))], settings.labels)


def export_both(settings: Settings) -> None:
    for role in ("draft", "target"):
        Publisher(settings, role)(finished(settings, role))


def evaluate_both(settings: Settings) -> None:
    from .evaluate import main as evaluate

    folders = [f"--{role}={settings.exported(role)}" for role in ("draft", "target")]
    evaluate([*folders, f"--logs={settings.out}", f"--out={settings.out / 'results'}"])


def run(settings: Settings, stages: tuple[str, ...]) -> None:
    """The stages in their order, each with as many processes as it can use."""
    settings.out.mkdir(parents=True, exist_ok=True)
    work: dict[str, tuple[Callable[[Settings], None], int]] = {
        "tokenizer": (make_tokenizer, 1),
        "draft": (train_draft, settings.processes),
        "steps": (write_steps, settings.processes),
        "target": (train_target, settings.processes),
        "export": (export_both, 1),
        "evaluate": (evaluate_both, 1),
    }
    for stage in stages:
        if stage == "steps" and settings.labels.exists():
            continue
        function, world = work[stage]
        together(function, world, settings)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m headgate.training.pretrain",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="stages, in order:\n"
        "  tokenizer  512 tokens learned from generated problems                       seconds\n"
        "  draft      0.27 M parameters, from scratch                                  minutes\n"
        "  steps      the draft's own steps on training problems, labelled             minutes\n"
        "  target     2.76 M parameters, from scratch; learns to rate the draft's steps  about an hour\n"
        "  export     both in Hugging Face form, fp32                                  seconds\n"
        "  evaluate   accuracy, step errors and ratings on held-out problems           minutes\n\n"
        "examples:\n"
        "  everything:            python -m headgate.training.pretrain\n"
        "  a run of two minutes:  python -m headgate.training.pretrain --out /tmp/small --draft-tokens 300000 \\\n"
        "                             --target-tokens 300000 --own-problems 200 --eager\n"
        "  only measure again:    python -m headgate.training.pretrain --stage evaluate\n",
    )
    runs = Path(__file__).parent / "runs" / "embedded"
    d = Settings(out=runs)
    add = parser.add_argument
    add("--stage", choices=STAGES, action="append", help="only this stage; may be given again (default: all)")
    add(
        "--out",
        type=Path,
        default=runs,
        help="where products and checkpoints lie (default: training/runs/embedded)",
    )
    add("--publish", type=Path, help="where the finished models go (default: OUT/embedded)")
    add(
        "--processes",
        type=int,
        default=d.processes,
        help="one thread each; a run resumes with the number it began with",
    )
    add("--seed", type=int, default=d.seed, help="the same seed and processes give the same weights")
    add(
        "--draft-tokens",
        type=int,
        default=d.draft_tokens,
        help="padded; may change on resuming (default: %(default)s)",
    )
    add(
        "--target-tokens",
        type=int,
        default=d.target_tokens,
        help="padded; may change on resuming (default: %(default)s)",
    )
    add(
        "--own-problems",
        type=int,
        default=d.own_problems,
        help="problems whose steps the draft writes (default: %(default)s)",
    )
    add(
        "--check-every",
        type=int,
        default=d.check_every,
        help="tokens between small evaluations (default: %(default)s)",
    )
    add(
        "--save-every",
        type=float,
        default=d.save_every,
        help="seconds between checkpoints (default: %(default)s)",
    )
    add("--eager", action="store_true", help="do not compile: slower, but starts at once")
    return parser


def main(argv: list[str] | None = None) -> int:
    given = parser().parse_args(argv)
    values = {name: value for name, value in vars(given).items() if name not in ("stage", "eager")}
    settings = replace(Settings(out=given.out), **values, compiled=not given.eager)
    stages = tuple(stage for stage in STAGES if not given.stage or stage in given.stage)
    try:
        run(settings, stages)
    except KeyboardInterrupt:
        print(
            "\nStopped; everything up to here is saved. The same command goes on from here:", file=sys.stderr
        )
        print("  python -m headgate.training.pretrain " + " ".join(argv or sys.argv[1:]), file=sys.stderr)
        return 130
    return 0


def with_large_blocks() -> None:
    """Start again with the allocator's settings in place: they are read before the program's first line."""
    if sys.platform == "linux" and "GLIBC_TUNABLES" not in os.environ:
        again = [sys.executable, "-m", "headgate.training.pretrain", *sys.argv[1:]]
        os.execve(sys.executable, again, {**os.environ, "GLIBC_TUNABLES": MALLOC})


if __name__ == "__main__":
    with_large_blocks()
    sys.exit(main())
