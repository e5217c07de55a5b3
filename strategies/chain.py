"""A chain of thought being written step by step, by whichever model a strategy lets write: shared by the step family.

The chain keeps what stands, remembers what was thrown away, and knows when to stop: the thinking was closed, the model
ended its turn, the thinking's own token budget is spent, the context is full, steps repeat (A-A or A-B-A-B), two
steps in a row are empty, or the run's budget refuses. Whatever ends it, thinking is closed exactly once and an answer
is written, from the answer reserve if need be.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Annotated

from annotated_types import Ge, Interval

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
    open: Step | None = None  # proposed, and neither kept nor rejected yet
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

    async def propose(self, model: Model) -> Step:
        """A next step by one model, neither kept nor rejected yet. Raises: BudgetExceeded, BackendError."""
        pace, room = self.pace, self._room(model)
        cap = room if pace.step_tokens is None else min(room, pace.step_tokens)
        stop = () if pace.step_tokens is None else (pace.delimiter,)
        sampling = Sampling(temperature=pace.temperature, top_p=pace.top_p, max_tokens=cap, stop=stop)
        completion = await model.generate(self.context, sampling, at=f"step-{self.index}")
        self.open = Step(completion=completion, author=model.name)
        return self.open

    def reject(self, step: Step, score: Score | None = None) -> None:
        """Throw a proposal away; it stays in the books."""
        self.open = None
        self._book(replace(step, kept=False, score=score or step.score))
        self.run.ledger.rebook(step.completion.usage, step.author, "think", "wasted")

    def keep(self, step: Step) -> None:
        """Let a proposal stand, and see whether it was the last."""
        self.open = None
        self._book(step)
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
        if self.open:
            self.reject(self.open)
        return self

    def last_author(self, otherwise: Model) -> Model:
        """Who wrote the last step that stands, or another where none does."""
        if not self.kept:
            return otherwise
        return next(model for model in self.run.models.values() if model.name == self.kept[-1].author)

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

    def _room(self, model: Model) -> int:
        """How many tokens of thinking are left; an eighth of the context at most is kept for the answer."""
        most = model.backend.capabilities.max_context
        spare = min(self.pace.answer_tokens, most // 8)
        if (room := model.room(self.context) - spare) < 1:
            raise ContextTooLong(f"`{model.name}` has thought until its {most} tokens of context were full")
        return min(room, self.pace.think_tokens - sum(step.completion.usage.output for step in self.kept))

    def _book(self, step: Step) -> None:
        self.steps.append(step)
        score = {"score": step.score.value, "reason": step.score.reason} if step.score else {}
        told = {"index": self.index, "author": step.author, "kept": step.kept, "text": step.text}
        wrote = {"stop": step.completion.stop, "tokens": step.completion.usage.output}
        self.run.tell("step", f"step-{self.index}", cost=step.completion.usage, **told, **wrote, **score)

    def _ended(self, step: Step) -> str:
        """Why the chain ends with this step; "" when it goes on."""
        if step.completion.stop in ("think_end", "eos"):
            return step.completion.stop
        if sum(kept.completion.usage.output for kept in self.kept) >= self.pace.think_tokens:
            return "think_tokens"
        texts = [kept.text.strip() for kept in self.kept]
        if len(texts) > 1 and texts[-1] == texts[-2]:
            return "repeated" if texts[-1] else "empty"
        if len(texts) > 3 and texts[-4:-2] == texts[-2:]:
            return "alternating"
        return ""
