"""Models without weights, for tests, demonstrations and measurements of everything around a model.

Three forms, all deterministic:
- `Replies`: says what it is told to, in order; rates what it is told to.
- `Table`: a table language model: the next token's distribution depends on the last token alone; generate, peek and
  score agree with the table to the last bit.
- `Skill`: knows the solution of its problems and gets each step right with a given probability; its clock is
  simulated, so that a cost of time can be studied without waiting.

Tokens are words with the space before them, digits, marks and runs of line ends. A token's id is its own bytes read
as a number, so that all scripted models share one tokenizer and an id means the same wherever it was sampled.
"""

import asyncio
import json
import math
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Final, Protocol, cast

from ..budget.cost import Cost
from . import spelling
from .base import TOP, Capabilities, Completion, Context, Likelihood, NextToken, OnToken, Piece, Sampling, Stop, Token
from .dialect import Dialect
from .errors import Cancelled, NotAModel, Refused

TOKENIZER: Final = "scripted"
END: Final = "<|im_end|>"
_WORDS: Final = re.compile(r"</?think>|<\|im_\w+\|>|\n+|\d| ?[^\W\d]+| ?[^\w\s]|\s|_")
_CAPABILITIES: Final = Capabilities(
    operations=frozenset({"generate", "continue", "entropy_stop", "peek", "score"}),
    max_context=32_768,
    entropy="exact",
    cancel="bill_partial",
    parallel=64,
)
spelling.learn(TOKENIZER, lambda id: _token(id).encode(errors="replace"))
_PLAIN: Final = Dialect(instruction="", judge="Rate the last step from 0 to 9.", judge_prefill="")


class Speaker(Protocol):
    """What tells the forms apart: the distribution of the next token after a rendered context."""

    def begin(self, context: Context, sampling: Sampling | None, sample: int) -> "Voice":
        """Be asked to go on from a context; `sampling` is None for a look that leaves no mark."""
        ...


class Voice(Protocol):
    """One continuation being spoken."""

    def following(self, last: str) -> Mapping[str, float]:
        """Probabilities of the next token after `last`; `END` ends the turn."""
        ...


