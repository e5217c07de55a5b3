"""Pairs of scripted models that share a chain of thought, and what any bill of theirs must say."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headgate.backends.base import Completion, Context, Sampling
from headgate.backends.scripted import END, Replies, Scripted, Table, words
from headgate.backends.scripted_reward import ScriptedReward
from headgate.budget.cost import Cost
from headgate.strategies.base import Answer, Run

# by the last token alone; two kinds of line breaks, so that steps begin in doubt or without
DRAFT = {
    "\n": {"a": 0.9, " b": 0.1},
    "a": {" b": 0.6, " c": 0.4},
    " b": {"\n\n": 0.4, "\n\n\n": 0.3, " c": 0.3},
    " c": {"\n\n": 0.3, "\n\n\n": 0.4, "a": 0.3},
    "\n\n": {"a": 0.4, " b": 0.35, " c": 0.15, "</think>": 0.1},
    "\n\n\n": {"a": 0.95, "</think>": 0.05},
    "*": {END: 1.0},
}
TARGET = {
    "\n": {"a": 0.8, " d": 0.2},
    "a": {" d": 0.5, " c": 0.5},
    " b": {"\n\n": 0.6, "\n\n\n": 0.3, " d": 0.1},
    " c": {"\n\n": 0.5, "\n\n\n": 0.5},
    " d": {"\n\n": 0.4, "\n\n\n": 0.2, "a": 0.4},
    "\n\n": {"a": 0.6, " d": 0.3, "</think>": 0.1},
    "\n\n\n": {"a": 0.5, " d": 0.4, "</think>": 0.1},
    "*": {END: 1.0},
}


def tables() -> dict[str, Any]:
    return {"draft": Scripted(Table(DRAFT)), "target": Scripted(Table(TARGET))}


def length(problem: str, steps: Sequence[str]) -> list[float]:
    """Rewards that differ: by how long a step is."""
    return [len(step) % 7 / 7 for step in steps]


def scored(*readers: str, **others: Any) -> dict[str, Any]:
    """The tables beside models that read each step and score it by its length."""
    return {**tables(), **{role: ScriptedReward(critic=length) for role in readers}, **others}


def saying(draft: Sequence[str], target: Sequence[str]) -> dict[str, Any]:
    """A pair that says these texts, one a call."""
    return {"draft": Scripted(Replies(draft)), "target": Scripted(Replies(target))}


@dataclass
class Recital:
    """Goes on with a text from wherever it stands, whoever wrote what stands; in doubt as told, by the place."""

    text: str
    doubt: Callable[[int], float] = lambda place: 0.0
    answer: str = "\\boxed{4}"

    def begin(self, context: Context, sampling: Sampling | None, sample: int) -> "_Reciting":
        if context.writing != "think":
            return _Reciting(words(self.answer), 0, lambda place: 0.0)
        thought = [piece for piece in context.pieces if piece.role == "assistant"]
        return _Reciting([*words(self.text), "</think>"], sum(len(words(p.text)) for p in thought), self.doubt)


@dataclass
class _Reciting:
    tokens: Sequence[str]
    place: int
    doubt: Callable[[int], float]

    def following(self, last: str) -> Mapping[str, float]:
        place, self.place = self.place, self.place + 1
        token = self.tokens[place] if place < len(self.tokens) else END
        doubt = self.doubt(place)
        return {token: 1 - doubt, "~": doubt} if doubt else {token: 1.0}


def reciting(text: str, *, draft: str = "", doubt: Callable[[int], float] = lambda place: 0.0) -> dict[str, Any]:
    """A pair that recites one text, or each its own."""
    return {"draft": Scripted(Recital(draft or text, doubt)), "target": Scripted(Recital(text, doubt))}


class Shown(Scripted):
    """Keeps every context that it is shown to write on, as text."""

    def __init__(self, speaker: Any, shown: list[str]) -> None:
        super().__init__(speaker)
        self.shown = shown

    async def generate(
        self, context: Context, sampling: Sampling, n: int = 1, on_token: Any = None
    ) -> list[Completion]:
        self.shown.append("".join(p if isinstance(p, str) else p.text for p in self.dialect.render(context)))
        return await super().generate(context, sampling, n, on_token)


def kept(answer: Answer) -> list[tuple[str, str]]:
    return [(step.author, step.text) for step in answer.steps if step.kept]


def thought(answer: Answer) -> list[int]:
    """The tokens of the thinking that stands."""
    return [token for step in answer.steps if step.kept for token in step.completion.token_ids]


def written(answer: Answer) -> list[int]:
    """The same with the answer's."""
    return thought(answer) + list(answer.completion.token_ids if answer.completion else ())


def spent(answer: Answer, role: str = "", purpose: str = "") -> Cost:
    """What a role spent on a purpose; of all where none is named."""
    bill = answer.bill.items()
    return sum((c for (r, p), c in bill if role in ("", r) and purpose in ("", p)), Cost())


def check_books(answer: Answer, run: Run) -> None:
    """Every token that was written stands, was wasted or is the answer, and whoever wrote it paid for it once."""
    for role in {step.author for step in answer.steps}:
        for purpose, stands in (("think", True), ("wasted", False)):
            steps = [s.completion.usage for s in answer.steps if s.author == role and s.kept is stands]
            assert spent(answer, role, purpose).units() == sum(steps, Cost()).units()
    assert spent(answer).units() == answer.cost.units() == run.ledger.spent.units()
    assert sum(answer.cost_by_role.values(), Cost()).units() == answer.cost.units()
    assert not any(run.ledger.held.values())
