"""
Websockets as Fission has them: the same function is called with `(ws, clients)` for each connection; `ws` has `closed`,
`receive()`, `send()` and `close()`, as gevent-websocket's. One span per connection, from handshake to close.
"""

import threading

from opentelemetry import context as context_api
from opentelemetry.trace import StatusCode

from . import attributes as a
from .initialize_tracing import ENVIRON_GETTER, SCOPE
from .invocation import Invocation, print_stack
from .server_span import ServerSpans
from .tracer import text_of, type_of

_GOING_AWAY = 1001
_INTERNAL_ERROR = 1011


class FunctionWebSocket:
    """`receive()` is None once the connection is closed."""

    def __init__(self, server, closed_error):
        self._server = server
        self._closed_error = closed_error

    @property
    def closed(self):
        return not self._server.connected

    def receive(self, timeout=None):
        try:
            return self._server.receive(timeout)
        except self._closed_error:
            return None

    def send(self, message):
        """Raises BrokenPipeError once the connection is closed."""
        try:
            self._server.send(message)
        except self._closed_error as error:
            raise BrokenPipeError(f"cannot send: {error}") from error

    def close(self, code=1000, message=None):
        try:
            self._server.close(code, message)
        except self._closed_error:
            pass

    def __iter__(self):
        while (message := self.receive()) is not None:
            yield message


class WebSockets:
    def __init__(self, func, identity, tracing, instance_id, ping_s, open_invocations):
        self._func = func
        self._tracing = tracing
        self._spans = ServerSpans(tracing.get_tracer(SCOPE, "1"), identity, instance_id)
        self._ping_s = ping_s
        self._open = open_invocations
        self._clients = set()
        self._lock = threading.Lock()

    def serve(self, environ, connection):
        # Loaded with the first one.
        import simple_websocket

        caller = self._tracing.propagator.extract(environ, context_api.Context(), ENVIRON_GETTER)
        try:
            server = simple_websocket.Server.accept(
                {**environ, "werkzeug.socket": connection}, ping_interval=self._ping_s or None
            )
        except simple_websocket.ConnectionError:
            return
        ws = FunctionWebSocket(server, simple_websocket.ConnectionClosed)
        more = {a.HTTP_RESPONSE_STATUS_CODE: 101}
        span, invocation_id, request_id = self._spans.start(environ, caller, first=False, more=more)
        invocation = Invocation(invocation_id, request_id, span, self._open.discard)
        self._open.add(invocation)
        with self._lock:
            self._clients.add(ws)
        context_api.attach(invocation.within(caller))
        code = 1000
        try:
            self._func(ws, self._clients)
        except Exception as error:  # noqa: BLE001 - the function's
            code = _INTERNAL_ERROR
            print_stack(error)
            span.record_exception(error)
            span.set_attribute(a.ERROR_TYPE, type_of(error))
            span.set_status(StatusCode.ERROR, text_of(error))
        finally:
            with self._lock:
                self._clients.discard(ws)
            ws.close(code)
            span.end()
            self._open.discard(invocation)

    def close_all(self):
        """Tells every client to come back elsewhere."""
        with self._lock:
            clients = list(self._clients)
        for ws in clients:
            ws.close(_GOING_AWAY, "the instance is stopping")
