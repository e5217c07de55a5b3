"""Requests in a vLLM engine's hands: what is asked of it, what came of it, and the bill.

The same for an engine in this process, which shows every draw at once, and for one in a child process, which sends
tokens as they come and its report (entropies, log-probabilities that were asked for) at the end.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from ..base import Constraint, Sampling, Token
from ..errors import EngineFailed
from ..follower import Follower
from ..model import derive
from ..tally import Tally
from ..writing import Pick, Writing
from .choosing import ROWS, wish

_numbers = itertools.count()
_LOOK = "its log says why: where the text was constrained, mostly a constraint that cannot be kept"
Asks = dict[str, object]  # the arguments of vLLM's SamplingParams, or of its PoolingParams: these name a task


class Job(Tally):
    """Tokens to read, and something to learn from them."""

    def __init__(self, ids: Sequence[int]) -> None:
        super().__init__()
        self.key = f"headgate-{next(_numbers)}"
        self.ids = list(ids)
        self.over = self.cancelled = False
        self.reports = False  # whether a child's report is wanted
        self.pools = False  # whether it reads only, in an engine made for that
        self.follower: Follower | None = None
        self.error: BaseException | None = None
        self.future: Future[None] = Future()
        self.future.set_running_or_notify_cancel()

    @property
    def prompt(self) -> Asks:
        """Its tokens in the form that vLLM's engines work on."""
        return {"type": "token", "prompt_token_ids": self.ids}

    @property
    def held(self) -> list[int]:
        """What the engine may now hold in its cache."""
        return self.ids

    def asks(self, *, ours: bool, apart: bool) -> Asks:
        """What to ask the engine. ours: it chooses tokens our way. apart: it is in another process."""
        raise NotImplementedError

    def heard(self, output: Any) -> Iterable[Token]:
        """Take what the engine said, a request's output; gives the tokens for whoever follows, each before the next."""
        raise NotImplementedError

    def reported(self, picks: Sequence[Pick], logprobs: Sequence[float]) -> None:
        """Take what a child has told of its draws."""

    def read(self, cached: int, prompt: int | None = None) -> None:
        """So much of the prompt was found in the cache, and the rest (of what was read yet) computed."""
        self.cached = max(cached, 0)
        self.input = (len(self.ids) if prompt is None else prompt) - self.cached

    def settle(self) -> None:
        """Tell whoever waits that nothing more will come."""
        ROWS.pop(self.key, None)
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(None)

    def heed(self, reply: Future[bool]) -> None:
        """Do what a follower asked; without a reply, nothing."""
        if reply.done() and (error := reply.exception()) is not None:
            self.over, self.error = True, error


