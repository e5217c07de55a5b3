"""One command that makes the shipped draft and target from nothing but seeds: `python -m headgate.training.pretrain`."""

import json
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

from . import sizes
from .curriculum import Curriculum, draft_plan, plain_texts
from .loop import Job, State, Trainer
from .processes import together
from .tokenizer import Encoder, export, learn


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    out: Path = Path("training/runs/embedded")
    seed: int = 1
    processes: int = 2
    draft_tokens: int = 17_500_000
    target_tokens: int = 30_000_000

    @property
    def tokenizer(self) -> Path:
        return self.out / "tokenizer"


def make_tokenizer(settings: Settings) -> None:
    if (settings.tokenizer / "tokenizer.json").exists():
        return
    export(learn(plain_texts(20_000, settings.seed + 7)), settings.tokenizer)


def draft_job(settings: Settings) -> Job:
    return Job(
        config=sizes.DRAFT,
        tokens=settings.draft_tokens,
        seed=settings.seed,
        batch_tokens=1536,
        floor=0.01,
        compiled=True,
        bf16=True,
    )


def show(trainer: Trainer, line: State) -> None:
    print(json.dumps(line), flush=True)


def train_draft(settings: Settings) -> bool:
    trainer = Trainer(
        draft_job(settings), Curriculum(Encoder(settings.tokenizer)), draft_plan, settings.out / "draft"
    )

    def stop(*_: object) -> None:
        trainer.interrupted = True

    if trainer.rank == 0:
        signal.signal(signal.SIGINT, stop)

    def check(t: Trainer) -> None:
        if t.rank == 0 and abs(t.fraction - 0.59) < 0.002 and t.checkpoint.exists():
            shutil.copy(t.checkpoint, t.folder / "before_decay.pt")

    return trainer.run(show, check)


if __name__ == "__main__":
    s = Settings(out=Path("/work/main/training/runs/embedded"))
    make_tokenizer(s)
    together(train_draft, 2, s)
