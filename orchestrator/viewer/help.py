"""The keys, in the words of the questions that they answer."""

from typing import Final

from ..console.line import Line

QUESTIONS: Final = (
    ("n", "Which step was thrown away, why, and what was written instead?"),
    ("b", "What did it cost, by model and by purpose?"),
    ("t", "Where did the time go, and who waited for what?"),
    ("r", "What went wrong: the next retry, refusal, failure or wrong answer?"),
    ("=", "What is different from the other run, or from the other problem?"),
)
KEYS: Final = (
    ("N R W", "the one before instead of the next; w: the next wait for budget"),
    ("up down pgup pgdn", "move; home and end too, and j k g G"),
    ("enter", "open a problem; read all about a step"),
    ("right left space", "open and close; + opens all, - closes all"),
    ("esc", "back"),
    ("p", "the table of problems"),
    ("/", "only what has these words: target rejected, wrong, retry"),
    ("s", "sort in order, by cost, by time"),
    ("z", "in the timeline: one row's time from edge to edge"),
    ("f", "follow what is being written"),
    ("tab", "to the text beside or below, and back"),
    ("y L q", "copy what the cursor is on, light or dark, leave"),
)
_BAR: Final = (
    ("n", "rejected"),
    ("b", "bill"),
    ("t", "time"),
    ("r", "trouble"),
    ("=", "compare"),
    ("/", "filter"),
    ("?", "help"),
    ("q", "quit"),
    ("enter", "read"),
    ("esc", "back"),
    ("p", "problems"),
    ("s", "sort"),
    ("w", "next wait"),
    ("f", "follow"),
    ("y", "copy"),
    ("L", "light"),
)


def bar(width: int) -> Line:
    """As many keys as fit, the five questions first."""
    line = Line()
    for key, word in _BAR:
        more = Line(" " if line.parts else "").append(key, "bold reverse").append(f" {word}")
        if line.cell_len + more.cell_len + 1 > width:
            break
        line.extend(more).append(" ")
    return line


def page() -> list[Line]:
    """All of them."""
    lines = [Line("Five questions, a key each", "bold")]
    lines += [Line(f"  {key:<4}", "bold").append(text) for key, text in QUESTIONS]
    lines += [Line(), Line("Moving about", "bold")]
    lines += [Line(f"  {key:<20}", "bold").append(text) for key, text in KEYS]
    return lines
