"""Requests in the engine's hands: what is to be read, what came of it, and the bill.

The engine reads a job's tokens from `length` on and hands it the logits that it asked for; a `Generation` then grows
token by token, and says itself when it is over.
"""

import asyncio
import codecs
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import Future

import torch
from torch import Tensor

from ...budget.cost import Cost
from ..base import OnToken, Sampling, Stop, Token
from .sampling import Draw, Pick, entropy, numbers
from .tokens import Tokens


class Job:
    """Tokens to read; logits are wanted from position `read_from` on."""

    def __init__(self, ids: Sequence[int], read_from: int) -> None:
        self.ids = list(ids)
        self.read_from = read_from
        self.length = 0  # how many of `ids` stand in its row
        self.input = self.cached = self.output = self.reasoning = 0
        self.seconds = 0.0
        self.calls = 1
        self.over = self.cancelled = False
        self.error: BaseException | None = None
        self.future: Future[None] = Future()
        self.future.set_running_or_notify_cancel()

    @property
    def unread(self) -> int:
        """How many tokens wait to be computed."""
        return 0 if self.over or self.cancelled else len(self.ids) - self.length

    @property
    def usage(self) -> Cost:
        """What was really computed for it, so far."""
        return Cost(
            input=self.input,
            cached_input=self.cached,
            output=self.output,
            reasoning=self.reasoning,
            calls=self.calls,
            seconds=self.seconds,
        )

    def advance(self, count: int) -> slice:
        """So many more tokens stand in its row; returns which of them it wants the logits of."""
        before, self.length = self.length, self.length + count
        self.input += count
        return slice(min(max(self.read_from - before, 0), count), count)

    def read(self, first: int, logits: Tensor) -> None:
        """Logits [n, V] of the positions from `first` on."""
        raise NotImplementedError

    def ready(self) -> None:
        """All its tokens were read; a job that wants nothing more is over."""
        self.over = True

    def settle(self) -> None:
        """Tell whoever waits that nothing more will come."""
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(None)


class Peek(Job):
    """Reads a prompt for the distribution of what comes next."""

    def __init__(self, ids: Sequence[int], spellings: Mapping[str, list[int]]) -> None:
        super().__init__(ids, len(ids) - 1)
        self.spellings = spellings
        self.entropy = 0.0
        self.logprobs: dict[str, float] = {}

    def read(self, first: int, logits: Tensor) -> None:
        """Keep the entropy, and the summed probability of each text's spellings."""
        logs = logits[-1].log_softmax(-1)
        self.output = 1
        self.entropy = float(entropy(logs))
        asked = [token for tokens in self.spellings.values() for token in tokens]
        values = iter(numbers(logs[torch.tensor(asked, dtype=torch.long, device=logs.device)]))
        for text, tokens in self.spellings.items():
            self.logprobs[text] = _log_sum([next(values) for _ in tokens])


class Score(Job):
    """Reads a prompt and a continuation for the continuation's log-probabilities."""

    def __init__(self, ids: Sequence[int], continuation: Sequence[int]) -> None:
        super().__init__([*ids, *continuation], len(ids) - 1)
        self.logprobs: list[float] = []

    def read(self, first: int, logits: Tensor) -> None:
        """Keep the log-probability of each following token."""
        following = torch.tensor(self.ids[first + 1 : first + 1 + len(logits)], device=logits.device)
        logs = logits[: len(following)].log_softmax(-1)
        self.logprobs += numbers(logs.gather(1, following[:, None])[:, 0])