class Generation(Job):
    """Writes on from a prompt; one of the `n` samples of a call. stops: tokens with which it is over in any case."""

    def __init__(self, ids: Sequence[int], writing: Writing, sample: int, stops: Sequence[int]) -> None:
        super().__init__(ids)
        self.writing, self.sample, self.stops = writing, sample, list(stops)
        self.calls = int(sample == 0)  # the call is the first sample's
        self.over = writing.over
        sampling = writing.sampling
        late = sampling.constraint is not None and bool(sampling.stop)  # an engine apart hears late that it is over
        self.reports = sampling.sees_entropies or late
        self._beyond = 0
        self._drawn: list[int] = []
        self._held: Pick | None = None

    @property
    def held(self) -> list[int]:
        return self.ids + self._drawn

    def asks(self, *, ours: bool, apart: bool) -> Asks:
        sampling = self.writing.sampling
        asks: Asks = {"max_tokens": self.writing.room, "stop_token_ids": self.stops, "ignore_eos": True}
        asks |= _structure(sampling.constraint)
        if ours:
            extra = wish(self.key, sampling, self.sample, stop_token=self._stop_token)
            return asks | {"temperature": 0.0, "extra_args": extra} | ({"logprobs": 0} if apart else {})
        # vLLM's generators begin anew with each request: a seed of the place keeps steps from repeating their noise
        seed = derive(sampling.seed, f"{self.sample}/{len(self.ids)}")
        heat = {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": sampling.top_k}
        return asks | heat | {"seed": seed, "logprobs": 0}

    def heard(self, output: Any) -> Iterator[Token]:
        said = output.outputs[0]
        if said.finish_reason == "error":
            self.over, self.error = True, EngineFailed("vLLM ended the text with an error", hint=_LOOK)
            return
        self.read(output.num_cached_tokens or 0)
        for pick in self._picks(said):
            token = self._take(pick)
            self._tally()  # before anybody sees it, who may break off here
            if token is not None:
                yield token
        if output.finished and not self.writing.over and self._held is None:
            self.writing.end("length")
        self._tally()

    def reported(self, picks: Sequence[Pick], logprobs: Sequence[float]) -> None:
        exact = [pick.entropy for pick in picks]  # before the last pick is taken, which may end by them
        self.writing.entropies[:] = exact[: len(self.writing.entropies)]
        if self._held is not None:
            self.writing.take(picks[len(self._drawn) - 1] if len(picks) >= len(self._drawn) else self._held)
            self._held = None
        self._beyond += max(0, len(picks) - len(self._drawn))
        self._tally()

    def heed(self, reply: Future[bool]) -> None:
        """Stop if the follower asked for it."""
        super().heed(reply)
        if reply.done() and self.error is None and reply.result() and not self.writing.over:
            self.writing.end("callback")
            self.over = True

    @property
    def _stop_token(self) -> int | None:
        return min(self.stops, default=None) if self.writing.sampling.entropy_stop else None

    def _picks(self, said: Any) -> list[Pick]:
        """What was drawn for these tokens; only an engine in this process tells entropies with them."""
        begun = len(self._drawn)
        self._drawn += said.token_ids
        if (row := ROWS.get(self.key)) is not None:
            return row.picks[begun : len(self._drawn)]
        rows = zip(said.token_ids, said.logprobs, strict=True)
        return [Pick(token, float(likely[token].logprob), math.nan) for token, likely in rows]

    def _take(self, pick: Pick) -> Token | None:
        if self.writing.over:
            self._beyond += 1
            return None
        if math.isnan(pick.entropy) and pick.token == self._stop_token:
            self._held = pick  # it ended a turn or stands for an entropy: the report knows
            return None
        return self.writing.take(pick)

    def _tally(self) -> None:
        self.over = self.writing.over
        self.output = self.writing.output + self._beyond
        self.reasoning = self.writing.reasoning + (self._beyond if self.writing.reasoning else 0)


class Peek(Job):
    """Reads a prompt for the distribution of what comes next."""

    def __init__(self, ids: Sequence[int], spellings: Mapping[str, list[int]]) -> None:
        super().__init__(ids)
        self.spellings, self.reports = spellings, True
        self.entropy = math.nan
        self.logprobs: dict[str, float] = {}
        self.top: tuple[float, ...] = ()
        self._asked = sorted({token for tokens in spellings.values() for token in tokens})

    def asks(self, *, ours: bool, apart: bool) -> Asks:
        extra = wish(self.key, self._greedy, 0, self._asked)
        return {"max_tokens": 1, "temperature": 0.0, "ignore_eos": True, "extra_args": extra}

    def heard(self, output: Any) -> list[Token]:
        self.read(output.num_cached_tokens or 0)
        self.output, self.over = 1, True
        if (row := ROWS.get(self.key)) is not None:
            self.reported(row.picks, row.logprobs)
        return []

    def reported(self, picks: Sequence[Pick], logprobs: Sequence[float]) -> None:
        if picks:
            self.entropy = picks[0].entropy
        asked = len(self._asked)
        self.top = tuple(logprobs[asked:])
        self._sum(logprobs[:asked])

    _greedy = Sampling(max_tokens=1, entropies=True)

    def _sum(self, logprobs: Sequence[float]) -> None:
        if len(logprobs) == len(self._asked):
            known = dict(zip(self._asked, logprobs, strict=True))
            self.logprobs = {text: _log_sum([known[t] for t in tokens]) for text, tokens in self.spellings.items()}


class Score(Job):
    """Reads a prompt and a continuation for the continuation's log-probabilities.

    afresh: without what is cached. Only rows behind the cached ones are computed, and only they are valid.
    """

    def __init__(self, ids: Sequence[int], continuation: Sequence[int], *, afresh: bool) -> None:
        super().__init__([*ids, *continuation])
        self.begin, self.afresh = len(ids), afresh
        self.logprobs: list[float] | None = None

    def asks(self, *, ours: bool, apart: bool) -> Asks:
        asks: Asks = {"max_tokens": 1, "temperature": 0.0, "ignore_eos": True, "prompt_logprobs": 0}
        return asks | {"flat_logprobs": True, "skip_reading_prefix_cache": self.afresh}

    def heard(self, output: Any) -> list[Token]:
        """Keep the rows, or None where the cache held what was to be scored."""
        self.read(output.num_cached_tokens or 0)
        self.over = True
        if self.begin > self.cached:
            rows = output.prompt_logprobs
            self.logprobs = [float(rows.logprobs[rows.start_indices[i]]) for i in range(self.begin, len(self.ids))]
        return []


class Embed(Job):
    """Reads a text for its vector."""

    def __init__(self, ids: Sequence[int]) -> None:
        super().__init__(ids)
        self.pools = True
        self.calls = 0  # the call is the first text's
        self.vector: tuple[float, ...] = ()

    def asks(self, *, ours: bool, apart: bool) -> Asks:
        return {"task": "embed"}

    def heard(self, output: Any) -> list[Token]:
        self.read(output.num_cached_tokens or 0)
        self.vector, self.over = tuple(output.outputs.data.float().tolist()), True
        return []


class Reward(Job):
    """Reads a solution for a reward head's outputs at the ends of its steps, None where the cache held one of them.

    afresh: without what is cached. The engine gives a row for each token that it computed.
    """

    def __init__(self, ids: Sequence[int], ends: Sequence[int], *, afresh: bool) -> None:
        super().__init__(ids)
        self.pools = True
        self.ends, self.afresh = ends, afresh
        self.outputs: list[list[float]] | None = None

    def asks(self, *, ours: bool, apart: bool) -> Asks:
        return {"task": "token_classify", "use_activation": False, "skip_reading_prefix_cache": self.afresh}

    def heard(self, output: Any) -> list[Token]:
        self.read(output.num_cached_tokens or 0)
        self.over = True
        if self.ends[0] >= self.cached:
            rows = output.outputs.data
            self.outputs = [rows[end - self.cached].float().tolist() for end in self.ends]
        return []


def _structure(constraint: Constraint | None) -> Asks:
    """A constraint as vLLM is told of it."""
    if constraint is None:
        return {}
    told = {"regex": constraint.regex} if constraint.regex else {"json": constraint.json_schema}
    return {"structured_outputs": told}


def _log_sum(logs: Sequence[float]) -> float:
    top = max(logs, default=-math.inf)
    return top if math.isinf(top) else top + math.log(sum(math.exp(value - top) for value in logs))
