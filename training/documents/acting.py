"""Worlds acted in by text, turn by turn: the teacher's commands are learned, what the world says is read."""

from collections.abc import Sequence
from typing import Protocol

from ..formats import END, SKIP, TURN, USER
from .document import Text


class Turn(Protocol):
    """What one side says."""

    @property
    def speaker(self) -> str: ...

    @property
    def text(self) -> str: ...


def acted(turns: Sequence[Turn]) -> Text:
    """A transcript as a conversation without thinking, up to the last command."""
    text, gap = Text(), ""
    last = max(n for n, turn in enumerate(turns) if turn.speaker == "assistant")
    for turn in turns[: last + 1]:
        if turn.speaker == "user":
            text.say(f"{gap}{USER}{turn.text}{TURN}{SKIP}")
        else:
            text.learn(turn.text + END)
        gap = "\n"
    return text
