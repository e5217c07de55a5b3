"""What goes wrong between here and a server, said as this package's errors: the one place where they are translated.

What the client raises is told apart by class where the client has one, and by name where its transport library does:
that library is another one from version 3 of the client on.
"""

import math
import re
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Final, cast

import openai

from ..errors import BackendError, ContextTooLong, EngineFailed, RateLimited, Refused, TimedOut, Unreachable

_LONGEST_WAIT_S: Final = 600.0
_NOTHING_SENT: Final = {"ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol", "ProxyError"}
_TOO_LONG: Final = re.compile(
    r"context.?(length|window|size)|maximum.{0,20}(context|length|tokens)|prompt is too long|too many (input )?tokens",
    re.IGNORECASE,
)


class Malformed(Exception):
    """An answer that is not what was agreed."""


class CutOff(Exception):
    """An answer that ends before it is whole."""


class Failed(Exception):
    """A server's own word, in the middle of an answer, that it failed; `refused`: that it never took the request."""

    refused = False


class BrokenOff(EngineFailed):
    """The connection ended before the answer did: the server may be gone."""


@dataclass(frozen=True, slots=True)
class Whose:
    """Whom an error is about, and what must not be said: `key` never appears in a message."""

    url: str
    model: str
    key_env: str | None
    key: str = field(repr=False)
    models: tuple[str, ...] = ()

    def clean(self, said: object) -> str:
        """A server's words on one line, of a bearable length, without the key."""
        line = " ".join("".join(sign if sign.isprintable() else " " for sign in str(said)).split())
        return (line.replace(self.key, "***") if self.key else line)[:300]


@contextmanager
def translated(whose: Whose) -> Generator[None, None, None]:
    """Raise a BackendError in place of whatever the client raises.

    What it raised is not chained: it would be printed too, and a server may have written the key into it.
    """
    try:
        yield
    except (BackendError, GeneratorExit):
        raise
    except openai.APIStatusError as error:
        raise _status(error, whose) from None
    except openai.APIError as error:
        raise _transport(error.__cause__ or error, whose) from None
    except Malformed as error:
        raise EngineFailed(f"{whose.url} answered what cannot be read: {whose.clean(error)}") from None
    except CutOff:
        raise BrokenOff(f"{whose.url} ended its answer before it was whole") from None
    except Failed as error:
        if error.refused:
            raise Refused(f"{whose.url} turned the request away: {whose.clean(error)}") from None
        raise EngineFailed(f"{whose.url} gave up in the middle of its answer: {whose.clean(error)}") from None
    except TimeoutError:
        raise TimedOut(
            f"{whose.url} did not end its answer in time", hint="`engine.total_s` allows it longer"
        ) from None
    except Exception as error:
        if _named(error, {"InvalidURL"}):
            raise Refused(f"`{whose.url}` is no address", hint="`base_url` is such as http://host:8000/v1") from None
        if not _named(error, {"RequestError", "TransportError", "StreamError"}):
            raise
        raise _transport(error, whose) from None


def failed(event: Mapping[str, Any], *, begun: bool = True) -> Failed:
    """The error that a server writes into an answer; where none had `begun`, it may have turned the request away."""
    told: Any = event.get("error")
    error = cast(dict[str, Any], told) if isinstance(told, dict) else {"message": told}
    made = Failed(error.get("message", error))
    made.refused = not begun and error.get("code") in (400, 422)
    return made


def _transport(error: BaseException, whose: Whose) -> BackendError:
    why = whose.clean(error) or type(error).__name__
    if _named(error, _NOTHING_SENT):
        return Unreachable(f"nothing answers at {whose.url}: {why}", hint="see whether the server runs, and `base_url`")
    if _named(error, {"TimeoutException", "APITimeoutError"}):
        return TimedOut(f"{whose.url} fell silent: {why}", hint="raise `engine.silence_s` if it is merely slow")
    return BrokenOff(f"{whose.url} broke off: {why}")


def _status(error: openai.APIStatusError, whose: Whose) -> BackendError:
    status, said = error.status_code, whose.clean(_message(error))
    what = f"{whose.url} answered {status}: {said}"
    wait = retry_after(error.response.headers)
    again = error.response.headers.get("x-should-retry")
    if status == 429 and error.code == "insufficient_quota":
        return Refused(what, hint="the account's quota is spent; waiting does not mend it")
    if status == 429 or (status in (503, 529) and wait is not None):
        return RateLimited(what, retry_after_s=wait)
    if status in (408, 504):
        return TimedOut(what)
    if status in (400, 413, 422) and (error.code == "context_length_exceeded" or _TOO_LONG.search(said)):
        return ContextTooLong(what, hint="shorten the context, or give the role a model with a longer one")
    if status >= 500 or again == "true":
        failed = EngineFailed(what)
        failed.retryable = again != "false"
        failed.charged = status >= 500
        return failed
    return Refused(what, hint=_hint(status, whose))


def _hint(status: int, whose: Whose) -> str:
    if status in (401, 403):
        held = f"the key comes from the environment variable {whose.key_env}" if whose.key_env else "no key was sent"
        return f"{held}; `key_env` names another"
    if status == 404 and whose.models:
        return f"it serves {', '.join(whose.models[:8])}"
    if status == 404:
        return "see `model`, and that `base_url` ends in the API's root, such as /v1"
    return "`engine.omit` leaves out a field that the server does not take" if status in (400, 422) else ""


def _message(error: openai.APIStatusError) -> object:
    body = error.body
    said = body.get("message") if isinstance(body, dict) else body  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType]
    return said or error.message  # pyright: ignore[reportUnknownVariableType]


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds that a server asks to wait, in whichever of three forms it says so; at most ten minutes."""
    if (ms := _number(headers.get("retry-after-ms"))) is not None:
        return min(ms / 1000, _LONGEST_WAIT_S)
    written = headers.get("retry-after")
    if written is None:
        return None
    if (seconds := _number(written)) is not None:
        return min(seconds, _LONGEST_WAIT_S)
    try:
        until = parsedate_to_datetime(written).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(0.0, until - (time.time() if now is None else now)), _LONGEST_WAIT_S)


def _number(written: str | None) -> float | None:
    try:
        value = float(written or "")
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _named(error: BaseException, names: set[str]) -> bool:
    return any(kind.__name__ in names for kind in type(error).__mro__)
