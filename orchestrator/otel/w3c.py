"""Trace context as it crosses processes: the `traceparent` header, read and written, and ids that never change.

Source: W3C Trace Context, level 2. A header that cannot be read is ignored and a new trace begun; flags are passed on
as they came. A trace that begins here is sampled; its id is a digest, so that it does not claim to be random.
"""

import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

SAMPLED: Final = 0x01
_KNOWN_FLAGS: Final = 0x03  # sampled, random
_HEADER: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


@dataclass(frozen=True, slots=True)
class Place:
    """A span, wherever it is: its trace, itself, and the trace's flags."""

    trace_id: int
    span_id: int
    flags: int

    def header(self) -> str:
        """As a `traceparent`, of version 00."""
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-{self.flags & _KNOWN_FLAGS:02x}"


def parse(header: str) -> Place | None:
    """The span that a `traceparent` names; None where it is malformed."""
    match = _HEADER.fullmatch(header.strip(" \t"))
    if not match:
        return None
    version, trace, span, flags, more = match.groups()
    if version == "ff" or (version == "00" and more) or not int(trace, 16) or not int(span, 16):
        return None
    return Place(int(trace, 16), int(span, 16), int(flags, 16) & _KNOWN_FLAGS)


def trace_of(run_id: str, started: int) -> int:
    """The trace of one process of a run; `started` is the id of its first event, the `run_start`."""
    return _digest(f"{run_id}\0{started}", 16)


def span_of(run_id: str, event_id: int, scope: str = "") -> int:
    """The span that an event begins; `scope` is set for a strategy, whose first event begins a call too."""
    return _digest(f"{run_id}\0{event_id}\0{scope}", 8)


def traceparent(run_id: str, event_id: int, *, started: int = 1, inbound: str = "") -> str:
    """The header that makes what an event sets going, a tool's work or a remote task, a child of that event's span.

    event_id: of a `run_start`, `problem_start`, `node_start`, `reserve` or `tool_start`. started: of the `run_start`
    of this process; inbound: the `traceparent` that this process was itself given.
    """
    parent = parse(inbound)
    trace, flags = (parent.trace_id, parent.flags) if parent else (trace_of(run_id, started), SAMPLED)
    return Place(trace, span_of(run_id, event_id), flags).header()


def _digest(text: str, size: int) -> int:
    digest = blake2b(text.encode(errors="surrogatepass"), digest_size=size).digest()
    return int.from_bytes(digest, "big") or 1  # zero is no id
