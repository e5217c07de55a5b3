"""A step token by token: how sure its author was of each, as a shade of its background and as a sign below it."""

from collections.abc import Iterable, Iterator, Sequence
from math import exp
from typing import Final

from rich.cells import cell_len

from ..console.ink import harmless
from ..console.line import Line
from ..traces import Token

# what is at least so likely, or in at most so many nats of doubt, its shade and its sign; readable on dark and light
_SHADES: Final = ("", "on #6B5A10", "on #8A4A12", "on #A03030", "bold on #C02060")
_SIGNS: Final = " .:!#"
_LIKELY: Final = (0.9, 0.5, 0.2, 0.05)
_DOUBT: Final = (0.3, 0.7, 1.5, 2.5)
_INK: Final = "#FFFFFF "


def heat(tokens: Iterable[Token], width: int) -> list[Line]:
    """The text in shades, under each stretch of it the signs; none where no token has a figure."""
    found = list(tokens)
    if all(token.logprob is None and token.entropy is None for token in found):
        return []
    lines: list[Line] = []
    for some in _filled(found, width):
        lines += _stretch(some)
    return lines


def legend(*, entropies: bool) -> Line:
    """What shades and signs mean."""
    line = Line("probability ", "dim")
    bounds = ("90% and more", "50%", "20%", "5%", "less")
    for i, bound in enumerate(bounds):
        shade = _SHADES[i]
        line.append(f"{_SIGNS[i]}{bound}", f"{_INK}{shade}" if shade else "dim").append(" ")
    return line.append("; below: entropy in nats 0.3 0.7 1.5 2.5" if entropies else "", "dim")


def level(token: Token) -> int:
    """0 for what its author was sure of, to 4."""
    if token.logprob is None:
        return 0
    return next((i for i, bound in enumerate(_LIKELY) if exp(token.logprob) >= bound), len(_LIKELY))


def _doubt(token: Token) -> int:
    if token.entropy is None:
        return 0
    return next((i for i, bound in enumerate(_DOUBT) if token.entropy <= bound), len(_DOUBT))


def _stretch(tokens: Sequence[Token]) -> list[Line]:
    text, likely, doubt = Line(), Line(), Line()
    for token in tokens:
        said = shown(token.text)
        wide, sure = cell_len(said), level(token)
        text.append(said, f"{_INK}{_SHADES[sure]}" if sure else "")
        likely.append(_SIGNS[sure] * wide, "bold" if sure else "")
        doubt.append(_SIGNS[_doubt(token)] * wide, "dim")
    lines = [text]
    lines += [likely] if likely.plain.strip() else []
    return lines + ([doubt] if doubt.plain.strip() else [])


def _filled(tokens: Iterable[Token], width: int) -> Iterator[list[Token]]:
    """Stretches that fit; a token that is wider than the screen is a stretch of its own."""
    some, wide = list[Token](), 0
    for token in tokens:
        size = cell_len(shown(token.text))
        if some and wide + size > width:
            yield some
            some, wide = [], 0
        some.append(token)
        wide += size
    if some:
        yield some


def shown(text: str) -> str:
    """A token's text on one line: ends of lines are written out, like everything else that a terminal would obey."""
    return harmless(text).replace("\n", "\\n")


def digits(shares: Sequence[float], *, utf8: bool) -> Line:
    """The judge's ten digits with the probability of each."""
    bars = "▁▂▃▄▅▆▇█" if utf8 else "_.:-=+*#"
    line = Line()
    for digit, share in enumerate(shares):
        tall = bars[min(7, int(share * 8))]
        style = "bold" if share >= 0.1 else "dim"
        line.append(f"{digit}{tall}", style).append(f" {share:.0%}  " if share >= 0.05 else " ", style)
    return line
