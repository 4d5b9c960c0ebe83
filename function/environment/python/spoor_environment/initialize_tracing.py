"""The talk's `initialize_tracing`: tracing around the function, once, when the environment specializes."""

import asyncio
import functools
import inspect
import json

from flask import current_app, g, request
from opentelemetry import context as context_api
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from . import attributes as a
from .invocation import Invocation, print_stack
from .server_span import ServerSpans

SCOPE = "spoor.environment.python"


class Exiting(Exception):
    """The function asked the process to end; no answer is owed."""


def initialize_tracing(func, identity, tracing, instance_id, publish, open_invocations, on_exit):
    """
    Wraps the function. For each request the wrapper

      (a) has the tracer; (b) takes the caller's context out of the headers; (c) starts a span below it, named after the
      function; (d) puts the new context into a dictionary of headers; (e) leaves both in Flask's `g`, as `g.span` and
      `g.generated_headers`, and makes the span the active one; (f) calls the function; (g) puts the generated headers on
      the response, and ends the span with the answer's last byte.
    """
    spans = ServerSpans(tracing.get_tracer(SCOPE, "1"), identity, instance_id)
    seen = []

    @functools.wraps(func)
    def traced():
        environ = request.environ
        caller = tracing.propagator.extract(environ, context_api.Context(), _ENVIRON)
        span, invocation_id, request_id = spans.start(environ, caller, first=not seen)
        seen[:] = [True]
        invocation = Invocation(invocation_id, request_id, span, open_invocations.discard)
        open_invocations.add(invocation)
        active = invocation.within(caller)
        # Each request runs in a context of its own (http_server.py), so there is nothing to detach.
        context_api.attach(active)
        headers = {}
        tracing.propagator.inject(headers, active)
        # Flask's proxy looks for its object each time.
        own = g._get_current_object()
        own.span = span
        own.generated_headers = headers
        own.publish = publish
        try:
            response = _response_of(func)
        except HTTPException as error:
            response = error.get_response(environ)
        except SystemExit as error:
            on_exit(error)
            raise Exiting from error
        except Exception as error:  # noqa: BLE001 - whatever the function raised is its answer
            print_stack(error)
            invocation.record(error)
            response = failure_response(invocation, error)
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        if response.is_streamed:
            response.response = _watched(response.response, invocation)
        # Not with `response` at hand: what refers to itself stays until the garbage collector comes, and everything with it.
        response.call_on_close(lambda: invocation.end(environ.get("spoor.status", 500), environ.get("spoor.cut", False)))
        return response

    return traced


class BadAnswer(Exception):
    """An answer of the function that is none. Its message is shown to the client, unlike that of what the function raised."""


def _response_of(func):
    value = func()
    if inspect.iscoroutine(value):
        value = asyncio.run(value)
    if value is None:
        raise BadAnswer("the function returned None: it must return what Flask can answer with")
    try:
        return current_app.make_response(value)
    except TypeError as error:
        raise BadAnswer(f"cannot answer with what the function returned: {error}") from error


def failure_response(invocation, error):
    """What the function raised stays in the trace, which the answer names."""
    message = str(error) if isinstance(error, BadAnswer) else "Internal server error"
    body = {
        "component": "function",
        "reason": "function_error",
        "message": message,
        "requestId": invocation.request_id,
        "traceId": invocation.trace_id,
    }
    return Response(json.dumps(body), 500, content_type="application/json; charset=utf-8")


def _watched(parts, invocation):
    """The parts of a streamed answer; what stops them is noted."""
    try:
        yield from parts
    except Exception as error:
        print_stack(error)
        invocation.record(error)
        raise
    finally:
        if hasattr(parts, "close"):
            parts.close()


class _EnvironGetter:
    """Headers of a WSGI environ, for propagators."""

    def __init__(self):
        self._names = {}

    def get(self, carrier, key):
        name = self._names.get(key)
        if name is None:
            # Of propagators, which are few; who asks for all of a request's names goes by `keys`.
            name = "HTTP_" + key.upper().replace("-", "_")
            if len(self._names) < _MAX_NAMES:
                self._names[key] = name
        value = carrier.get(name)
        return None if value is None else [value]

    def keys(self, carrier):
        return [name[5:].replace("_", "-").lower() for name in carrier if name.startswith("HTTP_")]


_MAX_NAMES = 64
_ENVIRON = _EnvironGetter()
ENVIRON_GETTER = _ENVIRON
