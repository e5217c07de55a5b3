"""One continuation as it grows where a server tells texts and no token ids; when it is over follows the same rules.

Where we differ from `Writing`: the grain is what a server sends at a time. What it sends beyond a delimiter is kept, a
closing tag of thinking is not text, and an opening tag that the model wrote itself is taken off.
"""

import math

from ...budget.cost import Cost
from ..base import Completion, Sampling, Stop, Token
from .parts import Bit


class TextWriting:
    """What is written behind a prompt, at most `room` tokens by the server's own count.

    think_open, think_end: the tags of thinking, empty where none is being written. turn_close: what a server may show
    of the end of a turn.
    """

    def __init__(self, sampling: Sampling, room: int, think_open: str, think_end: str, turn_close: str) -> None:
        self.sampling = sampling
        self.text = ""
        self.logprobs: list[float] = []
        self.entropies: list[float] = []
        self.output = 0
        self.over = room <= 0
        self.stop: Stop = "length" if self.over else "cancelled"
        self._think_open, self._think_end, self._turn_close = think_open.strip(), think_end, turn_close.strip()
        self._stops = [text for text in sampling.stop if text]

    @property
    def reasoning(self) -> int:
        """How many of the parts were thinking."""
        return self.output if self._think_end else 0

    def take(self, bit: Bit) -> Token | None:
        """Go on by one part; returns it as a follower sees it, None where it only closed the thinking."""
        self.output += 1
        self.logprobs.append(bit.logprob)
        self.entropies.append(bit.entropy)
        before = len(self.text)
        self.text += bit.text
        if self._think_end and (at := self.text.find(self._think_end)) >= 0:
            self.text = self.text[:at]
            self.end("think_end")
        elif any(stop in self.text[max(0, before - len(stop) + 1) :] for stop in self._stops):
            self.end("delimiter")
        shown = self.text[before:]
        return Token(text=shown, id=bit.id, logprob=bit.logprob) if shown or not self.over else None

    def end(self, stop: Stop) -> None:
        """Nothing more is written."""
        self.over, self.stop = True, stop
        if stop == "eos" and self._turn_close:
            self.text = self.text.removesuffix(self._turn_close)

    def completion(self, usage: Cost) -> Completion:
        """What came of it, for what it cost."""
        text, opened = self.text, self.text.lstrip()
        if self._think_open and opened.startswith(self._think_open):
            text = opened.removeprefix(self._think_open).lstrip("\n")
        told = not any(map(math.isnan, self.logprobs))
        bound = self.sampling.entropies and not any(map(math.isnan, self.entropies))
        return Completion(
            text=text,
            stop=self.stop,
            usage=usage,
            logprobs=tuple(self.logprobs) if told else (),
            entropies=tuple(self.entropies) if bound else None,
            exactness="lower_bound" if bound else "none",
        )
