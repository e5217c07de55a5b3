"""Writes a benchmark's figures with the command, the date and the machine that gave them."""

import os
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

FOLDER = Path(__file__).parent / "results"


def record(name: str, title: str, header: Sequence[str], rows: Sequence[Sequence[object]], *notes: str) -> str:
    """Print the figures as a table and keep them in `results/NAME.md`."""
    text = "\n".join([f"# {name}: {title}", "", *about(), "", *table(header, rows), *_paragraphs(notes), ""])
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.md").write_text(text, encoding="utf-8")
    print(text)
    return text


def about() -> list[str]:
    """The command, the day and the machine."""
    module = f"headgate.benchmarks.{Path(sys.argv[0]).stem}"
    command = " ".join(["python -m", module, *sys.argv[1:]])
    python = f"Python {platform.python_version()}"
    machine = f"{processor()}, {os.cpu_count()} cores, {platform.system()}, {python}"
    return [f"- command: `{command}`", f"- date: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC", f"- machine: {machine}"]


def processor() -> str:
    """The processor's own name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(str(cell) for cell in line) + " |" for line in lines]


def _paragraphs(notes: Sequence[str]) -> list[str]:
    return [line for note in notes for line in ("", note)]
