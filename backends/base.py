"""The seam between strategies and engines: what has been said, how to go on, what came of it, what an engine can do.

Contexts are values: a tuple of pieces that `append` never changes, so that keeping an old one is a fork and a
rollback. A piece carries the ids that were sampled, per tokenizer, so that history is never tokenised again.
"""

import json
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
    "stop_above",
    "regex",
    "json_schema",
    "peek",
    "score",
    "embed",
    "hogwild",
)
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
class Sampling:
    """How to continue a context.

    temperature 0 is greedy, ties to the lowest id. stop: delimiters; a generation ends with the token that completes
    one, and what that token carries beyond it is kept. stop_above: ends BEFORE the first token at which the
    next-token entropy, in nats, exceeds it. constraint: what the text must be; log-probabilities and entropies are
    then those among the tokens that it allows. While a context is writing its think part, the dialect's closing tag
    always ends the generation (stop "think_end") and is not part of the text.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    max_tokens: int = 512
    stop: tuple[str, ...] = ()
    stop_above: float | None = None
    constraint: Constraint | None = None
    seed: int = 0
    entropies: bool = False

    @property
    def needs(self) -> frozenset[str]:
        """The operations that a backend must declare to go on so."""
        more = {"stop_above"} if self.stop_above is not None else set[str]()
        return frozenset({"generate"} | more | ({self.constraint.operation} if self.constraint else set[str]()))


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
    before temperature, one a token. entropies: nats, before each token, if they were asked for. usage: as measured by
    the engine, closing tags and end-of-turn tokens included.
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
    single-token spellings (with and without a leading space), -inf where it has none.
    """

    entropy: float
    exactness: Exactness
    logprobs: Mapping[str, float]
    usage: Cost


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
class Capabilities:
    """What a backend, as configured, can do.

    operations: of `OPERATIONS`; without "continue" a turn that has begun is not gone on with, without "stop_above",
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
