"""Two models write one text token by token: the target while the one at work is unsure, the draft while it is sure.

Source: Simonds 2025, "Entropy Adaptive Decoding: Dynamic Model Switching for Efficient Inference", arXiv 2502.06833, in
our reading of a note on the paper; its thresholds and its least stay are not known to us: calibrate them. The paper's
entropies are in bits, ours in nats (1 bit is 0.69).
Where we differ, or decide what we do not know: the token at which the mean entropy leaves its bounds is written by the
model that takes over, and the entropy at which the other would have chosen it is forgotten; two thresholds may stand
apart, so that nothing flaps between them (hysteresis); the window goes on over a change of models unless `carry` is
false; the first `window` - 1 tokens are the draft's; the answer is written by whoever is at work.
"""

from dataclasses import dataclass, replace
from typing import Final

from ..backends.base import Completion, EntropyStop
from ..backends.model import Model
from ..verifiers.base import Problem, Score, Step
from .base import Answer, Run
from .chain import Chain, Count, Pace, Temperature, Tokens, TopP

NEEDS: Final = {role: {"generate", "continue", "entropy_stop"} for role in ("draft", "target")}


async def entropy_switching(
    problem: Problem,
    run: Run,
    *,
    tau: float = 1.0,
    tau_down: float | None = None,
    window: Count = 5,
    min_dwell: Count = 5,
    carry: bool = True,
    temperature: Temperature = 0.6,
    top_p: TopP = 0.95,
    step_tokens: Count = 512,
    think_tokens: Tokens = 8192,
    answer_tokens: Count = 2048,
) -> Answer:
    """A draft and a target take turns within a text, by the mean entropy of the last tokens.

    tau: nats; the target takes over where the mean exceeds it. tau_down: nats; the draft takes over where the mean is
    no more than this; tau itself where none is given. window: tokens that the mean is of. min_dwell: tokens that are
    written between two changes at least. carry: whether the window keeps what the other model wrote.
    """
    down = tau if tau_down is None else tau_down
    turns = Turns((run.draft, run.target), EntropyStop(window=window), (tau, down), min_dwell, carry)
    pace = Pace(
        temperature=temperature,
        top_p=top_p,
        step_tokens=step_tokens,
        think_tokens=think_tokens,
        answer_tokens=answer_tokens,
    )
    chain = await Chain.begin(problem, run, pace).think(turns.write)
    return await chain.answer(turns.model)


@dataclass(slots=True)
class Turns:
    """Who is at work, since how many tokens, and the last entropies."""

    models: tuple[Model, Model]
    rule: EntropyStop
    taus: tuple[float, float]
    min_dwell: int
    carry: bool
    active: int = 0
    dwell: int | None = None  # tokens since the last change; None before there was one
    window: tuple[float, ...] = ()

    @property
    def model(self) -> Model:
        """The one at work."""
        return self.models[self.active]

    @property
    def stop(self) -> EntropyStop:
        """What ends the turn of the one at work."""
        after = 0 if self.dwell is None else max(0, self.min_dwell - self.dwell)
        rule, tau = replace(self.rule, before=self.window, after=after), self.taus[self.active]
        return replace(rule, at_most=tau) if self.active else replace(rule, above=tau)

    async def write(self, chain: Chain) -> Step:
        """What the one at work writes up to the end of its turn, of a step, or of the text."""
        step = await chain.write(self.model, replace(chain.sampling, entropy_stop=self.stop))
        score = self.take(step.completion)
        if step.completion.token_ids or step.completion.stop != "entropy":
            return replace(chain.adopt(step), score=score)
        chain.run.ledger.rebook(step.completion.usage, step.author, "think", "probe")
        return await self.write(chain)

    def take(self, done: Completion) -> Score | None:
        """Count what was written, and change turns where an entropy ended it; tells the last full window's mean."""
        nats, size = (*self.window, *(done.entropies or ())), self.rule.window
        score = self._score(sum(nats[-size:]) / size, changes=done.stop == "entropy") if len(nats) >= size else None
        if self.dwell is not None:
            self.dwell += done.usage.output
        self.window = nats[: len(self.window) + done.usage.output][1 - size :] if size > 1 else ()
        if done.stop == "entropy":
            self.active, self.dwell = 1 - self.active, 0
            self.window = self.window if self.carry else ()
        return score

    def _score(self, mean: float, *, changes: bool) -> Score:
        told = f"{mean:.2f} nats over {self.rule.window} tokens"
        where = f", {'at most' if self.active else 'above'} {self.taus[self.active]:g}" if changes else ""
        return Score(value=mean, signal="mean_entropy", reason=told + where)
