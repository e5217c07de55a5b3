"""A run's events as a tree of scopes, steps and calls: each event is folded in once, and costs the same every time."""

from collections.abc import Callable, Mapping
from typing import Final

from ...budget.cost import Cost
from ...budget.events import Event
from .parts import Call, Remark, Scope, ScopeKind, Tool, Wait
from .plan import Plan
from .steps import step_of
from .tally import Tally

_NOTHING: Final = Cost()


class RunTree:
    """The whole run; `root` is its outermost scope, `at` finds the others by path.

    version: grows with every change, so that a view knows whether it is still right. live: whether more may come.
    """

    def __init__(self, name: str = "") -> None:
        self.root = Scope(id=0, path="", name=name or "run", kind="run", began=0.0)
        self.root.line = (self.root,)
        self.plan, self.version, self.live, self.now, self.processes = Plan(), 0, True, 0.0, 0
        self._scopes: dict[str, Scope] = {"": self.root, "run": self.root}
        self._calls: dict[int, Call] = {}
        self._tools: dict[int, Tool] = {}
        self._waits: dict[str, list[Wait]] = {}
        self._on: Mapping[str, Callable[[Event, Scope], None]] = {
            "run_start": self._run_start,
            "run_end": self._run_end,
            "problem_start": self._problem_start,
            "problem_end": self._end,
            "node_start": self._node_start,
            "node_end": self._end,
            "node_skip": self._skip,
            "answer": self._end,
            "reserve": self._reserve,
            "settle": self._settle,
            "rebook": self._rebook,
            "wait": self._wait,
            "refuse": self._refuse,
            "retry": self._remark,
            "overrun": self._remark,
            "note": self._remark,
            "tool_start": self._tool_start,
            "tool_end": self._tool_end,
        }

    @property
    def problems(self) -> list[Scope]:
        """The problems, in the order in which they began."""
        return self.root.children

    def at(self, path: str) -> Scope | None:
        """The scope at a path."""
        return self._scopes.get(path)

    def out(self, scope: Scope) -> list[Call]:
        """The calls of a scope and all below it that are out: what they hold is the sum of their bounds."""
        calls = self._calls.values()
        inside = scope.path + "/"
        return [call for call in calls if not scope.path or call.path == scope.path or call.path.startswith(inside)]

    def take(self, event: Event) -> None:
        """Fold one event in; tokens leave no trace."""
        kind = event.kind
        if kind == "token":
            return
        self.now = event.t
        self.version += 1
        if kind == "step":
            scope = self._scope(event.path.rpartition("/")[0], event)
            self._step(event, scope)
        else:
            scope = self._scope(event.path, event)
            if on := self._on.get(kind):
                on(event, scope)
        for one in scope.line:
            one.last = event.t

    # -- scopes -----------------------------------------------------------------------------------------------

    def _scope(self, path: str, event: Event) -> Scope:
        """The scope at a path; what nothing told of begins with the first event at or below it."""
        return self._scopes.get(path) or self._open(path, event)

    def _open(self, path: str, event: Event) -> Scope:
        above, _, name = path.rpartition("/")
        parent = self._scope(above, event)
        kind: ScopeKind = "strategy" if above else "problem"
        scope = Scope(id=event.id, path=path, name=name, kind=kind, began=event.t, last=event.t, parent=parent)
        scope.line = (scope, *parent.line)
        parent.children.append(scope)
        self._scopes[path] = scope
        return scope

    def _run_start(self, event: Event, scope: Scope) -> None:
        self.processes += 1
        self.plan = Plan.of(event.payload.get("recipe", ""))
        scope.began = scope.began if self.processes > 1 else event.t
        scope.name = str(event.payload.get("name") or scope.name)
        scope.ended, scope.status = None, "running"

    def _run_end(self, event: Event, scope: Scope) -> None:
        scope.ended, scope.status = event.t, "ended"

    def _problem_start(self, event: Event, scope: Scope) -> None:
        if scope.question:  # after a crash, or since somebody asked for it
            scope.times += 1
            scope.remarks.append(Remark(id=event.id, path=event.path, kind="problem_start", began=event.t, facts={}))
        scope.question = str(event.payload.get("question", ""))
        scope.ended, scope.status, scope.correct = None, "running", None

    def _node_start(self, event: Event, scope: Scope) -> None:
        roles = event.payload.get("roles")
        scope.kind, scope.strategy = "node", str(event.payload.get("strategy", ""))
        scope.roles = {str(role): str(name) for role, name in roles.items()} if isinstance(roles, Mapping) else {}  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
        scope.ended, scope.status = None, "running"

    def _skip(self, event: Event, scope: Scope) -> None:
        above, _, name = event.path.rpartition("/")
        del above
        told = str(event.payload.get("reason", ""))
        scope.kind, scope.name, scope.status, scope.reason, scope.ended = "node", name, "skipped", told, event.t

    def _end(self, event: Event, scope: Scope) -> None:
        told = event.payload
        scope.ended, scope.status = event.t, str(told.get("status") or "answered")
        said = told.get("answer" if event.kind == "problem_end" else "text")
        scope.text = str(said) if said is not None else scope.text
        scope.reason = str(told.get("reason") or "")
        if isinstance(correct := told.get("correct"), bool):
            scope.correct = correct

    # -- calls ------------------------------------------------------------------------------------------------

    def _reserve(self, event: Event, scope: Scope) -> None:
        told, held = event.payload, event.cost or _NOTHING
        granted = told.get("tokens")
        self._calls[event.id] = call = Call(
            id=event.id,
            path=event.path,
            role=str(told.get("role", "")),
            purpose=str(told.get("purpose", "")),
            began=event.t,
            held=held,
            granted=granted if isinstance(granted, int) else 0,
            shrunk=bool(told.get("shrunk")),
        )
        scope.calls.append(call)
        self._waited(event, refused=False)

    def _settle(self, event: Event, scope: Scope) -> None:
        call, told, cost = self._calls.pop(event.parent or 0, None), event.payload, event.cost or _NOTHING
        role, purpose = str(told.get("role", "")), str(told.get("purpose", ""))
        if call is not None:
            call.ended, call.cost = event.t, cost
            call.text, call.stop = str(told.get("text") or ""), str(told.get("stop") or "")
            call.error, call.unmeasured = str(told.get("error") or ""), bool(told.get("unmeasured"))
        for spent in _ways(scope, role, purpose):
            spent.add(cost)

    def _rebook(self, event: Event, scope: Scope) -> None:
        told, cost = event.payload, event.cost or _NOTHING
        role = str(told.get("role", ""))
        for spent in _ways(scope, role, str(told.get("was", ""))):
            spent.subtract(cost)
        for spent in _ways(scope, role, str(told.get("now", ""))):
            spent.add(cost)

    # -- steps, tools and all else ----------------------------------------------------------------------------

    def _step(self, event: Event, scope: Scope) -> None:
        step = step_of(event, scope)
        scope.steps.append(step)
        for one in scope.line:
            if step.kept:
                one.kept += 1
            else:
                one.rejected += 1

    def _wait(self, event: Event, scope: Scope) -> None:
        told = event.payload
        asked = told.get("asked")
        wait = Wait(
            id=event.id,
            path=event.path,
            began=event.t,
            asked=asked if isinstance(asked, int | float) else 0,
            unit=str(told.get("unit") or "tokens"),
            scope=str(told.get("scope") or ""),
            role=str(told.get("role") or ""),
            purpose=str(told.get("purpose") or ""),
        )
        scope.waits.append(wait)
        self._waits.setdefault(event.path, []).append(wait)
        for one in scope.line:
            one.waited += 1

    def _waited(self, event: Event, *, refused: bool) -> None:
        """The first who waits at a place, and for the same if that was told, waits no more."""
        waiting = self._waits.get(event.path)
        if not waiting:
            return
        role, purpose = str(event.payload.get("role", "")), str(event.payload.get("purpose", ""))
        place = next((i for i, one in enumerate(waiting) if one.role in ("", role) and one.purpose in ("", purpose)), 0)
        wait = waiting.pop(place)
        wait.ended, wait.refused = event.t, refused

    def _refuse(self, event: Event, scope: Scope) -> None:
        self._waited(event, refused=True)
        self._remark(event, scope)

    def _remark(self, event: Event, scope: Scope) -> None:
        remark = Remark(id=event.id, path=event.path, kind=event.kind, began=event.t, facts=event.payload)
        scope.remarks.append(remark)
        for one in scope.line:
            one.retries += event.kind == "retry"
            one.refusals += event.kind == "refuse"

    def _tool_start(self, event: Event, scope: Scope) -> None:
        told = event.payload
        name, arguments = str(told.get("tool", "")), told.get("arguments")
        tool = Tool(id=event.id, path=event.path, tool=name, arguments=arguments, began=event.t)
        self._tools[event.id] = tool
        scope.tools.append(tool)

    def _tool_end(self, event: Event, scope: Scope) -> None:
        told = event.payload
        if tool := self._tools.pop(event.parent or 0, None):
            tool.ended, tool.cost = event.t, event.cost or _NOTHING
            tool.result, tool.error = told.get("result", ""), str(told.get("error") or "")


def _ways(scope: Scope, role: str, purpose: str) -> list[Tally]:
    """The sums of a scope and of all above it that a cost flows into."""
    key = role, purpose
    found = scope.ways.get(key)
    if found is None:
        found = scope.ways[key] = [one.bill.setdefault(key, Tally()) for one in scope.line]
    return found
