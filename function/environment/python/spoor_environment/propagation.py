"""
What carries a context through headers, chosen by OTEL_PROPAGATORS. W3C trace context and baggage are the API's own; B3
(https://github.com/openzipkin/b3-propagation) and Jaeger's header
(https://www.jaegertracing.io/sdk-migration/#propagation-format) take ids of 64 and of 128 bits.
"""

import re
from urllib.parse import quote, unquote

from opentelemetry import baggage, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator, default_getter, default_setter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from .tracer import JournalSpan


class TraceContextPropagator(TraceContextTextMapPropagator):
    """The API's own, but that our spans write their header themselves, quicker."""

    def inject(self, carrier, context=None, setter=default_setter):
        span = trace.get_current_span(context)
        if type(span) is JournalSpan:
            span.write_headers(carrier, setter)
        else:
            super().inject(carrier, context, setter)


class B3Propagator(TextMapPropagator):
    """Reads both forms, the single header first; writes the one asked for."""

    _SINGLE = "b3"
    _TRACE, _SPAN, _SAMPLED, _FLAGS = "x-b3-traceid", "x-b3-spanid", "x-b3-sampled", "x-b3-flags"

    def __init__(self, multi):
        self._multi = multi

    def extract(self, carrier, context=None, getter=default_getter):
        found = parse_b3(_only(getter, carrier, self._SINGLE)) or self._read_multi(carrier, getter)
        return _with(found, context)

    def inject(self, carrier, context=None, setter=default_setter):
        current = trace.get_current_span(context).get_span_context()
        if not current.is_valid:
            return
        trace_id, span_id = f"{current.trace_id:032x}", f"{current.span_id:016x}"
        sampled = str(int(current.trace_flags) & 1)
        if self._multi:
            setter.set(carrier, self._TRACE, trace_id)
            setter.set(carrier, self._SPAN, span_id)
            setter.set(carrier, self._SAMPLED, sampled)
        else:
            setter.set(carrier, self._SINGLE, f"{trace_id}-{span_id}-{sampled}")

    @property
    def fields(self):
        return {self._TRACE, self._SPAN, self._SAMPLED} if self._multi else {self._SINGLE}

    def _read_multi(self, carrier, getter):
        trace_id = _only(getter, carrier, self._TRACE).strip()
        span_id = _only(getter, carrier, self._SPAN).strip()
        if not _ID.fullmatch(trace_id) or not _SPAN_ID.fullmatch(span_id):
            return None
        debug = _only(getter, carrier, self._FLAGS) == "1"
        # A deferred decision is ours to take: yes.
        sampled = debug or _only(getter, carrier, self._SAMPLED).lower() not in ("0", "false")
        return _ids(trace_id, span_id, sampled)


class JaegerPropagator(TextMapPropagator):
    _HEADER = "uber-trace-id"
    _BAGGAGE = "uberctx-"

    def extract(self, carrier, context=None, getter=default_getter):
        context = _with(parse_uber_trace_id(_only(getter, carrier, self._HEADER)), context)
        for name in getter.keys(carrier):
            if name.lower().startswith(self._BAGGAGE):
                value = unquote(_only(getter, carrier, name))
                context = baggage.set_baggage(name[len(self._BAGGAGE) :].lower(), value, context)
        return context

    def inject(self, carrier, context=None, setter=default_setter):
        current = trace.get_current_span(context).get_span_context()
        if current.is_valid:
            flags = int(current.trace_flags) & 1
            setter.set(carrier, self._HEADER, f"{current.trace_id:032x}:{current.span_id:016x}:0:{flags}")
        for key, value in baggage.get_all(context).items():
            setter.set(carrier, f"{self._BAGGAGE}{key}", quote(str(value)))

    @property
    def fields(self):
        return {self._HEADER}


_MAKERS = {
    "tracecontext": TraceContextPropagator,
    "baggage": W3CBaggagePropagator,
    "b3": lambda: B3Propagator(multi=False),
    "b3multi": lambda: B3Propagator(multi=True),
    "jaeger": JaegerPropagator,
}
NAMES = tuple(_MAKERS)


def create_propagator(names):
    """All of them, in order: each writes its headers; of those that read, the last one that finds a context wins."""
    return CompositePropagator([_MAKERS[name]() for name in names])


_ID = re.compile(r"[0-9a-fA-F]{16}(?:[0-9a-fA-F]{16})?")
_SPAN_ID = re.compile(r"[0-9a-fA-F]{16}")
_B3 = re.compile(
    r"([0-9a-fA-F]{16}|[0-9a-fA-F]{32})-([0-9a-fA-F]{16})(?:-([01dD])(?:-[0-9a-fA-F]{16})?)?"
)
_UBER = re.compile(r"([0-9a-fA-F]{1,32}):([0-9a-fA-F]{1,16}):[0-9a-fA-F]{1,16}:([0-9a-fA-F]{1,2})")


def parse_b3(header):
    """`{TraceId}-{SpanId}[-{SamplingState}[-{ParentSpanId}]]`. A decision without ids ("0") carries no context."""
    match = _B3.fullmatch(header.strip())
    return _ids(match[1], match[2], match[3] != "0") if match else None


def parse_uber_trace_id(header):
    """`{trace-id}:{span-id}:{parent-span-id}:{flags}`, percent-encoded or not."""
    match = _UBER.fullmatch(unquote(header).strip())
    return _ids(match[1], match[2], int(match[3], 16) & 1 == 1) if match else None


def _ids(trace_id, span_id, sampled):
    found = trace.SpanContext(
        int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=trace.TraceFlags(int(sampled))
    )
    return found if found.is_valid else None


def _with(found, context):
    from opentelemetry.context import get_current

    context = get_current() if context is None else context
    return context if found is None else trace.set_span_in_context(trace.NonRecordingSpan(found), context)


def _only(getter, carrier, name):
    values = getter.get(carrier, name)
    return values[0] if values else ""
