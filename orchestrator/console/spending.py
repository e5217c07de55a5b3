"""What a run has spent so far and what its limits leave, folded from events, as a line and a bar."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ...budget.cost import NANO, Limits
from ...budget.events import Event
from .ink import count, dollars, duration
from .line import Line


@dataclass(slots=True)
class Spending:
    """Tokens, dollars and seconds.

    clock: None for events that are told again, whose own times count.
    """

    limits: Limits
    signs: Mapping[str, str]
    clock: Callable[[], float] | None = time.monotonic
    tokens: int = 0
    nanodollars: int = 0
    began: float | None = None
    latest: float = 0.0

    def restart(self) -> None:
        """Count from here on."""
        self.tokens, self.nanodollars, self.began = 0, 0, None

    def take(self, event: Event) -> None:
        """Fold the outcome of a call in."""
        self.latest = event.t
        if self.began is None:
            self.began = self._now()
        if event.kind == "settle" and event.cost:
            self.tokens += event.cost.tokens
            self.nanodollars += event.cost.nanodollars

    @property
    def seconds(self) -> float:
        """Since the first event, by the wall clock."""
        return 0.0 if self.began is None else self._now() - self.began

    def _now(self) -> float:
        return self.clock() if self.clock else self.latest

    def spent(self) -> str:
        """All three, in a few words; without dollars where there are none."""
        figures = [f"{count(self.tokens)} tok", duration(self.seconds)]
        if self.nanodollars:  # nothing is charged, or nobody knows what
            figures.insert(1, dollars(self.nanodollars))
        return f" {self.signs['dot']} ".join(figures)

    def left(self, width: int) -> Line | None:
        """A bar of the scarcest unit with what is left of each; None without limits."""
        shares = self._shares()
        if not shares:
            return None
        unit = min(shares, key=lambda name: shares[name])
        words = Line()
        for name, text in self._words().items():
            words.append(f" {self.signs['dot']} " if words.parts else "", "dim")
            words.append(text, "bold" if name == unit else "")
        words.append(" left")
        room = width - words.cell_len - 10
        if room < 4:
            return Line("  ").extend(words).cut(width)
        shown = bar(shares[unit], room, self.signs, "#D9659A" if shares[unit] < 0.2 else "#1FA37A")
        return Line("  budget ", "dim").extend(shown).append(" ").extend(words).cut(width)

    def _shares(self) -> dict[str, float]:
        """What is left of each limit, as a share."""
        used: dict[str, tuple[float, float | None]] = {
            "tokens": (self.tokens, self.limits.tokens),
            "dollars": (self.nanodollars / NANO, _float(self.limits.dollars)),
            "seconds": (self.seconds, self.limits.seconds),
        }
        return {unit: max(0.0, 1 - spent / cap) for unit, (spent, cap) in used.items() if cap}

    def _words(self) -> dict[str, str]:
        limits, words = self.limits, dict[str, str]()
        if limits.tokens:
            words["tokens"] = f"{count(max(0, limits.tokens - self.tokens))} tok"
        if limits.dollars:
            words["dollars"] = dollars(max(0, int(limits.dollars * NANO) - self.nanodollars))
        if limits.seconds:
            words["seconds"] = duration(max(0.0, limits.seconds - self.seconds))
        return words


def bar(share: float, width: int, signs: Mapping[str, str], style: str) -> Line:
    """A share from 0 to 1 as a bar."""
    halves = round(min(1.0, max(0.0, share)) * width * 2)
    full = signs["full"] * (halves // 2) + signs["tip"] * (halves % 2)
    return Line(full, style).append(signs["empty"] * (width - len(full)), "dim")


def _float(value: object) -> float | None:
    return None if value is None else float(str(value))
