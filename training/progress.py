"""A bar on a terminal, plain lines anywhere else."""

import sys
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from .loop import State, Trainer

COLUMNS = ("{task.description}", "{task.percentage:>3.0f} %", "{task.fields[figures]}")


class Progress:
    """Shows how far a training is, its losses and its speed."""

    def __init__(self, name: str, tokens: int, quiet: bool = False) -> None:
        self.name, self.quiet = name, quiet
        self.bar: Bar | None = None
        if sys.stdout.isatty() and not quiet:
            texts = [TextColumn(column) for column in COLUMNS]
            self.bar = Bar(texts[0], BarColumn(), *texts[1:], TimeRemainingColumn(), console=Console())
            self.task = self.bar.add_task(name, total=tokens, figures="")

    def __enter__(self) -> "Progress":
        if self.bar:
            self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar:
            self.bar.stop()

    def __call__(self, trainer: Trainer, line: State) -> None:
        figures = f"loss {line['loss']:.3f}  ratings {line['rating_loss']:.3f}  {line['tokens_per_s']:,} tokens/s"
        if self.bar:
            self.bar.update(self.task, completed=trainer.tokens, figures=figures)
        elif not self.quiet and trainer.step % 100 == 0:
            print(f"{self.name} {trainer.tokens / 1e6:.2f} M tokens  {figures}", flush=True)
