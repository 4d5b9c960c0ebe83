"""
OpenTelemetry's Tracer and Span over the journal. A span keeps its ids and a few counts; everything else is in the journal as
soon as it is said, so that a killed process leaves what it knew.
"""

import traceback
from time import monotonic_ns

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.trace import Status, StatusCode
from opentelemetry.util._decorator import _agnosticcontextmanager

from .clock import monotonic_ms
from .ids import new_span_id, new_trace_id
from .span_form import SpanForm

_SAMPLED = trace.TraceFlags(trace.TraceFlags.SAMPLED)
_NOT_SAMPLED = trace.TraceFlags(trace.TraceFlags.DEFAULT)
_NO_PARENT = bytes(8)
_NOTHING = {}
_EMPTY_STATE = trace.DEFAULT_TRACE_STATE
# OTLP SpanFlags: whether the linked context is remote is known, and is so.
_KNOWS_REMOTE = 0x100
_IS_REMOTE = 0x200
# In a context: what has, as its `span`, the one to go on from when the active span is another tracer's, whose spans nobody sees here.
HOME = context_api.create_key("spoor home")
_SUPPRESSED = getattr(context_api, "_SUPPRESS_INSTRUMENTATION_KEY", None)


def is_suppressed(context=None):
    return _SUPPRESSED is not None and bool(context_api.get_value(_SUPPRESSED, context))


def suppressed(context):
    """`context` in which nothing is traced."""
    return context_api.set_value(_SUPPRESSED, True, context) if _SUPPRESSED else context


def home_of(context=None):
    home = context_api.get_value(HOME, context)
    return home.span if home else None


