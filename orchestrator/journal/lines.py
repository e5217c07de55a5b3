"""A journal's lines: one JSON object each, closed by a checksum that goes on from the line before.

`,"crc":"xxxxxxxx"}` ends every line: CRC-32 of all bytes of the line before it, begun from the CRC of the line before,
so that a line that was changed, lost, repeated or moved does not pass, and what passes is what was written, from its
beginning. A time is written to the microsecond, a cost without its zeros. A payload may hold anything: what JSON has no
word for is written as `str` gives it, numbers that are none as null, control characters escaped.
"""

import json
import math
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from json.encoder import encode_basestring_ascii
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, TypeGuard, cast

from pydantic_core import from_json, to_json

from ...budget.cost import Cost
from ...budget.events import Event
from ..errors import JournalError

FORMAT: Final = 1
CLOSED: Final = b'%b,"crc":"%08x"}\n'
END: Final = len(CLOSED % (b"", 0))
_DEEP: Final = 100
_EVENT: Final = b'{"v":%d,"id":%d,"parent":%b,"path":%b,"kind":"%b","t":%.6f,"cost":%b,"payload":%b}'
_UNITS: Final = tuple(Cost.__dataclass_fields__)
_figures: Final = attrgetter(*_UNITS)
_key: Final = attrgetter(*(unit for unit in _UNITS if unit != "tool_calls"))
_bodies: Final[dict[tuple[float, ...], bytes]] = {}
_REMEMBERED: Final = 1024
_CONTROL: Final = re.compile(rb"\x7f|\xc2[\x80-\x9f]")  # DEL and C1: legal in JSON, not on a terminal


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A journal's first line: which run this is, and all that another process needs to go on with it.

    recipe: its digest. headgate: the version that wrote it. prices: the rows that priced it, never looked up again.
    created: ISO 8601, UTC. traceparent: the W3C context of what started the run. redacted: whether the text of prompts
    and answers is left out.
    """

    run: str
    recipe: str
    headgate: str
    seed: int = 0
    prices: Mapping[str, Mapping[str, object]] = field(default_factory=dict[str, Mapping[str, object]])
    created: str = ""
    traceparent: str | None = None
    redacted: bool = False


def closed(body: bytes, crc: int) -> tuple[bytes, int]:
    """A line from its JSON object, and its CRC, which the next line goes on from."""
    body = body[:-1]
    crc = zlib.crc32(body, crc)
    return CLOSED % (body, crc), crc


def checked(line: bytes, crc: int) -> int | None:
    """The CRC of a line that follows a line with this CRC; None when it is damaged or does not follow."""
    crc = reckoned(line, crc)
    return crc if line[-END:] == b',"crc":"%08x"}\n' % crc else None


def reckoned(line: bytes, crc: int) -> int:
    """The CRC that a line should have, after one with this CRC."""
    return zlib.crc32(line[:-END], crc)


def claimed(line: bytes) -> int | None:
    """The CRC that a line says it has."""
    found = re.search(rb',"crc":"([0-9a-f]{8})"}\n$', line[-END:])
    return int(found[1], 16) if found else None


def values_of(line: bytes) -> dict[str, Any]:
    """The object of a checked line. Raises: ValueError."""
    body = line[:-END] + b"}"
    try:
        return cast(dict[str, Any], from_json(body))
    except ValueError:  # half a surrogate pair or a very long number, which only the standard library reads
        return cast(dict[str, Any], json.loads(body, parse_int=lambda digits: int(Decimal(digits))))


def header_body(header: Header) -> bytes:
    """The first line's object."""
    values = {name: getattr(header, name) for name in Header.__dataclass_fields__}
    return encoded({"journal": FORMAT, **values})


