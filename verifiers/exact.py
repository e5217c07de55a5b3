r"""Two answers compared as text, and the answer in a completion: what stands in its last `\boxed{...}`.

Where we differ from a plain string test: case, outer spaces, `\text{}`, `$` and a final full stop do not count.
"""

import re
from typing import Final

_WRAPPED: Final = re.compile(r"\\(?:text|mathrm|mathbf)\{([^{}]*)\}")


def boxed(text: str) -> str | None:
    r"""What stands in the last complete `\boxed{...}`, braces matched; None without one."""
    start = text.rfind("\\boxed{")
    while start >= 0:
        if (inner := _braced(text, start + len("\\boxed{"))) is not None:
            return inner.strip()
        start = text.rfind("\\boxed{", 0, start)
    return None


def normal(answer: str) -> str:
    """An answer without what does not count."""
    plain = _WRAPPED.sub(r"\1", answer).replace("$", "").strip().removesuffix(".")
    return " ".join(plain.split()).casefold()


def same(left: str, right: str) -> bool:
    """Whether two answers are the same text."""
    return normal(left) == normal(right)


def _braced(text: str, begin: int) -> str | None:
    depth = 1
    for at in range(begin, len(text)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return text[begin:at]
    return None
