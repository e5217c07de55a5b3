"""Requests in the engine's hands: what is to be read, what came of it, and the bill.

The engine reads a job's tokens from `length` on and hands it the logits that it asked for; a `Generation` then grows
token by token, and says itself when it is over.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress

import torch
from torch import Tensor

from ...budget.cost import Cost
from ..base import Token
from ..follower import Follower
from ..tally import Tally
from ..writing import Pick, Writing
from .sampling import Draw, entropy, numbers, top


class Job(Tally):
    """Tokens to read; logits are wanted from position `read_from` on."""

    def __init__(self, ids: Sequence[int], read_from: int) -> None:
        super().__init__()
        self.ids = list(ids)
        self.read_from = read_from
        self.reach = len(self.ids)  # how many there can be in the end
        self.length = 0  # how many of `ids` stand in its row
        self.over = self.cancelled = False
        self.error: BaseException | None = None
        self.tell: Callable[[Job], object] = id  # whom to tell that nothing more will come

    @property
    def unread(self) -> int:
        """How many tokens wait to be computed."""
        return 0 if self.over or self.cancelled else len(self.ids) - self.length

    @property
    def writes_next(self) -> bool:
        """Whether one token alone is unread, and the next decoding step reads it."""
        return False

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
        """Tell whoever waits that nothing more will come; where the event loop is gone, nobody waits."""
        with suppress(RuntimeError):
            self.tell(self)


class Peek(Job):
    """Reads a prompt for the distribution of what comes next."""

    def __init__(self, ids: Sequence[int], spellings: Mapping[str, list[int]]) -> None:
        super().__init__(ids, len(ids) - 1)
        self.spellings = spellings
        self.entropy = 0.0
        self.logprobs: dict[str, float] = {}
        self.top: tuple[float, ...] = ()

    def read(self, first: int, logits: Tensor) -> None:
        """Keep the entropy, and the summed probability of each text's spellings."""
        logs = logits[-1].log_softmax(-1)
        self.output = 1
        self.entropy = float(entropy(logs))
        self.top = tuple(numbers(top(logs)))
        asked = [token for tokens in self.spellings.values() for token in tokens]
        values = iter(numbers(logs.index_select(0, torch.tensor(asked, dtype=torch.long, device=logs.device))))
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


class Reward(Job):
    """Reads a solution for a reward head's outputs at the ends of its steps."""

    def __init__(self, ids: Sequence[int], ends: Sequence[int]) -> None:
        super().__init__(ids, ends[0])
        self.ends = ends
        self.outputs: list[list[float]] = []

    def read(self, first: int, logits: Tensor) -> None:
        """Keep what the head says there."""
        here = [end - first for end in self.ends if first <= end < first + len(logits)]
        self.outputs += [numbers(logits[row]) for row in here]


class Generation(Job):
    """Writes on from a prompt; one of the `n` samples of a call."""

    def __init__(self, ids: Sequence[int], writing: Writing, sample: int) -> None:
        super().__init__(ids, len(ids) - 1)
        self.writing = writing
        self.calls = int(sample == 0)  # the call, like the prompt, is the first sample's
        self.logits: Tensor | None = None
        self.over = writing.over
        self.follower: Follower | None = None
        self.fresh = False  # whether the last of its prompt is yet to be read
        self.since = 0.0  # the engine's clock when it began to write
        self.draw = Draw(writing.sampling, sample)
        self.reach = len(ids) + max(writing.room, 1)

    @property
    def writes_next(self) -> bool:
        """Whether one token alone is unread, and the next decoding step reads it."""
        return self.unread == 1

    @property
    def usage(self) -> Cost:
        """What was really computed for it, so far."""
        self.output, self.reasoning = self.writing.output, self.writing.reasoning
        return super().usage

    def read(self, first: int, logits: Tensor) -> None:
        """Keep the last position's logits to choose from."""
        self.logits = logits[-1]

    def ready(self) -> None:
        """It has only begun."""

    def take(self, token: int, logprob: float, nats: float) -> Token | None:
        """Go on by one token, or end before it; returns it only for a follower."""
        writing, shown = self.writing, None
        if self.follower is None:
            if writing.go(token, logprob, nats):
                self.ids.append(token)
        else:
            written, shown = len(writing.ids), writing.take(Pick(token, logprob, nats))
            if len(writing.ids) > written:
                self.ids.append(token)
        self.over = writing.over
        return shown

    def heed(self, reply: Future[bool]) -> None:
        """Do what the follower asked; without a reply, nothing."""
        if not reply.done():
            return
        if (error := reply.exception()) is not None:
            self.over, self.error = True, error
        elif reply.result() and not self.over:
            self.writing.end("callback")
            self.over = True


def _log_sum(logs: list[float]) -> float:
    top = max(logs, default=-math.inf)
    return top if math.isinf(top) else top + math.log(sum(math.exp(value - top) for value in logs))