@dataclass(slots=True)
class Scripted:
    """A backend around a speaker; `seconds_per_token` is simulated, never slept."""

    speaker: Speaker
    dialect: Dialect = _PLAIN
    seconds_per_token: float = 0.0
    seconds_per_call: float = 0.0
    capabilities: Capabilities = _CAPABILITIES
    _read: set[str] = field(default_factory=set[str])

    def count(self, context: Context) -> int:
        """Exact."""
        return sum(len(_split(segment)) for segment in self.dialect.render(context))

    async def generate(
        self, context: Context, sampling: Sampling, n: int = 1, on_token: OnToken | None = None
    ) -> list[Completion]:
        """One token at a time, giving way to the loop between them when somebody listens."""
        if sampling.constraint:
            raise Refused("a script holds no text to a form")
        paid, done = self._prefill(context), list[Completion]()
        for index in range(n):
            spoken = await self._speak(context, sampling, index, on_token if index == 0 else None, paid)
            done.append(replace(spoken, usage=paid + spoken.usage) if index == 0 else spoken)
            paid += spoken.usage
        return done

    async def peek(self, context: Context, texts: Sequence[str] = ()) -> NextToken:
        """Exact, from the speaker's own distribution."""
        prompt = self._prefill(context)
        following = self.speaker.begin(context, None, 0).following(self._last(context))
        logprobs = {text: _log(following.get(text, 0.0) + following.get(f" {text}", 0.0)) for text in texts}
        usage = prompt + Cost(output=1, seconds=self.seconds_per_token)
        top = tuple(map(_log, sorted(following.values(), reverse=True)[:TOP]))
        return NextToken(entropy=_entropy(following), exactness="exact", logprobs=logprobs, usage=usage, top=top)

    async def score(self, context: Context, continuation: Piece) -> Likelihood:
        """Exact, from the speaker's own distribution."""
        voice, last = self.speaker.begin(context, None, 0), self._last(context)
        logprobs: list[float] = []
        closing = [self.dialect.think_end] if continuation.stop == "think_end" else []
        for token in [*_split(continuation), *closing]:
            logprobs.append(_log(voice.following(last).get(token, 0.0)))
            last = token
        return Likelihood(logprobs=tuple(logprobs), usage=self._prefill(context.append(continuation)))

    def judge(self, context: Context) -> Context:
        """In its dialect."""
        return self.dialect.rate(context)

    def same(self, left: str, right: str) -> Context:
        """In its dialect."""
        return self.dialect.same(left, right)

    async def forget(self) -> None:
        """Empty what was kept of earlier calls, so that the next ones are billed as the first were."""
        self._read.clear()

    async def close(self) -> None:
        """Nothing is held."""

    # -- speaking ---------------------------------------------------------------------------------------------

    async def _speak(
        self, context: Context, sampling: Sampling, index: int, on_token: OnToken | None, paid: Cost
    ) -> Completion:
        """One continuation; `paid` is what the call had cost before, for the bill of a cancelled one."""
        voice, last = self.speaker.begin(context, sampling, index), self._last(context)
        spoken = _Spoken(thinking=context.writing == "think", stop=None if sampling.max_tokens > 0 else "length")
        try:
            while spoken.stop is None:
                following = voice.following(last)
                last = self._step(spoken, following, sampling, index, on_token)
                if on_token:
                    await asyncio.sleep(0)
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            raise Cancelled(paid + self._usage(spoken)) from None
        return self._completion(spoken, sampling)

    def _step(
        self,
        spoken: "_Spoken",
        following: Mapping[str, float],
        sampling: Sampling,
        index: int,
        on_token: OnToken | None,
    ) -> str:
        spoken.entropies.append(_entropy(following))
        if sampling.entropy_stop and sampling.entropy_stop.ends(spoken.entropies):
            spoken.stop = "entropy"
            return ""
        token = _draw(following, sampling, index, spoken.drawn)
        spoken.take(token, _log(following[token]), sampling, self.dialect)
        if on_token and spoken.kept_last and on_token(self._as_token(token, spoken)):
            spoken.stop = spoken.stop or "callback"
        return token

    def _as_token(self, token: str, spoken: "_Spoken") -> Token:
        return Token(text=token, id=_id(token), logprob=spoken.logprobs[-1])

    def _completion(self, spoken: "_Spoken", sampling: Sampling) -> Completion:
        assert spoken.stop is not None
        return Completion(
            text="".join(spoken.tokens),
            stop=spoken.stop,
            usage=self._usage(spoken),
            token_ids=tuple(map(_id, spoken.tokens)),
            tokenizer=TOKENIZER,
            logprobs=tuple(spoken.logprobs),
            entropies=tuple(spoken.entropies) if sampling.sees_entropies else None,
            exactness="exact",
        )

    def _usage(self, spoken: "_Spoken") -> Cost:
        seconds = self.seconds_per_call + spoken.drawn * self.seconds_per_token
        return Cost(output=spoken.drawn, reasoning=spoken.drawn if spoken.thinking else 0, seconds=seconds)

    def _prefill(self, context: Context) -> Cost:
        """The prompt's bill: what an earlier call had read, up to a piece's end, is cached."""
        fresh = cached = 0
        prefix = ""
        for segment in self.dialect.render(context):
            prefix += segment if isinstance(segment, str) else segment.text
            size = len(_split(segment))
            fresh, cached = (fresh, cached + size) if prefix in self._read else (fresh + size, cached)
            self._read.add(prefix)
        return Cost(input=fresh, cached_input=cached, calls=1)

    def _last(self, context: Context) -> str:
        segments = reversed(list(self.dialect.render(context)))
        return next((tokens[-1] for segment in segments if (tokens := _split(segment))), "")


