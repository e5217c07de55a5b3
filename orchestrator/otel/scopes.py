"""The scopes of a run that are open, by path: a run, its problems, their nodes, and strategies within strategies."""

from collections.abc import Iterator

from .record import Attributes, Record, Scope
from .w3c import Place, span_of


class Scopes:
    """Opens and closes scopes; one path may be open twice, where a question is asked twice at the same time."""

    def __init__(self, run_id: str) -> None:
        self.run: Record | None = None
        self._run_id = run_id
        self._open: dict[str, list[Record]] = {}

    def at(self, path: str) -> Record | None:
        """The innermost open scope at or above a path."""
        return next(self.upwards(path), None)

    def exactly(self, path: str) -> Record | None:
        """The open scope at a path."""
        return found[-1] if (found := self._open.get(path)) else None

    def upwards(self, path: str) -> Iterator[Record]:
        """Every open scope from a path to the run; the root scope's own path `run` is the run too."""
        while path and path != "run":
            if found := self._open.get(path):
                yield found[-1]
            path = path.rpartition("/")[0]
        if self.run:
            yield self.run

    def missing(self, path: str) -> list[str]:
        """The paths from the outermost one that is not open down to this one."""
        found: list[str] = []
        while path and path != "run" and path not in self._open:
            found.append(path)
            path = path.rpartition("/")[0]
        return found[::-1]

    def open(self, event_id: int, scope: Scope, path: str, name: str, found: Attributes, now: int) -> Record:
        """A scope below the innermost one around it; a strategy's is implied by an event that begins a call too."""
        above, implied = self.at(path.rpartition("/")[0]), scope == "strategy"
        assert above
        span_id = span_of(self._run_id, event_id, path if implied else "")
        record = Record(
            scope=scope,
            name=name,
            path=path,
            place=Place(above.place.trace_id, span_id, above.place.flags),
            parent=above.place,
            implied=implied,
            start=now,
            last=now,
            attributes={**found, "headgate.scope": scope, "headgate.path": path},
            above=above,
        )
        above.inner[span_id] = record
        self._open.setdefault(path, []).append(record)
        return record

    def close(self, scope: Record, now: int) -> list[Record]:
        """End a scope and all that is open below it; what told its start but not its end was interrupted."""
        ended: list[Record] = []
        for inner in list(scope.inner.values()):
            if not inner.implied or scope.interrupted:
                inner.interrupt()
            ended += self.close(inner, inner.last if inner.implied and not inner.interrupted else now)
        if scope.above:
            scope.above.inner.pop(scope.place.span_id, None)
            self._open[scope.path].remove(scope)
            if not self._open[scope.path]:
                del self._open[scope.path]
        scope.end = now
        return [*ended, scope]
