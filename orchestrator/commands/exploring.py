"""Opens runs in the viewer: the beginning is on the screen while the rest is still being read."""

from pathlib import Path
from typing import Final

from ..errors import RecipeError
from ..traces import Source
from ..viewer.app import Viewer

FIRST: Final = 5_000  # events that are read before anything is drawn
JOURNAL: Final = "journal.jsonl"


def explore(paths: list[Path], problems: list[str], *, follow: bool = False) -> None:
    """Show one run, or two beside each other. problems: where to begin; two of one run are compared.

    Raises: RecipeError, JournalError.
    """
    if len(paths) > 2 or len(problems) > 2:
        raise RecipeError("two can stand beside each other, not more", hint="name one run or two, one problem or two")
    sources = [opened(path) for path in paths]
    for source in sources:
        source.read(None if problems else FIRST)
    Viewer(sources, problems=problems, follow=follow).run()


def opened(path: Path) -> Source:
    """A run's journal. Raises: RecipeError where there is none, JournalError."""
    if not _begun(path / JOURNAL):
        from ..run_folder import RunFolder  # it knows what else the name may have meant

        RunFolder.existing(path)
    return Source(path / JOURNAL)


def _begun(journal: Path) -> bool:
    """Whether its first line is whole."""
    try:
        with journal.open("rb") as file:
            return file.readline().endswith(b"\n")
    except (FileNotFoundError, NotADirectoryError):
        return False