@dataclass(slots=True)
class _Spoken:
    """What one continuation has said so far."""

    thinking: bool
    tokens: list[str] = field(default_factory=list[str])
    logprobs: list[float] = field(default_factory=list[float])
    entropies: list[float] = field(default_factory=list[float])
    drawn: int = 0
    kept_last: bool = False
    stop: Stop | None = None

    def take(self, token: str, logprob: float, sampling: Sampling, dialect: Dialect) -> None:
        self.drawn += 1
        ended: Stop | None = "eos" if token == END else None
        if self.thinking and token == dialect.think_end:
            ended = "think_end"
        self.kept_last = ended is None
        if ended is None:
            self.tokens.append(token)
            self.logprobs.append(logprob)
            ended = self._full(sampling)
        self.stop = ended

    def _full(self, sampling: Sampling) -> Stop | None:
        for mark in sampling.stop:
            # a token may carry more than the delimiter; it is kept whole
            text = "".join(self.tokens[-len(mark) :])
            if mark in text[-len(mark) - len(self.tokens[-1]) + 1 :]:
                return "delimiter"
        return "length" if self.drawn >= sampling.max_tokens else None


# -- the three forms ------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Replies:
    """Says its replies in order, each to one generation; rates steps with its ratings in order.

    When replies run out it ends its turn; when ratings run out it repeats the last.
    """

    replies: Sequence[str]
    ratings: Sequence[int] = (9,)
    _said: Iterator[int] = field(default_factory=count)
    _rated: Iterator[int] = field(default_factory=count)

    def begin(self, context: Context, sampling: Sampling | None, sample: int) -> Voice:
        """The next reply, or for a look the next rating."""
        if sampling is None:
            return _Fixed(iter([str(self.ratings[min(next(self._rated), len(self.ratings) - 1)])]))
        index = next(self._said)
        return _Fixed(iter(words(self.replies[index]) if index < len(self.replies) else ()))


@dataclass(slots=True)
class _Fixed:
    tokens: Iterator[str]

    def following(self, last: str) -> Mapping[str, float]:
        return {next(self.tokens, END): 1.0}


@dataclass(slots=True)
class Table:
    """The next token by the last: `{"a": {"b": 0.9, "c": 0.1}, "*": {...}}`; "*" stands for any other token."""

    table: Mapping[str, Mapping[str, float]]

    def __post_init__(self) -> None:
        for last, row in self.table.items():
            if not abs(sum(row.values()) - 1) <= 1e-9 or any(p < 0 for p in row.values()):
                raise ValueError(f"the row after {last!r} is no distribution; its probabilities must sum to 1")

    def begin(self, context: Context, sampling: Sampling | None, sample: int) -> Voice:
        """The same wherever it stands: the last token decides."""
        return self

    def following(self, last: str) -> Mapping[str, float]:
        """The row of the last token."""
        return self.table.get(last) or self.table.get("*") or {END: 1.0}


@dataclass(slots=True)
class Skill:
    """Knows solutions by question: steps and an answer; writes each step right with probability `skill`.

    Which steps go wrong is drawn from the call's seed. It rates a step 9 if right, else 0, and is wrong about it with
    probability 1 - `judge`; a wrong step is unlikely under it at its wrong token.
    """

    solutions: Mapping[str, tuple[Sequence[str], str]]
    skill: float = 1.0
    judge: float = 1.0

    def begin(self, context: Context, sampling: Sampling | None, sample: int) -> Voice:
        """The next step of the solution, the answer, or a digit, by what is to be written."""
        asked = next(piece.text for piece in context.pieces if piece.role == "user")
        steps, answer = self.solutions.get(asked, ((), "unknown"))
        if context.writing == "text":
            return _Fixed(iter([self._rate(context, steps)]))
        if context.writing == "answer":
            return _Fixed(iter(words(self._answer(context, steps, answer))))
        return self._next_step(context, steps, sampling, sample)

    def _next_step(self, context: Context, steps: Sequence[str], sampling: Sampling | None, sample: int) -> Voice:
        """The next step, or without a delimiter to stop at all that are left."""
        index = sum(piece.role == "assistant" for piece in context.pieces)
        if sampling is None:
            return _Likely(iter(words(steps[index] + "\n\n") if index < len(steps) else ["</think>"]))
        draw = random.Random(f"{sampling.seed}/{sample}")
        left = steps[index : index + 1] if sampling.stop else steps[index:]
        written = [step if draw.random() < self.skill else slip(step) for step in left]
        return _Fixed(iter([*words("".join(f"{step}\n\n" for step in written)), "</think>"]))

    def _rate(self, context: Context, steps: Sequence[str]) -> str:
        thought = [piece for piece in context.pieces if piece.role == "assistant" and piece.part == "think"]
        expected = [*(step + "\n\n" for step in steps), ""]
        right = len(thought) <= len(expected) and thought[-1].text == expected[len(thought) - 1]
        sure = random.Random("".join(piece.text for piece in context.pieces)).random() < self.judge
        return "9" if right == sure else "0"

    def _answer(self, context: Context, steps: Sequence[str], answer: str) -> str:
        thought = "".join(piece.text for piece in context.pieces if piece.part == "think" and piece.role != "user")
        right = [step for step in thought.split("\n\n") if step][: len(steps)] == list(steps)
        return f"\\boxed{{{answer if right else slip(answer)}}}"


