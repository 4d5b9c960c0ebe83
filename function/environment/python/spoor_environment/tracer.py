"""
OpenTelemetry's Tracer and Span over the journal. A span keeps its ids and a few counts; everything else is in the journal as
soon as it is said, so that a killed process leaves what it knew.
"""

import os
import traceback

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.trace import Status, StatusCode
from opentelemetry.util._decorator import _agnosticcontextmanager

from .clock import monotonic_ms

_SAMPLED = trace.TraceFlags(trace.TraceFlags.SAMPLED)
_NO_PARENT = bytes(8)
# OTLP SpanFlags: whether the linked context is remote is known, and is so.
_KNOWS_REMOTE = 0x100
_IS_REMOTE = 0x200
_SUPPRESSED = getattr(context_api, "_SUPPRESS_INSTRUMENTATION_KEY", None)


def is_suppressed(context=None):
    return _SUPPRESSED is not None and bool(context_api.get_value(_SUPPRESSED, context))


def suppressed(context):
    """`context` in which nothing is traced."""
    return context_api.set_value(_SUPPRESSED, True, context) if _SUPPRESSED else context


class JournalSpan(trace.Span):
    def __init__(self, writer, limits, context, parent, is_local_root):
        self._writer = writer
        self._limits = limits
        self._context = context
        self._trace = context.trace_id.to_bytes(16, "big")
        self._id = context.span_id.to_bytes(8, "big")
        self._parent = parent
        self._is_local_root = is_local_root
        self._recording = False
        self._start_ms = 0.0
        self._status = 0
        self._message = ""
        self._keys = set()
        self._events = 0
        self._links = 0
        self._dropped_attributes = 0
        self._dropped_events = 0
        self._dropped_links = 0

    def begin(self, name, kind, attributes, links, start_time, scope):
        """Writes START. Called once, by the tracer."""
        writer, limits = self._writer, self._limits
        if self._is_local_root:
            writer.check_clock()
        self._start_ms = self._ms(start_time)
        given = {key: value for key, value in attributes.items() if value is not None} if attributes else {}
        state = self._context.trace_state.to_header() if self._context.trace_state else ""
        with writer.lock:
            self._recording = writer.start(
                self._trace,
                self._id,
                self._parent,
                name,
                self._start_ms,
                kind.value + 1,
                1,
                state,
                scope,
                given,
                limits.attribute_count,
            )
            self._dropped_attributes = writer.skipped
        self._keys.update(list(given)[: limits.attribute_count])
        for link in links or ():
            self.add_link(link.context, link.attributes)

    def get_span_context(self):
        return self._context

    def is_recording(self):
        return self._recording

    def set_attribute(self, key, value):
        self.set_attributes({key: value})

    def set_attributes(self, attributes):
        if not self._recording or not attributes:
            return
        admitted = {}
        for key, value in attributes.items():
            if value is None:
                continue
            # Setting a key again is not another attribute.
            if not key or (key not in self._keys and len(self._keys) >= self._limits.attribute_count):
                self._dropped_attributes += 1
                continue
            self._keys.add(key)
            admitted[key] = value
        if not admitted:
            return
        with self._writer.lock:
            kept = self._writer.attributes(self._id, admitted)
            self._dropped_attributes += self._writer.skipped if kept else len(admitted)

    def add_event(self, name, attributes=None, timestamp=None):
        if not self._recording:
            return
        if self._events < self._limits.event_count and self._writer.event(
            self._id, name, self._ms(timestamp), attributes, self._limits.attribute_per_event_count
        ):
            self._events += 1
        else:
            self._dropped_events += 1

    def add_link(self, context, attributes=None):
        if not self._recording:
            return
        if (
            context is not None
            and context.is_valid
            and self._links < self._limits.link_count
            and self._writer.link(
                self._id,
                context.trace_id.to_bytes(16, "big"),
                context.span_id.to_bytes(8, "big"),
                int(context.trace_flags) | _KNOWS_REMOTE | (_IS_REMOTE if context.is_remote else 0),
                context.trace_state.to_header() if context.trace_state else "",
                attributes,
                self._limits.attribute_per_link_count,
            )
        ):
            self._links += 1
        else:
            self._dropped_links += 1

    def update_name(self, name):
        if self._recording:
            self._writer.name(self._id, name)

    def set_status(self, status, description=None):
        """Ok is final, and unset says nothing: https://opentelemetry.io/docs/specs/otel/trace/api/#set-status"""
        if isinstance(status, Status):
            status, description = status.status_code, status.description
        if not self._recording or self._status == StatusCode.OK.value or status is StatusCode.UNSET:
            return
        self._status = status.value
        self._message = (description or "") if status is StatusCode.ERROR else ""

    def record_exception(self, exception, attributes=None, timestamp=None, escaped=False):
        if not self._recording:
            return
        self.add_event(
            "exception",
            {**exception_attributes(exception), **(attributes or {})},
            timestamp,
        )

    def end(self, end_time=None):
        if not self._recording:
            return
        self._recording = False
        self._writer.end(
            self._id,
            max(self._ms(end_time), self._start_ms),
            self._status,
            self._message,
            self._dropped_attributes,
            self._dropped_events,
            self._dropped_links,
        )

    def _ms(self, time_unix_nano):
        return monotonic_ms() if time_unix_nano is None else self._writer.clock.to_monotonic_ms(time_unix_nano)


