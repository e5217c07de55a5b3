"""Choosing tokens inside a vLLM engine: the same draws as the local engine's, with exact entropies, and asked texts.

The engine hands over a batch's logits before it would sample, and is left one possible token a row. A draw's randomness
is a function of its seed and place, so that a text depends neither on the batch nor on how it was cut into steps.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final

import torch
from torch import Tensor

from ..base import EntropyStop, Sampling
from ..local.sampling import Draw, Draws, numbers, top
from ..writing import Pick

KEY: Final = "headgate"  # where a request's extra arguments hold its wish
_NEVER: Final = -1e30  # a logit whose probability is zero, and whose part in an entropy is too: -inf would make it nan
_FORGOTTEN = 4096  # rows kept for whoever has not asked for them

Wish = dict[str, object]  # what a request tells its engine, in types that cross a process border


@dataclass(slots=True)
class Row:
    """One request in the engine's batch: how it draws, and what was drawn.

    written: the engine's own list of its tokens. asked: tokens whose log-probabilities are wanted, of the first place,
    and then those of the likeliest tokens; None wants none. held: to a constraint, so that some tokens are impossible.
    """

    draw: Draw
    first: int
    written: Sequence[int]
    asked: list[int] | None
    stop_token: int | None
    held: bool = False
    picks: list[Pick] = field(default_factory=list[Pick])
    logprobs: list[float] = field(default_factory=list[float])

    @property
    def position(self) -> int:
        """Where its next token will stand in the context."""
        return self.first + len(self.written)

    def choose(self, choice: Pick) -> int:
        """Keep what was drawn; a prompt read in parts draws after each, and the last draw counts."""
        del self.picks[len(self.written) :]
        self.picks.append(choice)
        uncertain = self.draw.sampling.entropy_stop
        ends = uncertain is not None and uncertain.ends([pick.entropy for pick in self.picks])
        return choice.token if self.stop_token is None or not ends else self.stop_token


ROWS: Final[OrderedDict[str, Row]] = OrderedDict()  # of this process, by the request's key


def wish(
    key: str,
    sampling: Sampling,
    sample: int,
    asked: Sequence[int] | None = None,
    stop_token: int | None = None,
) -> dict[str, Wish]:
    """The extra arguments of a request. stop_token: what ends it at once where it is to stop before a token."""
    names = ("temperature", "top_p", "top_k", "seed", "entropies")
    told: Wish = {name: getattr(sampling, name) for name in names}
    told["entropy_stop"] = asdict(sampling.entropy_stop) if sampling.entropy_stop else None
    more: Wish = {
        "asked": None if asked is None else list(asked),
        "stop_token": stop_token,
        "held": sampling.constraint is not None,
    }
    return {KEY: told | {"key": key, "sample": sample} | more}


class Choosing:
    """The rows of one engine's batch, by index; moved about as the engine moves them."""

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        self._draws: Draws | None = None  # of the rows in order, for as long as they stay together

    def remove(self, index: int) -> None:
        self._draws = None
        self.rows.pop(index, None)

    def add(self, index: int, extra: Mapping[str, object] | None, prompt: int, written: Sequence[int]) -> None:
        """A request takes a place in the batch, or comes back to it."""
        self.remove(index)
        told = (extra or {}).get(KEY)
        if isinstance(told, dict):
            self.rows[index] = _row(told, prompt, written)  # pyright: ignore[reportUnknownArgumentType]

    def move(self, source: int, target: int, *, swap: bool) -> None:
        self._draws = None
        moved, displaced = self.rows.pop(source, None), self.rows.pop(target, None)
        if moved is not None:
            self.rows[target] = moved
        if swap and displaced is not None:
            self.rows[source] = displaced

    def apply(self, logits: Tensor) -> Tensor:
        """Leave each of our rows one possible token; logits [B, V], fp32, changed in place."""
        if not self.rows:
            return logits
        if self._draws is None:
            self.rows = dict(sorted(self.rows.items()))
            self._draws = Draws([row.draw for row in self.rows.values()])
        indices, rows = list(self.rows), list(self.rows.values())
        ours = logits if len(rows) == len(logits) else logits[indices]  # [n, V]
        if any(row.held for row in rows):
            ours = ours.clamp(min=_NEVER)
        picks = self._draws.pick(ours, [row.position for row in rows])
        for place, row in enumerate(rows):
            if row.asked is not None:
                logs = ours[place].log_softmax(-1)
                asked = logs[torch.tensor(row.asked, dtype=torch.long, device=logs.device)]
                row.logprobs = numbers(torch.cat([asked, top(logs)]))
        columns = zip(rows, picks.tokens, picks.logprobs, picks.entropies, strict=True)
        chosen = [row.choose(Pick(token, likely, nats)) for row, token, likely, nats in columns]
        logits[indices, chosen] = torch.inf
        return logits


def take(key: str) -> tuple[list[Pick], list[float]]:
    """What was drawn for a request, and the log-probabilities that it asked for; forgotten here."""
    row = ROWS.pop(key, None)
    return (row.picks, row.logprobs) if row else ([], [])


def _row(told: Mapping[str, object], prompt: int, written: Sequence[int]) -> Row:
    values = dict(told)
    key, sample, *row = (values.pop(name) for name in ("key", "sample", "asked", "stop_token", "held"))
    if isinstance(uncertain := values["entropy_stop"], dict):
        values["entropy_stop"] = EntropyStop(**uncertain)  # pyright: ignore[reportUnknownArgumentType]
    fresh = Row(Draw(Sampling(**values), sample), prompt, written, *row)  # type: ignore[arg-type]
    if (known := ROWS.get(str(key))) is not None:  # it was put back into the queue for want of memory
        fresh.picks, fresh.logprobs = known.picks, known.logprobs
    ROWS[str(key)] = fresh
    while len(ROWS) > _FORGOTTEN:
        ROWS.popitem(last=False)
    return fresh
