"""What a call cost, from what a server says of it and from what was seen on the wire; the larger where they differ.

A server may say nothing, or nonsense: fewer tokens than it sent, more than it was allowed to write, a negative number.
What it says is believed as far as it is possible; what cannot be so is counted or, where it cannot be counted, taken
at its upper bound.
"""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ...budget.cost import Cost
from .parts import Bit

Figures = Mapping[str, Any]


class Meter:
    """One call's bill.

    prompt: tokens that were sent; an upper bound unless `exact`, and believed to be up to `max_context` if the server
    says so. most: tokens that may be written in all.
    """

    def __init__(self, prompt: int, *, exact: bool, max_context: int, most: int) -> None:
        self.prompt, self.exact, self.max_context, self.most = prompt, exact, max_context, most
        self.sent = False  # once the request has left, it may cost something
        self.received = 0  # tokens that came, or parts where a server does not tell tokens apart
        self._size = 0
        self._tells_tokens = True
        self._said: Figures = {}
        self._began = time.perf_counter()

    def hear(self, usage: object) -> None:
        """A server's latest figures."""
        if isinstance(usage, dict) and usage:
            self._said = usage  # pyright: ignore[reportUnknownMemberType]

    def see(self, bits: Sequence[Bit]) -> None:
        """What came over the wire."""
        self.received += len(bits)
        self._size += sum(len(bit.text.encode()) for bit in bits)
        self._tells_tokens &= all(bit.id is not None or not math.isnan(bit.logprob) for bit in bits)

    def cost(self, reasoning: int = 0) -> Cost:
        """What was measured so far; `reasoning` of it is known to be thinking."""
        return self._cost(self._output(), reasoning)

    def full(self) -> Cost:
        """All that may have been written."""
        return self._cost(max(self.most, self.received), 0)

    def _cost(self, output: int, reasoning: int) -> Cost:
        prompt = self._prompt()
        details = _figures(self._said.get("prompt_tokens_details"))
        cached = min(_whole(details.get("cached_tokens")) or 0, prompt)
        written = min(_whole(details.get("cache_write_tokens")) or 0, prompt - cached)
        thought = _whole(_figures(self._said.get("completion_tokens_details")).get("reasoning_tokens")) or 0
        return Cost(
            input=prompt - cached - written,
            cached_input=cached,
            cache_write=written,
            output=output,
            reasoning=min(max(thought, reasoning), output),
            calls=1,
            seconds=time.perf_counter() - self._began,
        )

    def _prompt(self) -> int:
        said = _whole(self._said.get("prompt_tokens"))
        if self.exact or not said:
            return self.prompt
        return said if said <= self.max_context else self.prompt

    def _output(self) -> int:
        said = _whole(self._said.get("completion_tokens"))
        if not said and not self._tells_tokens:
            return max(self.received, min(self._size, self.most))
        return max(self.received, min(said or 0, self.most))


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _figures(value: object) -> Figures:
    return value if isinstance(value, dict) else {}  # pyright: ignore[reportUnknownVariableType]
