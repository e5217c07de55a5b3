"""Errors of what a person wrote, raised before anything is spent, and of journals; they name the file and the line."""

from pathlib import Path

from ..budget.errors import HeadgateError


class _Written(HeadgateError):
    """Something written wrong, at a place in a file if it came from one; lines and columns count from 1."""

    def __init__(
        self,
        what: str,
        *,
        file: str | Path | None = None,
        line: int | None = None,
        column: int | None = None,
        hint: str = "",
    ) -> None:
        self.what, self.file, self.line, self.column, self.hint = what, file, line, column, hint
        place = ":".join(str(part) for part in (file, line, column) if part is not None)
        sentence = f"{what}; {hint}" if hint else what
        super().__init__(f"{place}: {sentence}" if place else sentence)


class RecipeError(_Written):
    """A recipe, an option or an input file that cannot be read as one."""


class GraphError(_Written):
    """Nodes that make no graph; `node` is the one to look at."""

    def __init__(self, what: str, *, node: str | None = None, hint: str = "") -> None:
        super().__init__(what, hint=hint)
        self.node = node


class JournalError(_Written):
    """A journal that cannot be read, or can be written no further."""
