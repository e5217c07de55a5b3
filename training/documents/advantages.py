"""Traces as a router learns from them: every step tagged with who wrote it, every candidate the draft's.

What stands is the trunk; a draft's step that was not kept is a branch behind the prefix that it was written for. At the
end of a candidate one of two tokens is learned: whether the target's own step is better.
"""

from collections.abc import Collection, Sequence
from itertools import chain

from ...backends.base import Context
from ...backends.reward import Solutions
from ...routers.advantage import tagged
from ..traces import Place, Trace
from .document import Document

TARGET = "target"


def document(solutions: Solutions, labels: Sequence[int], trace: Trace, wanted: Collection[int]) -> Document:
    """A trace with labels at the candidates of the wanted places. labels: the tokens that say no and yes."""
    made, marks, branches = Document(), list[tuple[int, bool]](), list[tuple[int, list[int], bool]]()
    known, last = 0, len(trace.places) - 1
    for index, (prefix, place) in enumerate(zip(prefixes(trace), trace.places, strict=True)):
        made.add(_new(solutions, prefix, known))
        known = len(solutions.parts(prefix))
        candidate = _new(solutions, behind(prefix, place), known)
        if index in wanted and (place.by_target or index == last):
            branches.append((len(made.ids), candidate, place.better))
        elif index in wanted:  # it stands in the next prefix
            marks.append((len(made.ids) + len(candidate) - 1, place.better))
    for cut, candidate, better in branches:
        made.branch(cut, [(candidate, 0.0)])
        marks.append((len(made.ids) - 1, better))
    for at, better in marks:
        made.targets[at], made.weights[at] = labels[better], 1.0
    return made


def candidates(solutions: Solutions, trace: Trace) -> list[list[int]]:
    """What a router reads at each place, up to where its word stands."""
    pairs = zip(prefixes(trace), trace.places, strict=True)
    return [_new(solutions, behind(prefix, place), 0) for prefix, place in pairs]


def prefixes(trace: Trace) -> list[Context]:
    """For each place the question and what stands before it, tagged."""
    contexts = [Context.ask(trace.question)]
    for place in trace.places[:-1]:
        stood, author = (place.target, TARGET) if place.by_target else (place.draft, "")
        contexts.append(contexts[-1].append(stood.step(author).completion.piece("think", author)))
    return [tagged(context, TARGET) for context in contexts[: len(trace.places)]]


def behind(prefix: Context, place: Place) -> Context:
    """A tagged prefix with the draft's step of its place."""
    candidate = tagged(Context((place.draft.step("").completion.piece("think", ""),)), TARGET)
    return prefix.append(*candidate.pieces)


def _new(solutions: Solutions, context: Context, known: int) -> list[int]:
    """The ids of a context without its first parts."""
    return list(chain.from_iterable(solutions.parts(context)[known:]))
