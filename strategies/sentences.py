r"""Where a sentence ends, seen while it is being written; some ends are only known by what follows.

A mark ends a sentence if space or the end of the text follows, so that `3.14` and `Wait...` are whole; a line break
ends one whatever follows. Marks within `$...$`, within a code block, and in `e.g.` and its like end none.
"""

import re
from dataclasses import dataclass
from typing import Final

MARKS: Final = ".?!\n"
_CLOSERS: Final = "\"')]}*_”’"  # noqa: RUF001
_SHORT: Final = re.compile(r"\b[^\W\d_]\.[^\W\d_]\.$")
_FENCE: Final = "```"


@dataclass(slots=True)
class Sentence:
    """The sentence being written. marks: the characters that may end one. fenced: it began in a code block."""

    marks: str = MARKS
    text: str = ""
    fenced: bool = False

    def over(self, following: str | None = None) -> bool | None:
        """Whether it is over; None where only what follows can tell. following: the next token; "" where none is."""
        line = self.text.rstrip(" \t")
        if not line.strip():
            return False
        if line.endswith("\n") and "\n" in self.marks:
            return True
        last = line.rstrip(_CLOSERS)
        if not last or last[-1] not in self.marks or self._inside(last):
            return False
        if line != self.text:
            return True
        return None if following is None else not following or following[0].isspace()

    def begin(self) -> None:
        """The next one."""
        self.fenced ^= self.text.count(_FENCE) % 2 == 1
        self.text = ""

    def _inside(self, text: str) -> bool:
        """Whether its last mark stands in something whose marks end nothing."""
        fenced = self.fenced ^ (text.count(_FENCE) % 2 == 1)
        return fenced or text.count("$") % 2 == 1 or _SHORT.search(text) is not None
