"""The seam between strategies and engines: what has been said, how to go on, what came of it, what an engine can do.

Contexts are values: a tuple of pieces that `append` never changes, so that keeping an old one is a fork and a
rollback. A piece carries the ids that were sampled, per tokenizer, so that history is never tokenised again.
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, Protocol, Self, runtime_checkable

from ..budget.cost import Cost

Role = Literal["system", "user", "assistant", "tool"]
Part = Literal["text", "think", "answer"]  # think and answer are the two halves of a reasoning model's turn
Stop = Literal["delimiter", "think_end", "eos", "length", "budget", "entropy", "callback", "cancelled"]
Exactness = Literal["exact", "lower_bound", "none"]
OPERATIONS: Final = (
    "generate",
    "continue",
    "entropy_stop",
    "regex",
    "json_schema",
    "peek",
    "score",
    "embed",
    "reward",
    "hogwild",
)
TOP: Final = 20  # likeliest tokens that a peek tells of, the most that servers commonly give
_SIGNS: Final = re.compile(r"[][\\.^$*+?(){}|]")  # that stand for something else in a regular expression


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A stretch of text by one author; `ids` holds its tokens by tokenizer, each filled once and then kept.

    A user's piece of part "think" is a question to reason about: a dialect adds its instruction to it.
    """

    role: Role
    text: str
    part: Part = "text"
    author: str = ""
    stop: Stop | None = None
    ids: dict[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]], compare=False)

    def encoded(self, tokenizer: str, encode: Callable[[str], Sequence[int]]) -> tuple[int, ...]:
        """Its ids in one tokenizer; a piece that another model wrote is encoded here, once."""
        if (ids := self.ids.get(tokenizer)) is None:
            ids = self.ids.setdefault(tokenizer, tuple(encode(self.text)))
        return ids


