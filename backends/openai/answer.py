"""The continuations of one call as they stream in: each grows by its own rules, and all share one bill."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ...budget.cost import Cost
from ..base import Completion, OnToken, Stop
from ..errors import BackendError
from ..writing import Pick, Writing
from .errors import CutOff, Malformed, failed
from .meter import Meter
from .parts import Bit, Json, Part, parts
from .text import TextWriting

Writer = Writing | TextWriting
Result = TypeVar("Result")


@dataclass(slots=True, kw_only=True)
class Answer:
    """One call's continuations, in one bill.

    k: top tokens that were asked for. think_end: closes the thinking that is being written. drain: an answer is heard
    to its end though nothing more of it is kept.
    """

    writers: Sequence[Writer]
    meter: Meter
    k: int
    think_end: str = ""
    on_token: OnToken | None = None
    drain: bool = False
    finished: set[int] = field(default_factory=set[int])
    parsed: bool = False  # the server sets thinking apart itself
    answered: bool = False  # and has gone on to the answer

    @property
    def over(self) -> bool:
        """Whether nothing more that comes would be kept."""
        return all(writer.over for writer in self.writers)

    @property
    def complete(self) -> bool:
        """Whether the server has ended every continuation."""
        return len(self.finished) >= len(self.writers)

    def send(self) -> None:
        """The request leaves."""
        self.meter.sent = True

    def hear(self, event: Json) -> bool:
        """Take an event in; true when nothing that follows is wanted. Raises: BackendError, Failed, Malformed."""
        if event.get("error"):
            raise failed(event, begun=any(writer.output for writer in self.writers))
        self.meter.hear(event.get("usage"))
        for part in parts(event, self.k):
            if not 0 <= part.index < len(self.writers):
                raise Malformed(f"continuation {part.index} of {len(self.writers)}")
            self.meter.see(part.bits)
            self._take(part)
        return self.over and not self.complete and not self.drain

    def end(self) -> None:
        """Raises: CutOff where a server ended its stream and not its answer."""
        if not self.complete:
            raise CutOff

    def completions(self, cost: Cost) -> list[Completion]:
        """What came of it; the first bears the prompt, and what nobody else wrote."""
        others = [Cost(output=w.output, reasoning=w.reasoning) for w in self.writers[1:]]
        rest = sum(others, Cost())
        first = Cost(
            input=cost.input,
            cached_input=cost.cached_input,
            cache_write=cost.cache_write,
            output=max(0, cost.output - rest.output),
            reasoning=max(0, cost.reasoning - rest.reasoning),
            calls=cost.calls,
            seconds=cost.seconds,
        )
        return [_completion(w, c) for w, c in zip(self.writers, [first, *others], strict=True)]

    def cost(self) -> Cost:
        """The bill so far."""
        if self.think_end and not self.answered:
            return self.meter.cost(self.meter.most)  # it was all thinking
        return self.meter.cost(sum(writer.reasoning for writer in self.writers))

    def _take(self, part: Part) -> None:
        writer = self.writers[part.index]
        self.parsed |= part.thinking
        if part.thinking and not self.think_end:
            pass  # thinking that nobody asked for is billed, and is not text
        elif self.parsed and not part.thinking and self.think_end and any(bit.text.strip() for bit in part.bits):
            self.answered = True
            if not writer.over:
                writer.end("think_end")
        else:
            for bit in part.bits:
                self._grow(writer, bit, part.index)
        if part.finish:
            self.finished.add(part.index)
            if not writer.over:
                writer.end(self._stop(part))

    def _grow(self, writer: Writer, bit: Bit, index: int) -> None:
        if writer.over:
            return
        if isinstance(writer, TextWriting):
            token = writer.take(bit)
        elif bit.id is None:
            raise Malformed("a token without its id")
        else:
            token = writer.take(Pick(bit.id, bit.logprob, bit.entropy))
        if token and index == 0 and self.on_token and self.on_token(token) and not writer.over:
            writer.end("callback")

    def _stop(self, part: Part) -> Stop:
        """Why the server ended what we should have gone on with."""
        if part.finish == "content_filter":
            raise BackendError("the server's filter cut the answer", hint="it will not answer this request")
        if part.finish == "length":
            return "length"
        if self.think_end and (part.reason == self.think_end or (self.parsed and part.thinking)):
            return "think_end"
        return "delimiter" if isinstance(part.reason, str) and part.reason else "eos"


def _completion(writer: Writer, cost: Cost) -> Completion:
    if isinstance(writer, TextWriting):
        return writer.completion(cost)
    return writer.completion(cost, "lower_bound" if writer.sampling.entropies else "none")


@dataclass(slots=True)
class Reading(Generic[Result]):
    """An answer of which one thing is wanted: `read` finds it."""

    meter: Meter
    read: Callable[[Json], Result]
    found: list[Result] = field(default_factory=list[Result])

    def send(self) -> None:
        """The request leaves."""
        self.meter.sent = True

    def hear(self, event: Json) -> bool:
        """Take it in. Raises: Failed, Malformed."""
        if event.get("error"):
            raise failed(event)
        self.meter.hear(event.get("usage"))
        self.found.append(self.read(event))
        return True

    def end(self) -> None:
        """It comes in one piece."""
