"""One value of a recipe's text put in place of another, comments and layout left as they are."""

import re
from typing import Final

from .source import Source, dotted
from .yaml_reader import KeyPath, Mark, read

_SCALAR: Final = re.compile(r"[^\s,}\]#]+")
_DATED: Final = re.compile(r" *# \d{4}-\d\d-\d\d, ")


def with_number(text: str, file: str, path: KeyPath, value: float, remark: str) -> str:
    """A recipe's text with a number at a path of keys, and a remark, dated, in a line of its own above it.

    An earlier dated remark there goes. Where no value stands, it is written into the nearest mapping around it.
    Raises: RecipeError.
    """
    source = Source.of_text(text, file)
    lines = text.splitlines(keepends=True)
    if mark := source.places.values.get(path):
        line = lines[mark.line - 1]
        at = mark.column - 1
        lines[mark.line - 1] = line[:at] + _SCALAR.sub(f"{value:g}", line[at:], count=1)
    else:
        mark = _insert(lines, source, path, f"{value:g}")
    line = lines[mark.line - 1]
    before = mark.line - 1 - bool(mark.line > 1 and _DATED.match(lines[mark.line - 2]))
    lines[before : mark.line - 1] = [f"{line[: len(line) - len(line.lstrip(' '))]}# {remark}\n"]
    edited = "".join(lines)
    _check(edited, file, path, value)
    return edited


def _insert(lines: list[str], source: Source, path: KeyPath, written: str) -> Mark:
    """Write a missing value as the first entry of the nearest mapping that is there."""
    depth = next(end for end in range(len(path) - 1, -1, -1) if path[:end] in source.places.values)
    for key in reversed(path[depth + 1 :]):
        written = f"{{{key}: {written}}}"
    mark, entry = source.places.values[path[:depth]], f"{path[depth]}: {written}"
    line, at = lines[mark.line - 1], mark.column - 1
    if line[at] == "{":
        rest = line[at + 1 :].lstrip()
        lines[mark.line - 1] = f"{line[: at + 1]}{entry}{'' if rest.startswith('}') else ', '}{rest}"
    else:
        lines.insert(mark.line - 1, f"{' ' * at}{entry}\n")
    return mark


def _check(text: str, file: str, path: KeyPath, value: float) -> None:
    """What was written is what is read. Raises: RecipeError."""
    found, _ = read(text, file)
    for key in path:
        found = found[key] if isinstance(found, dict) else None  # pyright: ignore[reportUnknownVariableType]
    if found != float(f"{value:g}"):
        raise Source.of_text(text, file).error(path, f"`{dotted(path)}` cannot be written there", hint="write it anew")
