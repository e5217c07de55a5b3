"""Spans as OpenTelemetry's SDK has them, which its exporters take; the only file but `sending.py` to import it."""

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Final

from ...budget.errors import HeadgateError
from .record import Record
from .semconv import Semconv
from .w3c import Place

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import SpanContext
    from opentelemetry.util.types import AttributeValue

_ROOM: Final = __name__.partition(".")[0]
_PLAIN: Final = (str, bool, int, float)  # a union would be made anew for every value


class ExportError(HeadgateError):
    """Spans that could not be made or sent."""


def missing(error: ModuleNotFoundError) -> ExportError:
    """What to say where the extra is not installed."""
    return ExportError(f"spans need {error.name}, which is not installed; run `pip install headgate[otel]`")


class Readable:
    """Makes the SDK's spans. Raises: ExportError where the SDK is not installed."""

    def __init__(self, names: Semconv) -> None:
        try:
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.util.instrumentation import InstrumentationScope
        except ModuleNotFoundError as error:
            raise missing(error) from error
        version = str(import_module(_ROOM).__version__)
        self._scope = InstrumentationScope("headgate", version, names.schema_url)
        self._resource = _named(Resource.create(), Resource({"service.name": "headgate"}))

    def span(self, record: Record) -> "ReadableSpan":
        """One span, ended."""
        from opentelemetry.sdk.trace import Event, ReadableSpan
        from opentelemetry.trace import Link, SpanKind, Status, StatusCode

        return ReadableSpan(
            name=record.name,
            context=_context(record.place),
            parent=_context(record.parent, remote=record.parent_remote) if record.parent else None,
            resource=self._resource,
            attributes=_values(record.attributes),
            events=[Event(what.name, _values(what.attributes), what.ns) for what in record.happenings],
            links=[Link(_context(place, remote=True)) for place in record.links],
            kind=SpanKind.CLIENT if record.client else SpanKind.INTERNAL,
            status=Status(StatusCode.ERROR, record.error) if record.error else Status(),
            start_time=record.start,
            end_time=max(record.start, record.end),
            instrumentation_scope=self._scope,
        )


def _context(place: Place, *, remote: bool = False) -> "SpanContext":
    from opentelemetry.trace import SpanContext, TraceFlags

    return SpanContext(place.trace_id, place.span_id, remote, TraceFlags(place.flags))


def _named(found: "Resource", ours: "Resource") -> "Resource":
    """What the environment says of this process, and our name where it gives none."""
    unnamed = str(found.attributes.get("service.name", "")).startswith("unknown_service")
    return found.merge(ours) if unnamed else found


def _values(found: dict[str, object]) -> "dict[str, AttributeValue]":
    return {name: _value(value) for name, value in found.items()}


def _value(value: object) -> "str | bool | int | float | Sequence[str]":
    if isinstance(value, _PLAIN):
        return value
    return [str(item) for item in value] if isinstance(value, list | tuple) else str(value)  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
