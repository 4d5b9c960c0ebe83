"""
Fission's environment contract: a generic server until `/specialize` (v1) or `/v2/specialize` gives it its one function; then
every request is the function's.

    generic --specialize--> loading --> specialized
       ^-------- cannot load ----'
"""

import json
import os
import sys
import threading

from flask import Flask
from werkzeug.wrappers import Response

from . import attributes as a
from .initialize_tracing import SCOPE, Exiting, initialize_tracing
from .load_function import LoadFailure, load_function
from .publish import open_publisher
from .server_span import Identity
from .websocket import WebSockets

_MAX_SPECIALIZE_BYTES = 1024 * 1024
# The name of a function loaded by v1's `/specialize`, which brings none.
_NAMELESS = "function"


class _BadLoad(Exception):
    """A specialize request that is none."""


class FunctionApp(Flask):
    """Every path and every method is the function's: Flask's routing is left out of it."""

    def __init__(self, func):
        # Its templates and static files are the function's own.
        super().__init__("spoor_environment", root_path=os.getcwd(), static_folder=None)
        self._func = func

    def create_url_adapter(self, _request):
        # It would look for a route, find none, and keep that with its stack, for each request.
        return None

    def dispatch_request(self):
        return self._func()

    def handle_exception(self, error):
        raise error


class Environment:
    def __init__(self, settings, tracing, on_exit, run_in_main_thread):
        self.open = set()
        self._settings = settings
        self._tracing = tracing
        self._on_exit = on_exit
        self._run_in_main_thread = run_in_main_thread
        self._loading = threading.Lock()
        self._app = None
        self._websockets = None
        self.on_specialized = lambda: None

    def __call__(self, environ, start_response):
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if path == "/healthz" and method in ("GET", "HEAD"):
            response = Response(status=200)
        elif path in ("/v2/specialize", "/specialize") and method == "POST":
            response = self._specialize(environ, is_v1=path == "/specialize")
        elif self._app:
            return self._app(environ, start_response)
        else:
            response = Response("Generic container: no requests supported", 500)
        return response(environ, start_response)

    def upgrade(self, environ, connection):
        if self._websockets:
            self._websockets.serve(environ, connection)
            return
        text = b"Generic container: no requests supported"
        connection.sendall(
            b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(text), text)
        )

    def answer_failure(self, _environ, error):
        """For what stopped an answer outside the function's own call."""
        if isinstance(error, Exiting):
            # The process is about to end, and the request with it: as when it is killed, nothing is answered.
            threading.Event().wait()
        body = json.dumps({"component": "function", "reason": "function_error", "message": "Internal server error"})
        return "500 INTERNAL SERVER ERROR", [("Content-Type", "application/json")], body.encode()

    def close_websockets(self):
        if self._websockets:
            self._websockets.close_all()

    def restore(self):
        """A container that starts again goes on with the function it had. In the main thread, before it listens."""
        try:
            with open(self._settings.state_path, encoding="utf-8") as state:
                load = _read_load(json.load(state))
        except FileNotFoundError:
            return
        except (OSError, ValueError, _BadLoad) as error:
            print(f"cannot restore [{self._settings.state_path}]: {error}", file=sys.stderr)
            return
        try:
            self._take(load_function(load["path"], load["entry"]), load["identity"])
        except LoadFailure as error:
            print(error, file=sys.stderr)

    def forget(self):
        """A container told to stop does not come back as the function it was."""
        try:
            os.unlink(self._settings.state_path)
        except OSError:
            pass

    def _specialize(self, environ, is_v1):
        with self._loading:
            if self._app:
                return Response("Not a generic container", 400)
            try:
                request = None if is_v1 else _read_json(environ)
                load = _load_v1(self._settings) if is_v1 else _read_load(request)
                func = self._run_in_main_thread(lambda: load_function(load["path"], load["entry"]))
            except (LoadFailure, _BadLoad) as error:
                print(error, file=sys.stderr)
                return Response(str(error), 400 if isinstance(error, _BadLoad) else 500)
            except SystemExit as error:
                message = f"cannot load the function: it ended the process while it was loaded: {error}"
                print(message, file=sys.stderr)
                return Response(message, 500)
            self._take(func, load["identity"])
            if request is not None:
                self._remember(request)
            return Response(status=200)

    def _take(self, func, identity):
        settings, tracing = self._settings, self._tracing
        tracing.set_resource(
            {
                a.SERVICE_NAME: identity.name,
                a.SERVICE_INSTANCE_ID: settings.instance_id,
                a.FAAS_NAME: identity.name,
                a.FAAS_VERSION: identity.version,
                a.FAAS_INSTANCE: settings.instance_id,
            }
        )
        publish = open_publisher(settings.internal_url, tracing.get_tracer(SCOPE, "1"), tracing.propagator)
        traced = initialize_tracing(
            func, identity, tracing, settings.instance_id, publish, self.open, self._on_exit
        )
        self._websockets = WebSockets(
            func, identity, tracing, settings.instance_id, settings.websocket_ping_s, self.open
        )
        self.on_specialized()
        self._app = FunctionApp(traced)

    def _remember(self, request):
        # Only where Fission mounts its volume.
        if not os.path.isdir(os.path.dirname(self._settings.state_path)):
            return
        try:
            with open(self._settings.state_path, "w", encoding="utf-8") as state:
                json.dump(request, state)
        except OSError as error:
            print(f"cannot write [{self._settings.state_path}]: {error.strerror}", file=sys.stderr)


def _load_v1(settings):
    return {"path": settings.code_path, "entry": "", "identity": Identity(_NAMELESS, "")}


def _read_json(environ):
    data = b""
    while len(data) <= _MAX_SPECIALIZE_BYTES:
        piece = environ["wsgi.input"].read(65_536)
        if not piece:
            break
        data += piece
    else:
        raise _BadLoad(f"cannot specialize: the request is longer than {_MAX_SPECIALIZE_BYTES} bytes")
    try:
        return json.loads(data)
    except ValueError as error:
        raise _BadLoad(f"cannot specialize: the request is not JSON: {error}") from error


def _read_load(request):
    """Fission's `FunctionLoadRequest`; keys we do not know are left alone. Raises _BadLoad."""
    if not isinstance(request, dict):
        raise _BadLoad("cannot specialize: the request must be a JSON object")
    path = request.get("filepath")
    entry = request.get("functionName")
    if not isinstance(path, str) or not path:
        raise _BadLoad(f"cannot specialize: [filepath] must be a path, not {json.dumps(path)}")
    if entry is not None and not isinstance(entry, str):
        raise _BadLoad(f"cannot specialize: [functionName] must be a string, not {json.dumps(entry)}")
    metadata = request.get("FunctionMetadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    name, version = metadata.get("name"), metadata.get("resourceVersion")
    return {
        "path": path,
        "entry": entry or "",
        "identity": Identity(
            name if isinstance(name, str) and name else _NAMELESS, version if isinstance(version, str) else ""
        ),
    }
