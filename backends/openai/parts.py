"""The parts of a streamed answer as they came over the wire, checked, in one form for chat and completions."""

import json
import math
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from ..errors import BackendError
from .entropy import lower_bound
from .errors import Malformed

_LONGEST_LINE: Final = 8 << 20  # bytes
_LONGEST_ANSWER: Final = 256 << 20
_ID: Final = "token_id:"

Json = Mapping[str, Any]


class Bit(NamedTuple):
    """A token, or what a server sent as if it were one; `logprob` and `entropy` are nan where it told none."""

    text: str
    id: int | None
    logprob: float
    entropy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one event says of one of the continuations.

    thinking: it is what a server's reasoning parser set apart. finish, reason: why it ended, in the server's words.
    """

    index: int
    bits: tuple[Bit, ...]
    thinking: bool = False
    finish: str | None = None
    reason: object = None


async def events(chunks: AsyncIterator[bytes]) -> AsyncGenerator[Json, None]:
    """The objects of an event stream, up to its `[DONE]`. Raises: Malformed on anything else."""
    buffer = bytearray()
    async for chunk in chunks:
        buffer += chunk
        *lines, rest = buffer.replace(b"\r\n", b"\n").split(b"\n") if b"\n" in chunk else (buffer,)
        buffer = bytearray(rest)
        if len(buffer) > _LONGEST_LINE:
            raise Malformed(f"a line of more than {_LONGEST_LINE} bytes")
        for line in lines:
            if not line.startswith(b"data:"):
                continue  # comments, event names, and the empty line between two events
            data = bytes(line[5:].strip())
            if data == b"[DONE]":
                return
            yield loaded(data)


async def whole(chunks: AsyncIterator[bytes]) -> Json:
    """One object as the whole answer. Raises: Malformed."""
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > _LONGEST_ANSWER:
            raise Malformed(f"an answer of more than {_LONGEST_ANSWER} bytes")
    return loaded(bytes(body))


def loaded(data: bytes) -> Json:
    """A JSON object. Raises: Malformed."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"no JSON: {data[:80].decode(errors='replace')!r}") from error
    if not isinstance(found, dict):
        raise Malformed(f"no JSON object: {data[:80].decode(errors='replace')!r}")
    return found  # pyright: ignore[reportUnknownVariableType]


def parts(event: Json, k: int) -> list[Part]:
    """What an event says; `k` top tokens were asked for. Raises: Malformed."""
    try:
        return [_part(choice, k) for choice in event.get("choices") or ()]
    except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
        raise Malformed(f"a choice that cannot be read: {type(error).__name__}: {error}") from error


def _part(choice: Json, k: int) -> Part:
    delta: Json = choice.get("delta") or {}
    thought = _string(delta.get("reasoning_content")) or _string(delta.get("reasoning"))
    said = _string(choice.get("text")) or _string(delta.get("content"))
    finish = choice.get("finish_reason")
    return Part(
        index=int(choice.get("index") or 0),
        bits=_bits(thought or said, choice, k),
        thinking=bool(thought),
        finish=str(finish) if finish else None,
        reason=choice.get("stop_reason"),
    )


def _bits(text: str, choice: Json, k: int) -> tuple[Bit, ...]:
    """The tokens of a choice, as finely as the server tells them apart."""
    ids: list[Any] = choice.get("token_ids") or []
    told = _told(choice.get("logprobs") or {}, k)
    count = max(len(ids), len(told), int(bool(text)))
    if (ids and len(ids) != count) or (told and len(told) != count):
        raise ValueError(f"{len(ids)} token ids, {len(told)} log-probabilities")
    texts = [bit.text for bit in told]
    if "".join(texts) != text:
        texts = [text, *[""] * (count - 1)]
    nothing = Bit("", None, math.nan, math.nan)
    return tuple(
        (told[i] if told else nothing)._replace(text=texts[i] if count else "", id=_id(ids[i]) if ids else None)
        for i in range(count)
    )


def _told(logprobs: Json, k: int) -> list[Bit]:
    content: Sequence[Json] = logprobs.get("content") or ()
    if content:  # chat: tokens, each with its rivals
        return [_bit(c["token"], c["logprob"], [rival["logprob"] for rival in _rivals(c)], k) for c in content]
    tokens: Sequence[Any] = logprobs.get("tokens") or ()
    tops: Sequence[Json | None] = logprobs.get("top_logprobs") or [None] * len(tokens)
    rows = zip(tokens, logprobs.get("token_logprobs") or (), tops, strict=True)
    return [_bit(token, logprob, list((rivals or {}).values()), k) for token, logprob, rivals in rows]


def _rivals(token: Json) -> Sequence[Json]:
    return token.get("top_logprobs") or ()


def _bit(token: object, logprob: Any, tops: Sequence[Any], k: int) -> Bit:
    known = [float(top) for top in tops]
    entropy = lower_bound(known, k) if known and k else math.nan
    return Bit(_string(token), None, float(logprob), entropy)


def top(event: Json) -> dict[str, float]:
    """The most likely tokens at the first position, by text or `token_id:N`. Raises: Malformed, BackendError."""
    if not (told := _top(event)):
        hint = "say engine: {top_logprobs: 0}, so that nothing asks it for them"
        raise BackendError("the server answered without log-probabilities", hint=hint)
    return told


def _top(event: Json) -> dict[str, float]:
    try:
        choices: Sequence[Json] = event.get("choices") or ()
        logprobs: Json = (choices[0].get("logprobs") if choices else None) or {}
        content: Sequence[Json] = logprobs.get("content") or ()
        if content:
            return _summed([(_string(rival["token"]), float(rival["logprob"])) for rival in _rivals(content[0])])
        tops: Sequence[Json] = logprobs.get("top_logprobs") or ({},)
        return {str(token): float(logprob) for token, logprob in tops[0].items()}
    except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
        raise Malformed(f"log-probabilities that cannot be read: {error}") from error


def scores(event: Json, ids: Sequence[int]) -> list[float]:
    """The log-probability of each of these ids but the first, as a prompt was read. Raises: Malformed."""
    try:
        rows: Sequence[Any] = event["choices"][0]["prompt_logprobs"]
        return [float(row[str(token)]["logprob"]) for token, row in zip(ids[1:], rows[1:], strict=True)]
    except (TypeError, ValueError, KeyError, IndexError) as error:
        raise Malformed(f"log-probabilities that cannot be read: {type(error).__name__}: {error}") from error


def _summed(pairs: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Different tokens may read the same; their probabilities add up."""
    sums: dict[str, float] = {}
    for text, logprob in pairs:
        sums[text] = sums.get(text, 0.0) + math.exp(min(logprob, 0.0))
    return {text: math.log(p) if p > 0 else -math.inf for text, p in sums.items()}


def token_name(token: int) -> str:
    """How vLLM names a token that it is asked not to spell."""
    return f"{_ID}{token}"


def token_id(name: str) -> int:
    """The token of that name."""
    return int(name.removeprefix(_ID))


def _id(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is no token id")
    return value


def _string(value: object) -> str:
    """A text; half a surrogate pair, which no encoding can say, becomes the sign for what was lost."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
