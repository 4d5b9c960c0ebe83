"""
Calls the function makes carry its trace on, below a CLIENT span each, with no code of the function's. `requests`, `urllib3`
and `urllib` all end in http.client, so that is where we stand. A request that brings its own `traceparent` is left alone: the
function, or instrumentation of its own on our tracer, knows better. But not one that another tracer in this process wrote, such
as ddtrace: whoever is called would hang below a span that nobody here ever sees. That tracer's own headers carry its own
context on.
"""

import http.client

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from . import attributes as a
from .tracer import JournalSpan, home_of, is_suppressed, text_of, type_of

_TARGET = "_spoor_target"
_SPAN = "_spoor_span"


def trace_outgoing_calls(tracing):
    """Call it once. Costs nothing until a call is made."""
    tracer = tracing.get_tracer("spoor.environment.python.http", "1")
    connection = http.client.HTTPConnection
    put_request, end_headers, get_response = connection.putrequest, connection.endheaders, connection.getresponse
    close_connection = http.client.HTTPResponse._close_conn

    def putrequest(self, method, url, *args, **kwargs):
        setattr(self, _TARGET, (method, url))
        return put_request(self, method, url, *args, **kwargs)

    def endheaders(self, *args, **kwargs):
        span = _begin(self, tracer, tracing.propagator)
        if span is None:
            return end_headers(self, *args, **kwargs)
        setattr(self, _SPAN, span)
        try:
            return end_headers(self, *args, **kwargs)
        except BaseException as error:
            _fail(self.__dict__.pop(_SPAN, None), error)
            raise

    def getresponse(self, *args, **kwargs):
        span = self.__dict__.pop(_SPAN, None)
        if span is None:
            return get_response(self, *args, **kwargs)
        try:
            response = get_response(self, *args, **kwargs)
        except BaseException as error:
            _fail(span, error)
            raise
        span.set_attribute(a.HTTP_RESPONSE_STATUS_CODE, response.status)
        if response.status >= 400:
            span.set_attribute(a.ERROR_TYPE, str(response.status))
            span.set_status(StatusCode.ERROR)
        # Its end is the body's end. A response without a body is over already.
        if response.isclosed() or response.length == 0:
            span.end()
        else:
            setattr(response, _SPAN, span)
        return response

    def close(self):
        span = self.__dict__.pop(_SPAN, None)
        if span is not None:
            span.end()
        return close_connection(self)

    connection.putrequest, connection.endheaders, connection.getresponse = putrequest, endheaders, getresponse
    http.client.HTTPResponse._close_conn = close


def _begin(connection, tracer, propagator):
    target = connection.__dict__.pop(_TARGET, None)
    context = context_api.get_current()
    if target is None or is_suppressed(context) or not trace.get_current_span(context).get_span_context().is_valid:
        return None
    # The request's lines so far; urllib3 and requests write them the same way.
    lines = getattr(connection, "_buffer", None)
    if not isinstance(lines, list):
        return None
    given = _header_of(lines, b"traceparent")
    if given is not None:
        if _is_to_keep(given, lines, context):
            return None
        lines[:] = [line for line in lines if not _is_header(line, b"traceparent", b"tracestate")]
    method, url = target
    span = tracer.start_span(method, context, SpanKind.CLIENT, _attributes_of(connection, method, url))
    headers = {}
    propagator.inject(headers, trace.set_span_in_context(span, context))
    for name, value in headers.items():
        connection.putheader(name, value)
    return span


def _is_to_keep(traceparent, lines, context):
    """Whether it is the function's own, or of a span of ours."""
    active, home = trace.get_current_span(context), home_of(context)
    ours = [span.get_span_context() for span in (active, home) if type(span) is JournalSpan]
    _, _, rest = traceparent.partition("-")
    trace_id, _, rest = rest.partition("-")
    span_id = rest.partition("-")[0]
    if any(span_id == f"{each.span_id:016x}" for each in ours):
        return True
    is_same_trace = any(trace_id == f"{each.trace_id:032x}" for each in ours)
    # A trace that ddtrace began for itself has no sign but its other headers.
    return not is_same_trace and _header_of(lines, b"x-datadog-trace-id") is None


def _header_of(lines, name):
    for line in lines:
        if _is_header(line, name):
            return line.partition(b":")[2].strip().decode("latin-1")
    return None


def _is_header(line, *names):
    return line.partition(b":")[0].strip().lower() in names


def _attributes_of(connection, method, url):
    """Without user name and password, which have no business in a trace."""
    scheme = "https" if isinstance(connection, http.client.HTTPSConnection) else "http"
    # Behind a proxy the request line has the whole URL, and the tunnel the host.
    host = getattr(connection, "_tunnel_host", None) or connection.host
    port = getattr(connection, "_tunnel_port", None) or connection.port
    if "://" in url:
        head, _, rest = url.partition("://")
        authority, slash, path = rest.partition("/")
        full = f"{head}://{authority.rpartition('@')[2]}{slash}{path}"
    else:
        shown = f"[{host}]" if ":" in host else host
        full = f"{scheme}://{shown}{'' if port == connection.default_port else f':{port}'}{url}"
    return {
        a.HTTP_REQUEST_METHOD: method,
        a.URL_FULL: full,
        a.SERVER_ADDRESS: host,
        a.SERVER_PORT: port,
    }


def _fail(span, error):
    if span is None:
        return
    span.record_exception(error)
    span.set_attribute(a.ERROR_TYPE, type_of(error))
    span.set_status(StatusCode.ERROR, text_of(error))
    span.end()