def exception_attributes(exception):
    """As OpenTelemetry's SDK for Python writes them: the type with its module, but for builtins."""
    return {
        "exception.type": type_of(exception),
        "exception.message": text_of(exception),
        "exception.stacktrace": stack_of(exception),
    }


def type_of(exception):
    kind = type(exception)
    return kind.__qualname__ if kind.__module__ in (None, "builtins") else f"{kind.__module__}.{kind.__qualname__}"


def text_of(exception):
    try:
        return str(exception)
    except Exception:  # noqa: BLE001 - a __str__ of the user's that fails
        return type(exception).__name__


def stack_of(exception):
    try:
        return "".join(traceback.format_exception(exception))
    except Exception:  # noqa: BLE001 - as above
        return text_of(exception)


class JournalTracer(trace.Tracer):
    """`writer` None: nothing is recorded, and contexts are handed on."""

    def __init__(self, writer, limits, sampler, name, version):
        self._writer = writer
        self._limits = limits
        self._sampler = sampler
        self._scope = f"{name}@{version}" if version else name

    def start_span(
        self,
        name,
        context=None,
        kind=trace.SpanKind.INTERNAL,
        attributes=None,
        links=None,
        start_time=None,
        record_exception=True,
        set_status_on_exception=True,
    ):
        if is_suppressed(context):
            return trace.INVALID_SPAN
        above = trace.get_current_span(context)
        parent = above.get_span_context()
        if self._writer is None:
            return trace.NonRecordingSpan(parent)
        has_parent = parent.is_valid
        trace_id = parent.trace_id.to_bytes(16, "big") if has_parent else _random_id(16)
        is_sampled = self._sampler(int(parent.trace_flags) if has_parent else None, trace_id)
        span_id = _random_id(8)
        span_context = trace.SpanContext(
            int.from_bytes(trace_id, "big"),
            int.from_bytes(span_id, "big"),
            is_remote=False,
            trace_flags=_SAMPLED if is_sampled else trace.TraceFlags(0),
            trace_state=parent.trace_state if has_parent else None,
        )
        if not is_sampled:
            return trace.NonRecordingSpan(span_context)
        span = JournalSpan(
            self._writer,
            self._limits,
            span_context,
            parent.span_id.to_bytes(8, "big") if has_parent else _NO_PARENT,
            not isinstance(above, JournalSpan),
        )
        span.begin(name, kind, attributes, links, start_time, self._scope)
        return span

    @_agnosticcontextmanager
    def start_as_current_span(
        self,
        name,
        context=None,
        kind=trace.SpanKind.INTERNAL,
        attributes=None,
        links=None,
        start_time=None,
        record_exception=True,
        set_status_on_exception=True,
        end_on_exit=True,
    ):
        span = self.start_span(name, context, kind, attributes, links, start_time)
        with trace.use_span(
            span,
            end_on_exit=end_on_exit,
            record_exception=record_exception,
            set_status_on_exception=set_status_on_exception,
        ) as active:
            yield active


def _random_id(length):
    """Never all zeros, which would be no id."""
    while True:
        drawn = os.urandom(length)
        if any(drawn):
            return drawn