@dataclass(slots=True)
class _Likely:
    """Expects these tokens, each with probability 0.9 against one slip."""

    tokens: Iterator[str]

    def following(self, last: str) -> Mapping[str, float]:
        token = next(self.tokens, END)
        return {token: 0.9, slip(token) if token.isdigit() else token + "?": 0.1}


def slip(text: str) -> str:
    """The same with its last digit one higher, or a question mark where there is none."""
    at = next((i for i in range(len(text) - 1, -1, -1) if text[i].isdigit()), None)
    return text + "?" if at is None else text[:at] + str((int(text[at]) + 1) % 10) + text[at + 1 :]


def words(text: str) -> list[str]:
    """A text's tokens; joined they are the text."""
    return _WORDS.findall(text)


def _split(segment: str | Piece) -> Sequence[str]:
    """The tokens of a frame, or those of a piece as they were sampled."""
    if isinstance(segment, str):
        return words(segment)
    return [_token(id) for id in segment.encoded(TOKENIZER, lambda text: [_id(token) for token in words(text)])]


def _id(token: str) -> int:
    return int.from_bytes(b"\1" + token.encode("utf-8", "surrogatepass"), "big")


def _token(id: int) -> str:
    return id.to_bytes((id.bit_length() + 7) // 8, "big")[1:].decode("utf-8", "surrogatepass")


def load(path: Path) -> Scripted:
    """A model from a JSON file: `{"form": "replies" | "table" | "skill", ...}` with that form's fields.

    Raises: NotAModel for a file that is none.
    """
    forms = {"replies": Replies, "table": Table, "skill": Skill}
    try:
        raw = cast(dict[str, object], json.loads(path.read_text(encoding="utf-8")))
        clock = {name: cast(float, raw.pop(name)) for name in ("seconds_per_token", "seconds_per_call") if name in raw}
        return Scripted(forms[str(raw.pop("form"))](**raw), **clock)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        hint = 'write {"form": "replies", "replies": ["..."]}, or form "table" or "skill"'
        raise NotAModel(f"{path} is no scripted model: {error}", hint=hint) from error


def _draw(following: Mapping[str, float], sampling: Sampling, index: int, position: int) -> str:
    """A token by temperature, top_k and top_p; greedy ties go to the first of the table."""
    if sampling.temperature == 0 or len(following) == 1:
        return max(following, key=following.__getitem__)
    top = max(following.values())
    weights = {token: (p / top) ** (1 / sampling.temperature) for token, p in following.items() if p > 0}
    ranked = sorted(weights, key=lambda token: -weights[token])[: sampling.top_k or None]
    total, room, nucleus = sum(weights[token] for token in ranked), 0.0, list[str]()
    for token in ranked:
        nucleus.append(token)
        room += weights[token] / total
        if room >= sampling.top_p:
            break
    draw = random.Random(f"{sampling.seed}/{index}/{position}")
    return draw.choices(nucleus, [weights[token] for token in nucleus])[0]


def _entropy(following: Mapping[str, float]) -> float:
    return -sum(p * math.log(p) for p in following.values() if p > 0)


def _log(probability: float) -> float:
    return math.log(probability) if probability > 0 else -math.inf
