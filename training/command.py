"""What the training commands share: stages in order, options from settings, an interrupt that loses nothing."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from .loop import Trainer
from .processes import together
from .progress import Progress

# Large blocks are kept for the next layer instead of being handed back to the system: on Linux this saves a third.
MALLOC = "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=33554432:glibc.malloc.trim_threshold=8589934592"

Stages = Mapping[str, tuple[Callable[[Any], None], int]]


def to_the_end(trainer: Trainer, name: str, check: Callable[[Trainer], None]) -> None:
    """Run behind a bar. Ctrl-C ends it after this step: Raises KeyboardInterrupt once a checkpoint is written."""
    if trainer.rank == 0:
        for kind in (signal.SIGINT, signal.SIGTERM):
            signal.signal(kind, lambda *_: setattr(trainer, "interrupted", True))
    with Progress(name, trainer.job.tokens, quiet=trainer.rank > 0) as progress:
        if not trainer.run(progress, check):
            raise KeyboardInterrupt


def in_order(work: Stages, stages: Sequence[str], done: Collection[str], settings: Any) -> None:
    """The stages that are not done, each with as many processes as it can use."""
    for stage in stages:
        if stage not in done:
            function, world = work[stage]
            together(function, world, settings)


def command(module: str, said: str | None, epilog: str) -> argparse.ArgumentParser:
    """A parser whose `--help` keeps the lines of a module's docstring."""
    lines = argparse.RawDescriptionHelpFormatter
    return argparse.ArgumentParser(prog=f"python -m {module}", description=said, formatter_class=lines, epilog=epilog)


def add_options(parser: argparse.ArgumentParser, numbers: Mapping[str, str], defaults: Any) -> None:
    """An option for each number, by its name in the settings and with its default there; and `--eager`."""
    for name, meaning in numbers.items():
        value = getattr(defaults, name)
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=type(value), default=value, help=f"{meaning} (default: %(default)s)")
    parser.add_argument("--eager", action="store_true", help="do not compile: slower, but starts at once")


def add_stages(parser: argparse.ArgumentParser, stages: Sequence[str], out: Path, shown: str) -> None:
    """`--stage` and `--out`."""
    stage = "only this stage; may be given again (default: all)"
    parser.add_argument("--stage", choices=stages, action="append", help=stage)
    parser.add_argument("--out", type=Path, default=out, help=f"products and checkpoints (default: {shown})")


def asked(given: argparse.Namespace, stages: Sequence[str]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What the settings take, and the stages that are wanted."""
    values = {name: value for name, value in vars(given).items() if name not in ("stage", "eager")}
    wanted = tuple(stage for stage in stages if not given.stage or stage in given.stage)
    return {**values, "compiled": not given.eager}, wanted


def finish(module: str, argv: Sequence[str] | None, work: Callable[[], None]) -> int:
    """The exit code; after an interrupt how to go on."""
    try:
        work()
    except KeyboardInterrupt:
        print("\nStopped; everything up to here is saved. The same command goes on from here:", file=sys.stderr)
        print(f"  python -m {module} " + " ".join(argv or sys.argv[1:]), file=sys.stderr)
        return 130
    return 0


def with_large_blocks(module: str) -> None:
    """Start again with the allocator's settings in place: they are read before the program's first line."""
    if sys.platform == "linux" and "GLIBC_TUNABLES" not in os.environ:
        again = [sys.executable, "-m", module, *sys.argv[1:]]
        os.execve(sys.executable, again, {**os.environ, "GLIBC_TUNABLES": MALLOC})
