r"""Two answers compared as numbers: thousands separators, units, decimals and fractions are read, exactly.

Where we differ from a tolerance test: numbers are exact fractions, so 0.5 is 1/2 and 0.333 is not 1/3; a unit is
compared only where both sides have one; a percentage is a unit, so 50% is not 0.5. What is no number is compared
as text.
"""

import re
from fractions import Fraction
from typing import Final

from . import exact

_LONGEST: Final = 1000  # characters; beyond it nobody means a number, and reading one takes long
_WHOLE: Final = r"(?:\d{1,3}(?:[,\u202f\u00a0 ]\d{3})+|\d+)"
_NUMBER: Final = rf"[-+]?(?:{_WHOLE}(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{{1,3}}(?!\d))?"
_LATEX: Final = re.compile(r"(?<![\d.,])(\d+)? ?\\[dt]?frac ?(?:\{([^{}]+)\}\{([^{}]+)\}|(\d)(\d))")
_SPACING: Final = re.compile(r"\\[!,;:]")
# begins like a word, so that an exponent or a further term is no unit
_UNIT: Final = r"(?:[%°€£$.]|[a-zµ\u00df-\uffff])(?:[^\W\d_]|[ .%°²³/-])*"
_RATIO: Final = rf"(?P<a>{_NUMBER})(?:\s*/\s*(?P<b>{_NUMBER}))?"
_PARSE: Final = re.compile(rf"^(?P<before>[$€£]?)\s*{_RATIO}\s*(?P<after>(?:{_UNIT})?)$")


def same(left: str, right: str) -> bool:
    """Whether two answers name the same number, or else are the same text."""
    a, b = quantity(left), quantity(right)
    if a is None or b is None:
        return exact.same(left, right)
    return a[0] == b[0] and (not a[1] or not b[1] or a[1] == b[1])


def key(answer: str) -> str:
    """A text that is equal for answers that name the same number; units are left out, so that votes agree."""
    read = quantity(answer)
    return str(read[0]) if read else exact.normal(answer)


def quantity(answer: str) -> tuple[Fraction, str] | None:
    """The number and its unit ("" without one), or None where there is no single number."""
    if len(answer) > _LONGEST:
        return None
    plain = exact.normal(answer).replace("\u2212", "-").replace("\\%", "%").replace("{,}", ",")
    match = _PARSE.match(_LATEX.sub(_one_line, _SPACING.sub("", plain)))
    if match is None:
        return None
    value = _fraction(match["a"])
    if match["b"]:
        divisor = _fraction(match["b"])
        if divisor == 0:
            return None
        value /= divisor
    return value, _unit(match["before"], match["after"])


def _one_line(match: re.Match[str]) -> str:
    r"""`\frac{a}{b}` as a/b; a mixed number, as one fraction; where neither is meant, as it stood."""
    whole, above, below = match[1], match[2] or match[4], match[3] or match[5]
    if not whole:
        return f"{above}/{below}"
    if not (above.isdecimal() and below.isdecimal()):
        return match[0]
    return f"{int(whole) * int(below) + int(above)}/{below}"


def _fraction(digits: str) -> Fraction:
    return Fraction(re.sub(r"[,\u202f\u00a0 ]", "", digits).removesuffix(".") or "0")


def _unit(before: str, after: str) -> str:
    unit = (before or after).strip().strip(".")
    return unit[:-1] if len(unit) > 2 and unit.endswith("s") else unit
