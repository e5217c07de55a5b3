"""Words and signs in a text, in either case."""

import re
from collections.abc import Sequence


def any_of(words: Sequence[str]) -> re.Pattern[str]:
    """Any of these, whole where they begin or end as words do; without any nothing."""
    return re.compile("|".join(_whole(word) for word in words if word) or r"(?!)", re.IGNORECASE)


def _whole(word: str) -> str:
    """A word with its boundaries; a sign has none."""
    before, after = (r"\b" if re.match(r"\w", sign) else "" for sign in (word[0], word[-1]))
    return before + re.escape(word) + after
