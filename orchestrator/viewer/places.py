"""What one jumps to: the next step that was thrown away, the next trouble, the next wait, over all problems."""

from collections.abc import Callable, Iterator
from typing import Final

from ...budget.errors import meant
from ..errors import RecipeError
from ..traces import Item, RunTree, Scope


def rejected(scope: Scope) -> Iterator[Item]:
    """Steps that were thrown away."""
    return (step for step in scope.steps if not step.kept)


def troubles(scope: Scope) -> Iterator[Item]:
    """Retries, refusals, broken bounds, notes, tools that failed, and scopes that failed or answered wrongly."""
    if scope.kind != "run" and (scope.correct is False or scope.status in ("failed", "exhausted")):
        yield scope
    yield from (remark for remark in scope.remarks if remark.kind != "node_skip")
    yield from (tool for tool in scope.tools if tool.error)


def waits(scope: Scope) -> Iterator[Item]:
    """Calls that the budget made wait."""
    return iter(scope.waits)


FIND: Final[dict[str, Callable[[Scope], Iterator[Item]]]] = {
    "rejected": rejected,
    "trouble": troubles,
    "wait": waits,
}


def jump(tree: RunTree, kind: str, here: Item | None, by: int) -> Item | None:
    """The next item of a kind after this one, or before it; from the last on to the first again."""
    at = tree.at(here.path.partition("/")[0]) if here else None
    problems = [tree.root, *tree.problems]
    start = problems.index(at) if at in problems else 0
    if here is not None and (found := _within(problems[start], kind, (here.began, here.id), by)):
        return found
    around = (
        [*problems[start:], *problems[:start]] if here is None else [*problems[start + 1 :], *problems[: start + 1]]
    )
    if by < 0:
        around = [*problems[:start][::-1], *problems[start:][::-1]]
    return next((found for problem in around if (found := _within(problem, kind, None, by))), None)


def _within(problem: Scope, kind: str, at: tuple[float, int] | None, by: int) -> Item | None:
    """The first item of a problem, or the first after a moment; of a run without its problems."""
    scopes = [problem] if problem.kind == "run" else problem.walk()
    found = [item for scope in scopes for item in FIND[kind](scope)]
    if at is not None:
        found = [item for item in found if ((item.began, item.id) > at if by > 0 else (item.began, item.id) < at)]
    return (min if by > 0 else max)(found, key=_moment, default=None)


def _moment(item: Item) -> tuple[float, int]:
    return item.began, item.id


def problem(tree: RunTree, name: str) -> Scope:
    """A problem by its id. Raises: RecipeError."""
    if (found := tree.at(name)) is not None and found.kind == "problem":
        return found
    hint = meant(name, [scope.name for scope in tree.problems])
    raise RecipeError(f"there is no problem `{name}` in this run", hint=hint)
