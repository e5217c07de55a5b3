"""What of an event is written when the text of prompts and answers must not be.

Numbers and yes or no stay, words only under names that are known to hold no text; everything else goes, so that a
payload that is new is left out until somebody says that it is harmless. `asked`, a digest of the question, stays.
"""

from collections.abc import Mapping
from typing import Final

# fmt: off
_WORDS: Final = frozenset((
    "asked", "author", "backend", "headgate", "id", "now", "purpose", "recipe", "role", "roles", "signal", "status",
    "statuses", "stop", "strategy", "tool", "unit", "was",
))
_TEXT: Final = frozenset(("answer", "arguments", "error", "question", "reason", "result", "text"))
# fmt: on


def redacted(payload: Mapping[str, object]) -> dict[str, object]:
    """A payload without what models and people wrote."""
    return {name: value for name, value in payload.items() if name in _WORDS or _is_figure(name, value)}


def _is_figure(name: str, value: object) -> bool:
    return name not in _TEXT and (value is None or isinstance(value, bool | int | float))
