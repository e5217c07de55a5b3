"""Lines of styled text, made and wrapped at a fraction of what rich's `Text` costs; widths are in terminal cells."""

import re
from collections.abc import Iterator
from typing import Final, Self

from rich.cells import cell_len, set_cell_size

_WORDS: Final = re.compile(r"\s*\S+|\s+$")


class Line:
    """Stretches of text, each with a style in rich's words."""

    __slots__ = ("cell_len", "parts")

    def __init__(self, text: str = "", style: str = "") -> None:
        self.parts: list[tuple[str, str]] = []
        self.cell_len = 0
        self.append(text, style)

    def append(self, text: str, style: str = "") -> Self:
        """More at the end."""
        if text:
            self.parts.append((text, style))
            self.cell_len += cell_len(text)
        return self

    def extend(self, other: "Line") -> Self:
        """Another line at the end."""
        self.parts += other.parts
        self.cell_len += other.cell_len
        return self

    def right(self, other: "Line", width: int) -> Self:
        """Another line at the right end of a line of this width."""
        return self.append(" " * (width - self.cell_len - other.cell_len)).extend(other)

    def cut(self, width: int) -> "Line":
        """As much of it as fits."""
        if self.cell_len <= width:
            return self
        line = Line()
        for text, style in self.parts:
            line.append(set_cell_size(text, min(cell_len(text), width - line.cell_len)), style)
        return line

    @property
    def plain(self) -> str:
        """Its text alone."""
        return "".join(text for text, _ in self.parts)


def wrapped(text: str, width: int) -> list[str]:
    """A text as lines of at most this width, broken between words where that is possible; at least one line."""
    return [line for part in text.split("\n") for line in _filled(part, width)]


def _filled(text: str, width: int) -> Iterator[str]:
    if cell_len(text) <= width:
        yield text
        return
    line = ""
    for word in _WORDS.findall(text):
        if cell_len(line) + cell_len(word) <= width:
            line += word
            continue
        if line:
            yield line
        *whole, line = _chopped(word.lstrip(), width)
        yield from whole
    if line:
        yield line


def _chopped(word: str, width: int) -> list[str]:
    """A word in pieces that fit, of at least one character; one empty piece for an empty word."""
    pieces, cells = [""], 0
    for char in word:
        size = cell_len(char)
        if pieces[-1] and cells + size > width:
            pieces.append("")
            cells = 0
        pieces[-1] += char
        cells += size
    return pieces
