"""Who is at work right now, and how many steps stood: folded from events, for one problem or for all of a batch."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from ...budget.events import Event
from .ink import VERBS, Palette, folded
from .line import Line


@dataclass(slots=True)
class Activity:
    """Calls that are out, tools that run, calls that wait for the budget, and the steps decided so far.

    calls: (role, purpose) by reservation. tools: names by the start of their call. waits: how many, by path.
    """

    calls: dict[int, tuple[str, str]] = field(default_factory=dict[int, tuple[str, str]])
    tools: dict[int, str] = field(default_factory=dict[int, str])
    waits: Counter[str] = field(default_factory=Counter[str])
    kept: int = 0
    rejected: int = 0

    def restart(self) -> None:
        """Count steps from here on."""
        self.kept = self.rejected = 0

    def idle(self) -> None:
        """Forget who was at work, as the end of a process does."""
        self.calls.clear()
        self.tools.clear()
        self.waits.clear()

    def take(self, event: Event) -> None:
        """Fold one event in."""
        match event.kind:
            case "reserve":
                self.calls[event.id] = str(event.payload.get("role", "")), str(event.payload.get("purpose", ""))
                self._served(event.path)
            case "settle":
                self.calls.pop(event.parent or 0, None)
            case "wait":
                self.waits[event.path] += 1
            case "refuse":
                self._served(event.path)
            case "tool_start":
                self.tools[event.id] = str(event.payload.get("tool", "tool"))
            case "tool_end":
                self.tools.pop(event.parent or 0, None)
            case "step":
                self._decided(bool(event.payload.get("kept", True)))
            case "problem_end":
                self._left(event.path)
            case _:
                pass

    def doing(self, palette: Palette, signs: Mapping[str, str]) -> Line:
        """Who writes, judges, runs and waits, those alike counted together; empty where nobody does."""
        said = Line()
        for (role, purpose), n in sorted(Counter(self.calls.values()).items()):
            _and(said).append(folded(role), palette[role]).append(f" {VERBS.get(purpose, folded(purpose))}")
            said.append(_times(n, signs))
        for tool, n in sorted(Counter(self.tools.values()).items()):
            _and(said).append(folded(tool), palette[tool]).append(" runs" + _times(n, signs))
        if waiting := self.waits.total():
            _and(said).append(f"{signs['warn']} {waiting} waiting for the budget", "italic")
        return said

    def steps(self) -> str:
        """How many steps stood, and how many were thrown away; empty before the first."""
        if not self.kept + self.rejected:
            return ""
        stood = f"{self.kept:,} step{'' if self.kept == 1 else 's'}"
        return f"{stood}, {self.rejected:,} rejected" if self.rejected else stood

    def _decided(self, kept: bool) -> None:
        self.kept += kept
        self.rejected += not kept

    def _served(self, path: str) -> None:
        if self.waits.get(path, 0) > 1:
            self.waits[path] -= 1
        else:
            self.waits.pop(path, None)

    def _left(self, problem: str) -> None:
        """A call that is cancelled while it waits says nothing."""
        for path in [path for path in self.waits if path.partition("/")[0] == problem]:
            del self.waits[path]


def _and(said: Line) -> Line:
    return said.append(", ", "dim") if said.parts else said


def _times(n: int, signs: Mapping[str, str]) -> str:
    return f" {signs['times']}{n}" if n > 1 else ""
