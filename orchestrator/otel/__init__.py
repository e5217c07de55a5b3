"""Traces of runs for OpenTelemetry: spans from a journal's events or from a live run, and W3C trace context.

`pip install headgate[otel]` brings what it needs; without it, only `traceparent` works.
"""

from .readable import ExportError
from .semconv import Version
from .sending import OtelSink, export, spans
from .w3c import traceparent

__all__ = ["ExportError", "OtelSink", "Version", "export", "spans", "traceparent"]
