"""Spans on their way to a collector over OTLP/HTTP: all of a journal at once, or those of a live run as they end."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from secrets import token_hex
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urlsplit

from ...budget.events import Event
from . import semconv as conventions
from .attributes import Wording
from .readable import ExportError, Readable, missing
from .record import Record
from .tree import SpanTree
from .w3c import span_of

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

_BATCH: Final = 512
_PAUSE_S: Final = 30.0
_LOGGER: Final = "opentelemetry"
_OURS: Final = logging.getLogger("headgate.otel")


def spans(
    events: Iterable[Event],
    *,
    run_id: str,
    epoch_ns: int,
    traceparent: str = "",
    semconv: conventions.Version = "1.41",
    content: bool = False,
    cost: bool = False,
) -> "list[ReadableSpan]":
    """A run's spans, from its events in order; those that never ended are errors that end with their process.

    run_id: the same gives the same ids. epoch_ns: the wall clock at t = 0, in nanoseconds; a `run_start` that tells
    `time_ns` sets it anew for its process. traceparent: of what started the run. content: with questions, texts and
    answers. cost: with the drafted `gen_ai.usage.cost.*` too.

    Raises: ExportError where the SDK is not installed, ValueError for an unknown semconv or an empty run_id.
    """
    readable = Readable(conventions.conventions(semconv))
    tree = _tree(run_id, epoch_ns, traceparent, semconv, content, cost)
    records = [record for event in events for record in tree.take(event)] + tree.finish()
    return [readable.span(record) for record in sorted(records, key=_order)]


def export(spans: "Sequence[ReadableSpan]", endpoint: str = "", *, timeout_s: float = 5.0) -> None:
    """Send spans to a collector, such as http://localhost:4318; "" is what OTEL_EXPORTER_OTLP_* say.

    Raises: ExportError when it cannot be reached or does not take them.
    """
    exporter, heard = _exporter(endpoint, timeout_s), _Heard()
    logger = logging.getLogger(_LOGGER)
    logger.addHandler(heard)
    try:
        for first in range(0, len(spans), _BATCH):
            if exporter.export(spans[first : first + _BATCH]).value:
                raise ExportError(_refused(len(spans) - first, endpoint, heard.last))
    finally:
        logger.removeHandler(heard)
        exporter.shutdown()


class OtelSink:
    """A sink that sends each span once it has ended, from a thread of its own; close it after the run.

    It neither fails nor slows a run: a collector that is down is told of once, and what it misses is left out; the
    journal has it all. run_id, epoch_ns, traceparent, semconv, content, cost: as in `spans`. earlier: the events of a
    resumed run's journal; what its last process left open is sent too. tell: gets what a person should know, from any
    thread, and may not emit into the run's own trace. exporter: one of the SDK's in place of OTLP/HTTP.

    Raises: ExportError where the SDK is not installed, ValueError for an unknown semconv.
    """

    streaming = False

    def __init__(
        self,
        endpoint: str = "",
        *,
        run_id: str = "",
        epoch_ns: int | None = None,
        traceparent: str = "",
        semconv: conventions.Version = "1.41",
        content: bool = False,
        cost: bool = False,
        earlier: Iterable[Event] = (),
        tell: Callable[[str], object] = _OURS.warning,
        exporter: "SpanExporter | None" = None,
        timeout_s: float = 5.0,
    ) -> None:
        self._readable = Readable(conventions.conventions(semconv))
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        if earlier and epoch_ns is None:
            raise ValueError("`earlier` needs the `epoch_ns` of its journal: its events have no other wall clock")
        self._tell, self._told, self._lock = tell, set[str](), threading.Lock()
        logging.getLogger(_LOGGER).addHandler(logging.NullHandler())  # what it says, `tell` says once
        sent = _Careful(exporter or _exporter(endpoint, timeout_s), lambda: self._once("down", _down(endpoint)))
        self._sender = BatchSpanProcessor(cast("SpanExporter", sent))
        self._run_id, self._epoch_ns = run_id or token_hex(8), epoch_ns
        self._tree = _tree(self._run_id, epoch_ns or 0, traceparent, semconv, content, cost)
        for event in earlier:
            self._tree.take(event)

    def write(self, event: Event) -> None:
        """Take one event; whatever goes wrong is told once and fails nothing."""
        try:
            with self._lock:
                if self._epoch_ns is None:
                    self._epoch_ns = self._tree.epoch_ns = time.time_ns() - round(event.t * 1e9)
                ended = self._tree.take(event)
            self._send(ended)
        except Exception as error:
            self._once(
                "made", f"OpenTelemetry: event {event.id} could not be exported: {type(error).__name__}: {error}"
            )

    async def flush(self) -> None:
        """Nothing: no run waits for a collector."""

    def traceparent(self, path: str = "", event_id: int | None = None) -> str:
        """The header that makes other work a child of the innermost open span at a path, or of an event's own.

        event_id: of a `reserve` or a `tool_start`. "" before the run began.
        """
        with self._lock:
            place = scope.place if (scope := self._tree.scopes.at(path)) else None
        if place and event_id is not None:
            place = replace(place, span_id=span_of(self._run_id, event_id))
        return place.header() if place else ""

    def close(self) -> None:
        """Send what is left, what never ended included; waits for the collector `timeout_s` at most, or so."""
        with self._lock:
            left = self._tree.finish()
        self._send(left)
        self._sender.shutdown()  # type: ignore[no-untyped-call]

    def _send(self, ended: Iterable[Record]) -> None:
        for record in ended:
            self._sender.on_end(self._readable.span(record))

    def _once(self, what: str, text: str) -> None:
        if what not in self._told:
            self._told.add(what)
            with suppress(Exception):
                self._tell(text)


def _order(record: Record) -> tuple[int, int, bool, str]:
    """By start, the outer first where one event begins several."""
    return record.start, len(record.path), record.scope in ("call", "tool"), record.path


class _Careful:
    """An exporter that tells of its first failure and, after each, leaves the collector alone for a while."""

    def __init__(self, exporter: "SpanExporter", failed: Callable[[], object]) -> None:
        self._exporter, self._failed, self._again = exporter, failed, 0.0

    def export(self, spans: "Sequence[ReadableSpan]") -> "SpanExportResult":
        from opentelemetry.sdk.trace.export import SpanExportResult

        if time.monotonic() < self._again:
            return SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        except Exception:  # of a user's own exporter, too
            result = SpanExportResult.FAILURE
        if result is SpanExportResult.FAILURE:
            self._again = time.monotonic() + _PAUSE_S
            self._failed()
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


class _Heard(logging.Handler):
    """Keeps the last thing that the exporter logged: its result alone does not say why."""

    last = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.last = record.getMessage()


def _tree(run_id: str, epoch_ns: int, traceparent: str, semconv: str, content: bool, cost: bool) -> SpanTree:
    wording = Wording(names=conventions.conventions(semconv), content=content, cost=cost)
    return SpanTree(run_id=run_id, epoch_ns=epoch_ns, wording=wording, traceparent=traceparent)


def _exporter(endpoint: str, timeout_s: float) -> "SpanExporter":
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ModuleNotFoundError as error:
        raise missing(error) from error
    return OTLPSpanExporter(endpoint=_full(endpoint) or None, timeout=timeout_s)


def _full(endpoint: str) -> str:
    """With the path of traces, where only a collector is named. Raises: ExportError."""
    if not endpoint:
        return ""
    where = urlsplit(endpoint)
    if where.scheme not in ("http", "https") or not where.netloc:
        raise ExportError(f"`{endpoint}` is no collector's address; write it as http://localhost:4318")
    return endpoint if where.path.strip("/") else f"{endpoint.rstrip('/')}/v1/traces"


def _refused(count: int, endpoint: str, why: str) -> str:
    hint = "start a collector there, or name another"
    return f"{count} spans were not taken by {_where(endpoint)}: {why or 'no reason given'}; {hint}"


def _down(endpoint: str) -> str:
    return (
        f"OpenTelemetry: {_where(endpoint)} takes no spans; the run goes on, and what it misses is left out. "
        "Export the run's journal once it is back"
    )


def _where(endpoint: str) -> str:
    return _full(endpoint) or "the collector of OTEL_EXPORTER_OTLP_ENDPOINT (http://localhost:4318 by default)"