class JournalSpan(trace.Span):
    # Most spans never come to any of these, nor are they asked for as long as a span goes well.
    _message = ""
    _given = None
    _form = None
    _texts = ()
    _events = 0
    _links = 0

    def __init__(self, writer, limits, trace_id, span_id, state, start_ms):
        self._writer = writer
        self._limits = limits
        self._trace = trace_id
        self._id = span_id
        self._state = state
        self.start_ms = start_ms
        # Here and not in the class, where they would be looked for in vain first.
        self._recording = False
        self._context = None
        self._keys = None
        self._status = 0
        self._dropped_attributes = 0
        self._dropped_events = 0
        self._dropped_links = 0

    def begin(self, name, kind, scope, parent, attributes, links):
        """Writes START. This or `begin_as` is called once, by the tracer."""
        # A copy: what the caller does with its own afterwards is not ours.
        self._given = given = dict(attributes) if attributes else {}
        self._count = len(given)
        skipped = self._writer.start(
            self._trace,
            self._id,
            parent,
            name,
            self.start_ms,
            kind._value_ + 1,
            1,
            "" if self._state is _EMPTY_STATE else self._state.to_header(),
            scope,
            given,
            self._limits.attribute_count,
        )
        if skipped is None:
            return
        self._recording = True
        self._dropped_attributes = skipped
        if links:
            for link in links:
                self.add_link(link.context, link.attributes)

    def begin_as(self, form, parent, state, texts):
        """As `begin`, by a SpanForm and its texts."""
        self._form = form
        self._texts = texts
        self._count = form.count
        skipped = self._writer.start_as(
            form, self._trace, self._id, parent, self.start_ms, state, texts, self._limits.attribute_count
        )
        if skipped is None:
            return
        self._recording = True
        if skipped:
            self._dropped_attributes = skipped

    def get_span_context(self):
        # Made when it is asked for, which for most spans is never.
        context = self._context
        if context is None:
            context = self._context = trace.SpanContext(
                int.from_bytes(self._trace, "big"), int.from_bytes(self._id, "big"), False, _SAMPLED, self._state
            )
        return context

    @property
    def trace_id(self):
        """In hex."""
        return self._trace.hex()

    def write_headers(self, carrier, setter):
        """W3C trace context, https://www.w3.org/TR/trace-context/#trace-context-http-headers-format"""
        setter.set(carrier, "traceparent", f"00-{self._trace.hex()}-{self._id.hex()}-01")
        if self._state:
            setter.set(carrier, "tracestate", self._state.to_header())

    def is_recording(self):
        return self._recording

    def set_attribute(self, key, value):
        self.set_attributes({key: value})

    def set_attributes(self, attributes):
        if not self._recording or not attributes:
            return
        admitted = self._admit(attributes)
        if not admitted:
            return
        skipped = self._writer.attributes(self._id, admitted)
        self._dropped_attributes += len(admitted) if skipped is None else skipped

    def _admit(self, attributes):
        """Those that the limit leaves room for."""
        most = self._limits.attribute_count
        if self._keys is None:
            if self._given is None:
                self._given = self._form.attributes_with(self._texts)
            self._count += len(attributes)
            if self._count <= most and "" not in attributes:
                # No need to know which: they all have room, whether they are new or not.
                self._given.update(attributes)
                return attributes
            kept = [key for key, value in self._given.items() if value is not None and key]
            self._keys = set(kept[:most])
        admitted = {}
        for key, value in attributes.items():
            if value is None:
                continue
            # Setting a key again is not another attribute.
            if not key or (key not in self._keys and len(self._keys) >= most):
                self._dropped_attributes += 1
                continue
            self._keys.add(key)
            admitted[key] = value
        return admitted

    def add_event(self, name, attributes=None, timestamp=None):
        if not self._recording:
            return
        if self._events >= self._limits.event_count:
            self._dropped_events += 1
            return
        most = self._limits.attribute_per_event_count
        if self._writer.event(self._id, name, self._ms(timestamp), attributes, most) is None:
            self._dropped_events += 1
        else:
            self._events += 1

    def add_link(self, context, attributes=None):
        if not self._recording:
            return
        if context is None or not context.is_valid or self._links >= self._limits.link_count:
            self._dropped_links += 1
            return
        skipped = self._writer.link(
            self._id,
            context.trace_id.to_bytes(16, "big"),
            context.span_id.to_bytes(8, "big"),
            int(context.trace_flags) | _KNOWS_REMOTE | (_IS_REMOTE if context.is_remote else 0),
            context.trace_state.to_header() if context.trace_state else "",
            attributes,
            self._limits.attribute_per_link_count,
        )
        if skipped is None:
            self._dropped_links += 1
        else:
            self._links += 1

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
        if self._recording:
            self.end_with(_NOTHING, self._ms(end_time))

    def end_with(self, attributes, end_ms):
        """Its last attributes in the same record as its end: half the cost of two. `end_ms` is monotonic."""
        if not self._recording:
            return
        if self._keys is not None or self._count + len(attributes) > self._limits.attribute_count:
            attributes = self._admit(attributes)
        self._recording = False
        if end_ms < self.start_ms:
            end_ms = self.start_ms
        if self._status or self._dropped_attributes or self._dropped_events or self._dropped_links:
            self._writer.end(
                self._id,
                end_ms,
                self._status,
                self._message,
                self._dropped_attributes,
                self._dropped_events,
                self._dropped_links,
                attributes,
            )
        else:
            self._writer.end_plainly(self._id, end_ms, attributes)

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
        kind_above = type(above)
        if kind_above is not JournalSpan and kind_above is not trace.NonRecordingSpan and above.is_recording():
            above = home_of(context) or above
        parent = above.get_span_context()
        writer = self._writer
        if writer is None:
            return trace.NonRecordingSpan(parent)
        trace_id, span_id, above_id, state, is_sampled = self._ids_below(parent)
        if not is_sampled:
            return _unsampled(trace_id, span_id, state)
        if start_time is not None:
            start_ms = writer.clock.to_monotonic_ms(start_time)
        elif type(above) is JournalSpan:
            start_ms = monotonic_ns() / 1e6
        else:
            start_ms = writer.begin_root()
        span = JournalSpan(writer, self._limits, trace_id, span_id, state, start_ms)
        span.begin(name, kind, self._scope, above_id, attributes, links)
        return span

    def form(self, name, kind, attributes, texts):
        """What `start_root` takes."""
        return SpanForm(name, kind._value_ + 1, self._scope, attributes, texts)

    def start_root(self, form, context, texts):
        """As `start_span`, for the first span of this process in a trace; `context` is its caller's."""
        parent = trace.get_current_span(context).get_span_context()
        writer = self._writer
        if writer is None:
            return trace.NonRecordingSpan(parent)
        trace_id, span_id, above_id, state, is_sampled = self._ids_below(parent)
        if not is_sampled:
            return _unsampled(trace_id, span_id, state)
        span = JournalSpan(writer, self._limits, trace_id, span_id, state, writer.begin_root())
        span.begin_as(form, above_id, "" if state is _EMPTY_STATE else state.to_header(), texts)
        return span

    def _ids_below(self, parent):
        """Of a new span: trace id, its own, its parent's, trace state, whether it is to be recorded."""
        # A SpanContext is a tuple, and each of its properties a call: this is on the road of every request.
        trace_number, parent_number, _, flags, state, has_parent = parent
        span_id = new_span_id()
        if not has_parent:
            trace_id = new_trace_id()
            return trace_id, span_id, _NO_PARENT, _EMPTY_STATE, self._sampler(None, trace_id)
        trace_id = trace_number.to_bytes(16, "big")
        return trace_id, span_id, parent_number.to_bytes(8, "big"), state, self._sampler(flags, trace_id)

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


def _unsampled(trace_id, span_id, state):
    trace_number, span_number = int.from_bytes(trace_id, "big"), int.from_bytes(span_id, "big")
    return trace.NonRecordingSpan(trace.SpanContext(trace_number, span_number, False, _NOT_SAMPLED, state))