class Generation(Job):
    """Writes on from a prompt; one of the `n` samples of a call."""

    def __init__(
        self,
        ids: Sequence[int],
        sampling: Sampling,
        sample: int,
        room: int,
        tokens: Tokens,
        ends: frozenset[int],
        think_end: str,
    ) -> None:
        super().__init__(ids, len(ids) - 1)
        self.sampling, self.sample, self.room = sampling, sample, room
        self.calls = int(sample == 0)  # the call, like the prompt, is the first sample's
        self.logits: Tensor | None = None
        self.written: list[int] = []
        self.logprobs: list[float] = []
        self.entropies: list[float] = []
        self.over = room <= 0
        self.stop: Stop = "length" if self.over else "cancelled"
        self.on_token: OnToken | None = None
        self._tokens, self._ends = tokens, ends
        self._think_end = think_end.encode()
        self._stops = [text.encode() for text in sampling.stop if text]
        self._reach = max(map(len, [self._think_end, *self._stops, b" "])) - 1
        self._bytes = bytearray()
        self._prefix = tokens.unfinished(ids)
        self._stream: codecs.IncrementalDecoder | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def text(self) -> str:
        """What was written; the first bytes of a character wait for the completion that has the others."""
        return _decoder(self._prefix).decode(bytes(self._bytes))

    @property
    def draw(self) -> Draw:
        """The place of its next token."""
        return Draw(self.sampling, self.sample, len(self.ids))

    def read(self, first: int, logits: Tensor) -> None:
        """Keep the last position's logits to choose from."""
        self.logits = logits[-1]

    def ready(self) -> None:
        """It has only begun."""

    def follow(self, on_token: OnToken) -> None:
        """Stream its tokens to the running event loop."""
        self.on_token, self._loop = on_token, asyncio.get_running_loop()
        self._stream = _decoder(self._prefix)

    def take(self, pick: Pick) -> Token | None:
        """Go on by one token, or end before it; returns the token if somebody is to see it."""
        if self.sampling.stop_above is not None and pick.entropy > self.sampling.stop_above:
            self._end("entropy")
            return None
        self.output += 1
        self.reasoning += bool(self._think_end)
        if pick.token in self._ends:
            self._end("eos")
            return None
        self._write(pick)
        return self._seen(pick)

    def offer(self, token: Token) -> Future[bool]:
        """Show a token to its follower, on the follower's own thread; true asks to stop."""
        reply: Future[bool] = Future()
        try:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._show, token, reply)
        except RuntimeError:  # its event loop is gone, and nobody waits for the rest
            self.cancelled = True
        return reply

    def heed(self, reply: Future[bool]) -> None:
        """Do what the follower asked; without a reply, nothing."""
        if not reply.done():
            return
        if (error := reply.exception()) is not None:
            self.over, self.error = True, error
        elif reply.result() and not self.over:
            self._end("callback")

    def _show(self, token: Token, reply: Future[bool]) -> None:
        try:
            stop = self.on_token is not None and not self.cancelled and self.on_token(token)
            reply.set_result(bool(stop))
        except Exception as error:  # the follower's own failure is handed back to its call
            reply.set_exception(error)

    def _write(self, pick: Pick) -> None:
        self.ids.append(pick.token)
        self.written.append(pick.token)
        self.logprobs.append(pick.logprob)
        self.entropies.append(pick.entropy)
        spelling = self._tokens.bytes[pick.token]
        self._bytes += spelling
        tail = bytes(self._bytes[-len(spelling) - self._reach or None :])
        if self._think_end and self._think_end in tail:
            self._cut(self._bytes.index(self._think_end))
            self._end("think_end")
        elif any(text in tail for text in self._stops):
            self._end("delimiter")
        elif len(self.written) >= self.room:
            self._end("length")

    def _seen(self, pick: Pick) -> Token | None:
        if self._stream is None or (self.over and self.stop == "think_end"):
            return None
        text = self._stream.decode(self._tokens.bytes[pick.token])
        return Token(text=text, id=pick.token, logprob=pick.logprob)

    def _cut(self, size: int) -> None:
        """Keep the first `size` bytes; a token that straddles their end is spelled again."""
        whole = kept = 0
        while kept + len(self._tokens.bytes[self.written[whole]]) <= size and whole < len(self.written) - 1:
            kept += len(self._tokens.bytes[self.written[whole]])
            whole += 1
        rest = bytes(self._bytes[kept:size]).decode("utf-8", "ignore")
        self.written[whole:] = self._tokens.encode(rest)
        del self._bytes[size:], self.logprobs[len(self.written) :], self.entropies[len(self.written) :]

    def _end(self, stop: Stop) -> None:
        self.over, self.stop = True, stop


def _decoder(prefix: bytes) -> codecs.IncrementalDecoder:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    decoder.decode(prefix)
    return decoder


def _log_sum(logs: list[float]) -> float:
    top = max(logs, default=-math.inf)
    return top if math.isinf(top) else top + math.log(sum(math.exp(value - top) for value in logs))
