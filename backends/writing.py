"""One continuation as it grows, token by token, and its own word on when it is over; the same for every engine.

Text grows by bytes: a character split over tokens is never broken, a delimiter may straddle tokens, and what a token
carries beyond a delimiter is kept. A closing tag of thinking is billed and is not text.
"""

import codecs
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from ..budget.cost import Cost
from .base import Completion, Exactness, Sampling, Stop, Token
from .tokens import Tokens

_UTF8: Final = codecs.getincrementaldecoder("utf-8")


class Pick(NamedTuple):
    """A token, its natural log-probability before temperature, and the entropy that it was chosen at, in nats."""

    token: int
    logprob: float
    entropy: float


class Writing:
    """What is written behind the prompt `ids`, at most `room` tokens.

    ends: tokens that end a turn. think_end: the tag that ends a thinking, empty where none is being written.
    """

    def __init__(
        self,
        ids: Sequence[int],
        sampling: Sampling,
        room: int,
        tokens: Tokens,
        ends: Collection[int],
        think_end: str,
    ) -> None:
        self.sampling, self.room = sampling, room
        self.ids: list[int] = []
        self.logprobs: list[float] = []
        self.entropies: list[float] = []
        self.output = 0  # tokens computed: closing tags and ends of turns included
        self.over = room <= 0
        self.stop: Stop = "length" if self.over else "cancelled"
        self._tokens, self._ends = tokens, ends
        self._think_end = think_end.encode()
        self._stops = [text.encode() for text in sampling.stop if text]
        endings = (*self._stops, *([self._think_end] if think_end else []))
        self._calm = tokens.calm(endings, frozenset(ends))
        self._reach = max(map(len, [*endings, b" "])) - 1
        self._bytes, self._spelled = bytearray(), 0  # of the first so many ids
        self._prefix = tokens.unfinished(ids)
        self._stream: codecs.IncrementalDecoder | None = None  # of who follows

    @property
    def text(self) -> str:
        """What was written; the first bytes of a character wait for the completion that has the others."""
        self._spell()
        return _decoder(self._prefix).decode(bytes(self._bytes))

    @property
    def reasoning(self) -> int:
        """How many of the tokens computed were thinking."""
        return self.output if self._think_end else 0

    def take(self, pick: Pick) -> Token | None:
        """Go on by one token, or end before it; returns the token as a follower sees it, None where there is none."""
        if not self.go(*pick) or self.stop == "think_end":
            return None
        self._stream = self._stream or _decoder(self._prefix)
        text = self._stream.decode(self._tokens.bytes[pick.token])
        return Token(text=text, id=pick.token, logprob=pick.logprob)

    def go(self, token: int, logprob: float, entropy: float) -> bool:
        """The same for who follows nothing; false where it ended before the token."""
        self.entropies.append(entropy)
        if (uncertain := self.sampling.entropy_stop) is not None and uncertain.ends(self.entropies):
            self.end("entropy")
            return False
        self.output += 1
        calm = self._calm[token]
        if not calm and token in self._ends:
            self.end("eos")
            return False
        self.ids.append(token)
        self.logprobs.append(logprob)
        if not calm:
            self._look(len(self._tokens.bytes[token]))
        if len(self.ids) >= self.room and not self.over:
            self.end("length")
        return True

    def end(self, stop: Stop) -> None:
        """Nothing more is written."""
        self.over, self.stop = True, stop

    def completion(self, usage: Cost, exactness: Exactness = "exact") -> Completion:
        """What came of it, for what the engine measured."""
        return Completion(
            text=self.text,
            stop=self.stop,
            usage=usage,
            token_ids=tuple(self.ids),
            tokenizer=self._tokens.key,
            logprobs=tuple(self.logprobs),
            entropies=tuple(self.entropies) if self.sampling.sees_entropies else None,
            exactness=exactness,
        )

    def _look(self, size: int) -> None:
        """Whether the last token, of so many bytes, completed something."""
        self._spell()
        tail = bytes(self._bytes[-size - self._reach or None :])
        if self._think_end and self._think_end in tail:
            self._cut(self._bytes.index(self._think_end))
            self.end("think_end")
        elif any(text in tail for text in self._stops):
            self.end("delimiter")

    def _spell(self) -> None:
        """Catch up with the ids."""
        for token in self.ids[self._spelled :]:
            self._bytes += self._tokens.bytes[token]
        self._spelled = len(self.ids)

    def _cut(self, size: int) -> None:
        """Keep the first `size` bytes; a token that straddles their end is spelled again."""
        whole = kept = 0
        while kept + len(self._tokens.bytes[self.ids[whole]]) <= size and whole < len(self.ids) - 1:
            kept += len(self._tokens.bytes[self.ids[whole]])
            whole += 1
        rest = bytes(self._bytes[kept:size]).decode("utf-8", "ignore")
        self.ids[whole:] = self._tokens.encode(rest)
        self._spelled = len(self.ids)
        del self._bytes[size:], self.logprobs[len(self.ids) :]


def _decoder(prefix: bytes) -> codecs.IncrementalDecoder:
    decoder = _UTF8("replace")
    decoder.decode(prefix)
    return decoder
