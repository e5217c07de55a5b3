"""How things are shown to a person: colours of authors, figures, and text from models made harmless."""

import math
import re
from collections.abc import Mapping
from typing import Final
from zlib import crc32

from ...budget.cost import NANO

# all readable on black and on white; blue against orange is told apart in every kind of colour blindness
_FIXED: Final = {"draft": "#3A8FD9", "target": "#DD7A12"}
_OTHERS: Final = ("#1FA37A", "#B678C8", "#A89A00", "#D9659A")
VERBS: Final = {  # what a model does in a call, by the call's purpose
    "think": "writes",
    "answer": "answers",
    "judge": "judges",
    "score": "scores",
    "reward": "rewards",
    "router": "routes",
    "probe": "looks ahead",
}
MARKS: Final = {
    "thin": "│",
    "bar": "┃",
    "kept": "✓",
    "rejected": "✗",
    "full": "━",
    "tip": "╸",
    "empty": "─",
    "dot": "·",
    "cursor": "▌",
    "rule": "─",
    "warn": "▲",
    "times": "\u00d7",
}
ASCII_MARKS: Final = {
    "thin": ":",
    "bar": "|",
    "kept": "+",
    "rejected": "x",
    "full": "#",
    "tip": "#",
    "empty": "-",
    "dot": "|",
    "cursor": "_",
    "rule": "-",
    "warn": "!",
    "times": "x",
}
# control characters, bidirectional overrides, invisible tags and lone surrogates: what could move the cursor,
# reorder a line, hide text or break an encoder
UNSAFE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)


def harmless(text: object) -> str:
    """Untrusted text with everything that a terminal would obey written out, as `\\x1b`; newlines stay."""
    written = str(text).replace("\r\n", "\n").replace("\t", "    ")
    return UNSAFE.sub(lambda match: _escaped(match.group()), written)


def folded(text: object) -> str:
    """The same on one line."""
    return re.sub(r"\s*\n\s*", " / ", harmless(text).strip())


def _escaped(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"


class Palette:
    """A colour for every author: draft and target have their own, others by name, apart while colours last."""

    def __init__(self) -> None:
        self._given: dict[str, str] = dict(_FIXED)

    def __getitem__(self, author: str) -> str:
        if author not in self._given:
            start = crc32(author.encode("utf-8", "replace")) % len(_OTHERS)
            turns = [_OTHERS[(start + i) % len(_OTHERS)] for i in range(len(_OTHERS))]
            taken = set(self._given.values())
            self._given[author] = next((colour for colour in turns if colour not in taken), turns[0])
        return self._given[author]


def marks(encoding: str) -> Mapping[str, str]:
    """Signs that a terminal of this encoding can show."""
    return MARKS if encoding.lower().replace("-", "").startswith("utf") else ASCII_MARKS


def count(n: float) -> str:
    """A number of tokens in at most five characters: 412, 4,120, 19.6k, 1.24M."""
    for scale, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if n >= 10_000 and n >= 0.9995 * scale:
            return f"{_three(n / scale)}{unit}"
    return f"{int(n):,}"


def _three(x: float) -> str:
    return f"{x:.2f}" if x < 9.995 else f"{x:.1f}" if x < 99.95 else f"{x:.0f}"


def dollars(nanodollars: float) -> str:
    """Dollars with two significant digits below a cent: $0.00041, $0.052, $12.30."""
    amount = nanodollars / NANO
    if amount >= 0.995 or amount <= 0:
        return f"${amount:,.2f}"
    digits = 1 - math.floor(math.log10(amount))
    return f"${amount:.{min(9, max(3, digits))}f}"


def duration(seconds: float) -> str:
    """0.14 s, 3.2 s, 48 s, 2:05, 1:02:05."""
    if seconds < 0.995:
        return f"{max(0.0, seconds):.2f} s"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"