def header_of(line: bytes, path: Path) -> Header:
    """Read the first line. Raises: JournalError when it is none, damaged, or of another format."""
    none = JournalError("begins with no journal's header", file=path, line=1, hint="choose a journal")
    try:
        values = values_of(line)
        version = values.pop("journal")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise none from None
    if version != FORMAT:
        hint = f"read it with headgate {values.get('headgate', '')}, which wrote it"
        raise JournalError(f"is of format {version!r}, this headgate reads {FORMAT}", file=path, line=1, hint=hint)
    if checked(line, 0) is None:
        raise JournalError("is damaged in its header", file=path, line=1, hint="put it back from a copy")
    try:
        return Header(**{name: value for name, value in values.items() if name in Header.__dataclass_fields__})
    except TypeError:
        raise none from None


def event_body(event: Event, payload: Mapping[str, object], result: bytes = b"") -> bytes:
    """An event's object, shaped as `Event.as_dict` has it; `result` is JSON that becomes the last of its payload."""
    id, parent, path, kind, t, cost, _, version = event
    told = encoded(payload)
    if result:
        told = b'%b%b"result":%b}' % (told[:-1], b"," if payload else b"", result)
    return _EVENT % (
        version,
        id,
        b"null" if parent is None else b"%d" % parent,
        encode_basestring_ascii(path).encode(),
        kind.encode(),
        t,
        b"null" if cost is None else _cost_body(cost),
        told,
    )


def event_of(line: bytes) -> Event:
    """The event of a checked line. Raises: ValueError, KeyError or TypeError when it holds none."""
    values = values_of(line)
    cost = values["cost"]
    return Event(
        id=values["id"],
        parent=values["parent"],
        path=values["path"],
        kind=values["kind"],
        t=values["t"],
        cost=None if cost is None else Cost(**cost),
        payload=values["payload"],
        version=values["v"],
    )


def _cost_body(cost: Cost) -> bytes:
    """Remembered, since most calls of a run reserve the same and many cost the same."""
    if cost.tool_calls:
        return encoded(cost_values(cost))
    key = _key(cost)
    body = _bodies.get(key)
    if body is None:
        if len(_bodies) >= _REMEMBERED:
            _bodies.clear()
        body = _bodies[key] = encoded(cost_values(cost))
    return body


def cost_values(cost: Cost) -> dict[str, object]:
    """A cost's figures without the zeros."""
    return {name: value for name, value in zip(_UNITS, _figures(cost), strict=False) if value}


def encoded(values: object) -> bytes:
    """A value as JSON on one line, whatever it holds."""
    try:
        text = to_json(values, inf_nan_mode="null", fallback=_known)
    except Exception:  # half a surrogate pair, bytes that are no text, a circle, a `__str__` that fails
        text = json.dumps(_tame(values, ()), separators=(",", ":")).encode()
    if not text.isascii() or b"\x7f" in text:
        text = _CONTROL.sub(lambda found: b"\\u%04x" % found[0][-1], text)
    return text


def _known(value: object) -> object:
    return {str(key): item for key, item in value.items()} if _is_mapping(value) else str(value)


def _tame(value: object, above: tuple[int, ...]) -> object:
    """The same in types that JSON has, one by one; slow, and it always ends."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    if _is_mapping(value) or _is_sequence(value):
        return _tame_inside(value, above)
    return _said(value)


def _tame_inside(value: Mapping[object, object] | Iterable[object], above: tuple[int, ...]) -> object:
    if id(value) in above or len(above) > _DEEP:
        return "..."
    above = (*above, id(value))
    if _is_mapping(value):
        return {_said(key): _tame(item, above) for key, item in value.items()}
    return [_tame(item, above) for item in value]


def _number(value: float) -> object:
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return int(value) if abs(value) < 10**400 else hex(value)  # the standard library refuses to write longer ones


def _said(value: object) -> str:
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__}>"


def _is_mapping(value: object) -> TypeGuard[Mapping[object, object]]:
    return isinstance(value, Mapping)


def _is_sequence(value: object) -> TypeGuard[Iterable[object]]:
    return isinstance(value, list | tuple | set | frozenset)
