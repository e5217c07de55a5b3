"""A draft model writes steps ahead, a target model its own beside each; those that say the same stand.

Source: Fu et al. 2025, "Scaling Speculative Decoding with Lookahead Reasoning", arXiv 2506.19830, section 3, with one
draft a place (W = 1). The target writes every step that stands or one in its place, so that its tokens are not saved:
what is bought is time, with a machine that would else be idle.
Where we differ from the paper's code: a draft's step may be as long as the target's; what closes the thinking stands
only where the target closes it too; what became useless is cancelled, and paid as far as it was written; the answer is
the target's. A verdict equal to the threshold keeps the draft's step.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Final, Literal, Self

from ..backends.model import Model
from ..verifiers.base import Problem, Score, Step
from ..verifiers.equivalence import SameByEmbedding, SameByJudge, SameText
from .ahead import unneeded
from .base import Answer, Run
from .chain import Chain, Count, Pace, Temperature, Tokens, TopP

Same = Literal["judge", "embedding", "text"]
Alike = Callable[[Step, Step], Awaitable[Score]]
THRESHOLDS: Final[dict[Same, float]] = {"judge": 0.5, "embedding": 0.95, "text": 1.0}


async def lookahead_reasoning(
    problem: Problem,
    run: Run,
    *,
    gamma: Count = 6,
    same: Same = "judge",
    threshold: float | None = None,
    answer_by: Literal["last", "draft", "target"] = "target",
    temperature: Temperature = 0.6,
    top_p: TopP = 0.95,
    step_tokens: Count = 512,
    think_tokens: Tokens = 8192,
    answer_tokens: Count = 2048,
) -> Answer:
    """A draft writes steps ahead; the target writes its own beside each, and those that say the same stand.

    gamma: how many steps the draft is ahead at most. same: who says that two steps are the same where their texts
    differ by more than case and spaces: a `judge` with one token, its embedding, or nobody. threshold: of what that
    says; by default a judge's probability of 0.5, or a cosine of 0.95.
    """
    threshold = THRESHOLDS[same] if threshold is None else threshold
    pace = Pace(
        temperature=temperature,
        top_p=top_p,
        step_tokens=step_tokens,
        think_tokens=think_tokens,
        answer_tokens=answer_tokens,
    )

    async def write(chain: Chain) -> Step:
        pair = await ahead.next()  # (1) the draft is ahead, (2) the target beside it, (3) and a verdict on each pair
        if pair.score and pair.score.value >= threshold:
            return ahead.follow()  # (4) the longest prefix of steps that say the same
        return await ahead.turn()  # (5) then the target's own

    chain = Chain.begin(problem, run, pace)
    async with Lookahead(chain, run, gamma, alike(run, same)) as ahead:
        await chain.think(write)
    return await chain.answer(chain.last_author(run.target) if answer_by == "last" else run.model(answer_by))


def needs(*, same: Same = "judge", **_: Any) -> dict[str, set[str]]:
    """What each role must be able to do, by who says that two steps are the same."""
    judge: dict[Same, dict[str, set[str]]] = {
        "judge": {"judge": {"peek"}},
        "embedding": {"judge": {"embed"}},
        "text": {},
    }
    return {"draft": {"generate", "continue"}, "target": {"generate", "continue"}, **judge[same]}


def alike(run: Run, same: Same) -> Alike:
    """The verifier behind its name."""
    match same:
        case "judge":
            return SameByJudge(run.model("judge"))
        case "embedding":
            return SameByEmbedding(run.model("judge"))
        case "text":
            return SameText()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One place ahead: the draft's step, the target's own after the same prefix, and whether they say the same.

    Nothing is proposed behind the last draft, or behind one that closes the thinking.
    """

    draft: Step | None
    own: Step
    score: Score | None


@dataclass(frozen=True, slots=True)
class _Place:
    """The calls of one place ahead, each waiting for what it must know."""

    draft: "asyncio.Task[Step | None]"
    own: "asyncio.Task[Step | None]"
    score: "asyncio.Task[Score | None]"


class Lookahead:
    """Rounds of steps ahead of a chain; the end of the block cancels what nobody took.

    What is written is booked as wasted until it is taken.
    """

    def __init__(self, chain: Chain, run: Run, gamma: int, same: Alike) -> None:
        self._chain, self._run, self._gamma, self._alike = chain, run, gamma, same
        self._places: list[_Place] = []
        self._taken = 0  # drafts of this round that stand
        self._drafts: list[asyncio.Task[Step | None]] = []  # of this round

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._drop(0)

    async def next(self) -> Pair:
        """The next place of this round, or the first of a new one. Raises: BudgetExceeded, BackendError."""
        if not self._places:
            self._begin()
        place = self._places[0]
        draft, own, score = await place.draft, await place.own, await place.score
        assert own is not None  # only places behind the end of the thinking have none, and nobody comes there
        return Pair(draft=draft, own=own, score=score)

    def follow(self) -> Step:
        """Take the draft's step, and go on with this round."""
        place = self._places.pop(0)
        draft, own, score = place.draft.result(), place.own.result(), place.score.result()
        assert draft is not None and own is not None
        self._chain.waste(own, ahead=0)
        self._taken += 1
        return self._take(replace(draft, score=score))

    async def turn(self) -> Step:
        """Take the target's own step, and throw away all that was written ahead of it."""
        place = self._places.pop(0)
        draft, own, score = place.draft.result(), place.own.result(), place.score.result()
        assert own is not None
        if draft:
            self._chain.waste(replace(draft, score=score), ahead=0)
        await self._drop(1)
        return self._take(own)

    def _take(self, step: Step) -> Step:
        self._run.ledger.rebook(step.completion.usage, step.author, "wasted", "think")
        return self._chain.adopt(step)

    def _begin(self) -> None:
        """Begin all calls of a round; each leaves as soon as it can."""
        self._taken, self._drafts = 0, []
        for index in range(self._gamma + 1):
            draft = asyncio.create_task(self._write(self._run.draft, index, index < self._gamma))
            own = asyncio.create_task(self._write(self._run.target, index, True))
            self._drafts.append(draft)
            self._places.append(_Place(draft, own, asyncio.create_task(self._judge(draft, own))))

    async def _write(self, model: Model, index: int, wanted: bool) -> Step | None:
        """A step after so many drafts; None where none is wanted, or where they leave nothing to be written."""
        before = [await draft for draft in self._drafts[:index]]
        after = [step for step in before[self._taken :] if step]
        if not wanted or None in before or not self._open(after):
            return None
        return await self._chain.write(model, after=after, purpose="wasted")

    async def _judge(self, draft: "asyncio.Task[Step | None]", own: "asyncio.Task[Step | None]") -> Score | None:
        left, right = await draft, await own
        return await self._alike(left, right) if left and right else None

    def _open(self, after: Sequence[Step]) -> bool:
        """Whether a chain can go on behind these steps."""
        closed = any(step.completion.stop in ("think_end", "eos") for step in after)
        return not closed and self._chain.left(after) > 0

    async def _drop(self, ahead: int) -> None:
        """Cancel what was begun; as far as it was written, it is paid. ahead: of the first place, from here."""
        calls = [call for place in self._places for call in (place.draft, place.own, place.score)]
        for call in calls:
            call.cancel()
        if calls:
            await asyncio.wait(calls)
        places, self._places = self._places, []
        for index, place in enumerate(places, start=ahead):
            unneeded(place.score)
            for step in filter(None, map(unneeded, (place.draft, place.own))):
                self._chain.waste(step, ahead=index)
