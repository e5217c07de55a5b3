r"""Two answers compared as text, and the answer in a completion: what stands in its last `\boxed{...}`.

Where we differ from a plain string test: case, outer spaces, `\text{}`, `$` and a final full stop do not count.
"""

import re
from typing import Final

_BRACE: Final = re.compile(r"[{}]")
_WRAPPED: Final = re.compile(r"\\(?:text|mathrm|mathbf)\{([^{}]*)\}")


def boxed(text: str) -> str | None:
    r"""What stands in the last complete `\boxed{...}`, braces matched; None without one."""
    open_braces: list[int] = []
    found = (-1, -1)
    for brace in _BRACE.finditer(text):
        if brace[0] == "}":
            begin = open_braces.pop() if open_braces else -1
            if begin > found[0] and text.endswith("\\boxed{", 0, begin):
                found = begin, brace.start()
        else:
            open_braces.append(brace.end())
    return text[found[0] : found[1]].strip() if found[0] >= 0 else None


def normal(answer: str) -> str:
    """An answer without what does not count."""
    plain = _WRAPPED.sub(r"\1", answer).replace("\\$", "").replace("$", "").strip().removesuffix(".")
    return " ".join(plain.split()).casefold()


def same(left: str, right: str) -> bool:
    """Whether two answers are the same text."""
    return normal(left) == normal(right)