@dataclass(frozen=True, slots=True)
class Context:
    """What has been said, and which part of the assistant's turn is written next.

    The tags that open and close thinking are never pieces: a dialect writes them where the part changes, so that
    `</think>` stands exactly once whoever closed the thinking.
    """

    pieces: tuple[Piece, ...] = ()
    writing: Part = "text"

    @classmethod
    def ask(cls, question: str, *, writing: Part = "think") -> Self:
        """A user's question, with the assistant about to write."""
        return cls((Piece(role="user", text=question, part=writing),), writing)

    def append(self, *pieces: Piece) -> "Context":
        """The same context and more; the pieces before are shared."""
        return replace(self, pieces=self.pieces + pieces)

    def then(self, part: Part) -> "Context":
        """The same pieces, with another part to be written next."""
        return self if part == self.writing else replace(self, writing=part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """What a whole text must be: a match of a regular expression, or JSON of a schema, written as JSON; one of the two.

    Its field is named as the operation that a backend declares for it. A text that `max_tokens` or a delimiter cuts
    is the beginning of such a text. Regular expressions are as engines read them: neither looking around nor
    referring back. Raises: ValueError.
    """

    regex: str = ""
    json_schema: str = ""

    def __post_init__(self) -> None:
        if bool(self.regex) == bool(self.json_schema):
            raise ValueError("a constraint is a regex or a json_schema, one of the two")
        if self.json_schema and not isinstance(json.loads(self.json_schema), dict):
            raise ValueError(f"a json_schema is a JSON object, not {self.json_schema[:40]!r}")

    @classmethod
    def choice(cls, *texts: str) -> Self:
        """One of these texts, to the letter. Raises: ValueError."""
        return cls(regex="|".join(_SIGNS.sub(r"\\\g<0>", text) for text in texts))

    @property
    def operation(self) -> str:
        """What a backend must declare to hold a text to it."""
        return "regex" if self.regex else "json_schema"


@dataclass(frozen=True, slots=True, kw_only=True)
class EntropyStop:
    """Where a text ends for its uncertainty: BEFORE the first token at which a mean entropy leaves its bounds.

    The mean, in nats, is that of the last `window` next-token entropies, the coming token's included; as long as there
    are fewer, nothing ends. above: ends where it exceeds this. at_most: ends where it is no more than this. after: so
    many tokens are written in any case. within: of how many first tokens it is asked; None asks before each. before:
    entropies that the window begins with, of what another call wrote. Raises: ValueError.
    """

    above: float = math.inf
    at_most: float = -math.inf
    window: int = 1
    after: int = 0
    within: int | None = None
    before: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.window < 1:
            raise ValueError(f"a window holds at least one entropy, not {self.window}")

    def ends(self, entropies: Sequence[float]) -> bool:
        """Whether a text ends before its next token; entropies: of all its tokens, the next one's last."""
        written = len(entropies) - 1
        if written < self.after or (self.within is not None and written >= self.within):
            return False
        recent = (*self.before, *entropies[-self.window :])[-self.window :]
        if len(recent) < self.window:
            return False
        mean = sum(recent) / self.window
        return mean > self.above or mean <= self.at_most


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How to continue a context.

    temperature 0 is greedy, ties to the lowest id. stop: delimiters; a generation ends with the token that completes
    one, and what that token carries beyond it is kept. entropy_stop: what uncertainty ends it, so that a probe
    and its step are one call. constraint: what the text must be; log-probabilities and entropies are then those among
    the tokens that it allows. While a context is writing its think part, the dialect's closing tag always ends the
    generation (stop "think_end") and is not part of the text.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    max_tokens: int = 512
    stop: tuple[str, ...] = ()
    entropy_stop: EntropyStop | None = None
    constraint: Constraint | None = None
    seed: int = 0
    entropies: bool = False

    @property
    def needs(self) -> frozenset[str]:
        """The operations that a backend must declare to go on so."""
        more = {"entropy_stop"} if self.entropy_stop else set[str]()
        return frozenset({"generate"} | more | ({self.constraint.operation} if self.constraint else set[str]()))

    @property
    def sees_entropies(self) -> bool:
        """Whether entropies must be computed."""
        return self.entropies or self.entropy_stop is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One generated token as it streams; `logprob` is the natural log under the model, before temperature."""

    text: str
    id: int | None
    logprob: float


OnToken = Callable[[Token], bool | None]  # returns True to stop after this token


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What came of a generation.

    token_ids: of `text`, in `tokenizer`; empty where the server gives none. logprobs: natural logs under the model
    before temperature, one a token. entropies: nats, if they were asked for or could end it: before each token that
    was computed, a closing one included, and last before the token that an entropy kept from being written. usage: as
    measured by the engine, closing tags and end-of-turn tokens included.
    """

    text: str
    stop: Stop
    usage: Cost
    token_ids: tuple[int, ...] = ()
    tokenizer: str = ""
    logprobs: tuple[float, ...] = ()
    entropies: tuple[float, ...] | None = None
    exactness: Exactness = "none"

    def piece(self, part: Part, author: str) -> Piece:
        """As a piece of the assistant's turn."""
        ids = {self.tokenizer: self.token_ids} if self.tokenizer else {}
        return Piece(role="assistant", text=self.text, part=part, author=author, stop=self.stop, ids=ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class NextToken:
    """The distribution of the next token.

    entropy: nats. logprobs: for each text that was asked for, the natural log of the summed probability of its
    single-token spellings (with and without a leading space), -inf where it has none. top: natural logs of the
    likeliest tokens, in falling order: `TOP` of them, or as many as there are or a server tells of.
    """

    entropy: float
    exactness: Exactness
    logprobs: Mapping[str, float]
    usage: Cost
    top: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Likelihood:
    """Teacher-forced natural log-probabilities, one a token of the continuation."""

    logprobs: tuple[float, ...]
    usage: Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Embeddings:
    """One vector a text, of unit length, all of one size."""

    vectors: tuple[tuple[float, ...], ...]
    usage: Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewards:
    """How good each step of a solution is, from 0 to 1, in order."""

    values: tuple[float, ...]
    usage: Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a backend, as configured, can do.

    operations: of `OPERATIONS`; without "continue" a turn that has begun is not gone on with, without "entropy_stop",
    "regex" or "json_schema" no `Sampling` may ask for it. external: it outlives this process or charges for it, so
    that a reservation must be durable first. cancel: what a cancelled call costs. parallel: calls that it gains from
    having in flight together. reread: prompt tokens that each sample of a call but the first may read again.
    """

    operations: frozenset[str]
    max_context: int
    external: bool = False
    token_ids: bool = True
    entropy: Exactness = "none"
    cancel: Literal["bill_partial", "bill_full", "drain", "unknown"] = "unknown"
    parallel: int = 1
    min_useful: int = 1
    reread: int = 0


class Backend(Protocol):
    """An engine. Every method may raise a `BackendError`; cancelling a call stops it within one token.

    A cancelled `generate` that knows what it cost raises `Cancelled` in place of `CancelledError`.
    """

    capabilities: Capabilities

    def count(self, context: Context) -> int:
        """An upper bound of the input tokens of a context, tags and turn frames included."""
        ...

    async def generate(
        self, context: Context, sampling: Sampling, n: int = 1, on_token: OnToken | None = None
    ) -> list[Completion]:
        """Continue a context n times; `on_token` sees the first continuation's tokens, in order."""
        ...

    async def peek(self, context: Context, texts: Sequence[str] = ()) -> NextToken:
        """The distribution of the next token, and of these texts in it; leaves no mark on the context."""
        ...

    async def score(self, context: Context, continuation: Piece) -> Likelihood:
        """Log-probabilities of a continuation's tokens; leaves no mark on the context.

        Where the continuation's stop is "think_end", its closing tag's are the last.
        """
        ...

    def judge(self, context: Context) -> Context:
        """The context with this model's own request, in its dialect, for a digit that rates the last step."""
        ...

    def same(self, left: str, right: str) -> Context:
        """This model's own question, in its dialect, whether two steps say the same: about to answer yes or no."""
        ...

    async def close(self) -> None:
        """Free what it holds; calls in flight are cancelled."""
        ...


@runtime_checkable
class Caching(Protocol):
    """An engine whose cache of what was read and written before can be emptied from here."""

    async def forget(self) -> None:
        """Empty it; between calls only."""
        ...


class Pooling(Protocol):
    """An engine that reads texts and does not write."""

    capabilities: Capabilities

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        """A vector for each text. Only where "embed" is declared."""
        ...


@runtime_checkable
class Rewarding(Protocol):
    """An engine with a process reward model, which reads solutions and does not write."""

    capabilities: Capabilities

    async def rewards(self, context: Context) -> Rewards:
        """A reward for each step: the user's pieces are the problem, the assistant's its solution so far.

        A piece holds one step or several, separated as the model's dialect says; one that says nothing is no step.
        Only where "reward" is declared; there, `count` is of what this reads.
        """
        ...
