"""A chain of thought being written step by step, by whichever model a strategy lets write: shared by the step family.

The chain keeps what stands, remembers what was thrown away, and knows when to stop: the thinking was closed, the model
ended its turn, the thinking's own token budget is spent, the context is full, steps repeat (A-A or A-B-A-B), two
steps in a row are empty, or the run's budget refuses. Whatever ends it, thinking is closed exactly once and an answer
is written, from the answer reserve if need be.

Several may write one step, each a piece of it: a piece that ends before a delimiter, and before the cap of a step, is
gone on with, and what repeats is seen in whole steps only.
"""

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

from annotated_types import Ge, Interval

from ..backends import spelling
from ..backends.base import Completion, Context, Sampling
from ..backends.errors import ContextTooLong
from ..backends.model import Model
from ..budget.errors import BudgetExceeded
from ..verifiers import exact
from ..verifiers.base import Problem, Score, Step
from .base import Answer, Run

DELIMITER = "\n\n"
Count = Annotated[int, Ge(1)]
Tokens = Annotated[int, Ge(0)]
Temperature = Annotated[float, Ge(0)]
TopP = Annotated[float, Interval(gt=0, le=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How a chain samples and how long its parts may be, in tokens.

    step_tokens: the cap of one step; None writes the whole thinking as one. delimiter: what ends a step.
    """

    temperature: float = 0.6
    top_p: float = 0.95
    step_tokens: int | None = 512
    think_tokens: int = 8192
    answer_tokens: int = 2048
    delimiter: str = DELIMITER


@dataclass(slots=True)
class Chain:
    """One problem's thinking: the context of what stands, and every step that was written."""

    run: Run
    pace: Pace
    context: Context
    steps: list[Step] = field(default_factory=list[Step])
    open: list[tuple[int, Step]] = field(default_factory=list[tuple[int, Step]])  # proposed, by index, and not decided
    stop: str = ""
    spent: BudgetExceeded | None = None

    @classmethod
    def begin(cls, problem: Problem, run: Run, pace: Pace) -> "Chain":
        """A chain about to think about a problem, or without tokens for it to answer at once."""
        stop = "" if pace.think_tokens > 0 else "think_tokens"
        return cls(run, pace, Context.ask(problem.text), stop=stop)

    @property
    def kept(self) -> list[Step]:
        """The steps that stand."""
        return [step for step in self.steps if step.kept]

    @property
    def index(self) -> int:
        """How many steps stand."""
        return len(self.context.pieces) - 1

    def left(self, after: Sequence[Step] = ()) -> int:
        """How many of the thinking's tokens are left, after proposals that may come to stand."""
        return max(0, self.pace.think_tokens - _output([*self.kept, *after]))

    @property
    def sampling(self) -> Sampling:
        """How a whole next step is sampled."""
        pace = self.pace
        stop = () if pace.step_tokens is None else (pace.delimiter,)
        most = pace.think_tokens if pace.step_tokens is None else pace.step_tokens
        return Sampling(temperature=pace.temperature, top_p=pace.top_p, max_tokens=most, stop=stop)

    async def propose(self, model: Model, sampling: Sampling | None = None, *, after: Sequence[Step] = ()) -> Step:
        """A next step by one model, or a piece of one, neither kept nor rejected yet.

        after: proposals to go on from as if they stood. Raises: BudgetExceeded, BackendError.
        """
        return self.adopt(await self.write(model, sampling, after=after), after=after)

    def write(
        self, model: Model, sampling: Sampling | None = None, *, after: Sequence[Step] = (), purpose: str = "think"
    ) -> Coroutine[None, None, Step]:
        """As `propose`, and not proposed yet; goes on from what stands now, whenever it is awaited."""
        sampling, at = sampling or self.sampling, f"step-{self.index + len(after)}"
        context = self.context.append(*(step.completion.piece("think", step.author) for step in after))
        left = replace(sampling, max_tokens=min(sampling.max_tokens, self.left(after)))
        return self._write(model, context, left, at, purpose)

    def adopt(self, step: Step, *, after: Sequence[Step] = ()) -> Step:
        """Take a step that was written as a proposal."""
        self.open.append((self.index + len(after), step))
        return step

    def reject(self, step: Step, score: Score | None = None) -> None:
        """Throw a proposal away; it stays in the books."""
        self._book(self._decided(step), replace(step, kept=False, score=score or step.score))
        self.run.ledger.rebook(step.completion.usage, step.author, "think", "wasted")

    def waste(self, step: Step, *, ahead: int = 1) -> None:
        """Remember a step that was begun so many places ahead, paid as wasted, and never proposed."""
        self._book(self.index + ahead, replace(step, kept=False))

    def keep(self, step: Step) -> None:
        """Let a proposal stand, and see whether it was the last."""
        self._book(self._decided(step), step)
        self.context = self.context.append(step.completion.piece("think", step.author))
        self.stop = self._ended(step)

    async def think(self, write: Callable[["Chain"], Awaitable[Step]]) -> "Chain":
        """Keep what `write` gives until the chain ends; a spent budget ends it too. Raises: BackendError.

        A proposal that was still open then, since its judge was refused, does not stand.
        """
        try:
            while not self.stop:
                self.keep(await write(self))
        except BudgetExceeded as error:
            self.stop, self.spent = "budget", error
        except ContextTooLong:
            self.stop = "context"
        for _, step in list(self.open):
            self.reject(step)
        return self

    def last_author(self, otherwise: Model) -> Model:
        """The model that wrote the last step that stands, or another where none did."""
        models = {model.name: model for model in self.run.models.values()}
        return next((models[step.author] for step in reversed(self.kept) if step.author in models), otherwise)

    async def answer(self, author: Model) -> Answer:
        """Close the thinking and write the answer; without budget even for that it is empty. Raises: BackendError."""
        sampling = Sampling(temperature=self.pace.temperature, top_p=self.pace.top_p)
        sampling = replace(sampling, max_tokens=self.pace.answer_tokens)
        closed = self.context.then("answer")
        try:
            completion = await author.generate(closed, sampling, at="answer", purpose="answer", final=True)
        except BudgetExceeded as error:
            return Answer(text="", status="exhausted", reason=str(error), steps=tuple(self.steps))
        return self._read(Answer(text="", completion=completion, steps=tuple(self.steps)), completion)

    def _read(self, answer: Answer, completion: Completion) -> Answer:
        text, cut = exact.boxed(completion.text), completion.stop in ("length", "budget")
        if text is None and not cut:
            text = completion.text.strip()
        if self.spent:
            return replace(answer, text=text or "", status="exhausted", reason=str(self.spent))
        if not text and completion.stop == "budget":
            return replace(answer, status="exhausted", reason="the budget cut its answer short")
        if not text:
            return replace(answer, status="abstained", reason="it wrote no answer")
        return replace(answer, text=text)

    async def _write(self, model: Model, context: Context, sampling: Sampling, at: str, purpose: str) -> Step:
        most = min(sampling.max_tokens, self._room(model, context))
        completion = await model.generate(context, replace(sampling, max_tokens=most), at=at, purpose=purpose)
        return Step(completion=completion, author=model.name)

    def _room(self, model: Model, context: Context) -> int:
        """How many tokens the context still takes; an eighth of it at most is kept for the answer."""
        most = model.backend.capabilities.max_context
        spare = min(self.pace.answer_tokens, most // 8)
        if (room := model.room(context) - spare) < 1:
            raise ContextTooLong(f"`{model.name}` has thought until its {most} tokens of context were full")
        return room

    def _decided(self, step: Step) -> int:
        """The index of a proposal, which is open no more."""
        for place in self.open:
            if place[1].completion is step.completion:
                self.open.remove(place)
                return place[0]
        return self.index

    def _book(self, index: int, step: Step) -> None:
        self.steps.append(step)
        told = {"index": index, "author": step.author, "kept": step.kept, "text": step.text}
        wrote = {"stop": step.completion.stop, "tokens": step.completion.usage.output}
        figures = _scored(step.score) | spelling.figures(step.completion) if self.run.trace.live else {}
        self.run.tell("step", f"step-{index}", cost=step.completion.usage, **told, **wrote, **figures)

    def _ended(self, step: Step) -> str:
        """Why the chain ends with this step; "" when it goes on."""
        if step.completion.stop in ("think_end", "eos"):
            return step.completion.stop
        if _output(self.kept) >= self.pace.think_tokens:
            return "think_tokens"
        return _going_round(self._whole()) if self._ends_a_step(step) else ""

    def _whole(self) -> list[str]:
        """The steps that stand, each with all its pieces."""
        texts = [""]
        for step in self.kept:
            texts[-1] += step.text
            if self._ends_a_step(step):
                texts.append("")
        return [text.strip() for text in texts[:-1]]

    def _ends_a_step(self, piece: Step) -> bool:
        """Whether a piece was the last of its step, be it that the step is cut."""
        delimited = piece.completion.stop == "delimiter" and self.pace.delimiter in piece.text
        return delimited or piece.completion.usage.output >= (self.pace.step_tokens or 0)


def _output(steps: Iterable[Step]) -> int:
    return sum(step.completion.usage.output for step in steps)


def _going_round(texts: Sequence[str]) -> str:
    """What is wrong with the last steps of a chain; "" where they are new."""
    if len(texts) > 1 and texts[-1] == texts[-2]:
        return "repeated" if texts[-1] else "empty"
    return "alternating" if len(texts) > 3 and texts[-4:-2] == texts[-2:] else ""


def _scored(score: Score | None) -> dict[str, object]:
    """What a step's event says of its score."""
    if score is None:
        return {}
    digits = {"digits": [round(share, 3) for share in score.digits]} if score.digits else {}
    return {"score": score.value, "signal": score.signal, "reason": score.reason, **digits}
