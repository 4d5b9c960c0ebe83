"""
A small WSGI server: a thread per connection, keep-alive, chunked bodies both ways, websocket upgrades handed on. It stands
behind the router, one hop away; what it refuses it refuses plainly.

Measured against waitress on the same socket: ../../README.md, "Python's server".
"""

import collections
import contextvars
import io
import os
import selectors
import signal
import socket
import sys
import threading
import time
from http import HTTPStatus
from urllib.parse import unquote_to_bytes

# Longer than the router keeps its connections, so that it is the one to close them.
_KEEP_ALIVE_S = 75
_DRAIN_S = 30
_MAX_LINE = 65_536
_MAX_HEADERS = 256
# What is left of a body that the function did not read is skipped up to here; past it the connection is not used again.
_MAX_SKIPPED = 262_144
# Who is still sending when we close would never see the answer: up to here, and for so long, the rest is read and thrown away.
_MAX_LINGER_BYTES = 64 * 1024 * 1024
_LINGER_S = 30
_LINGER_IDLE_S = 5
_BACKLOG = 1024


class HTTPServer:
    """
    `app` is the WSGI application; `upgrade(environ, socket)` serves a websocket until it closes; `on_failure(environ, error)`
    gives (status line, headers, body) for what `app` raised before it answered.
    """

    def __init__(self, app, upgrade, on_failure):
        self._app = app
        self._upgrade = upgrade
        self._on_failure = on_failure
        self._tasks = collections.deque()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._exit_code = None
        self._active = 0
        self._idle = threading.Condition()
        self._listener = None

    def listen(self, socket_path, port):
        """Raises OSError."""
        if socket_path:
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listener.bind(socket_path)
        else:
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("0.0.0.0", port))
        listener.listen(_BACKLOG)
        listener.setblocking(False)
        self._listener = listener

    def serve(self, control, on_stop):
        """
        Runs in the main thread until told to stop; returns what `stop` was given. Before the drain calls `on_stop`, for
        what would never end by itself.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop(0))
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._wake_read, selectors.EVENT_READ)
            if control:
                selector.register(control.fd, selectors.EVENT_READ)
            while self._exit_code is None:
                for key, _ in selector.select():
                    if key.fileobj is self._listener:
                        self._accept()
                    elif key.fd == self._wake_read:
                        self._run_tasks()
                    elif control.is_closed():
                        selector.unregister(control.fd)
                        self.stop(0)
        self._listener.close()
        if self._exit_code == 0:
            if control:
                control.say({"event": "draining"})
            on_stop()
            self._drain()
        return self._exit_code

    def stop(self, exit_code):
        """
        From any thread, and from a signal handler. With 0, what is in flight is finished first, 30 s at most; with anything
        else, at once.
        """
        if self._exit_code is None:
            self._exit_code = exit_code
        self._wake()

    def is_stopping(self):
        return self._exit_code is not None

    def run_in_main_thread(self, task):
        """Where a module expects to be loaded: only there may it ask for signals. Returns or raises what `task` does."""
        done = threading.Event()
        outcome = {}

        def run():
            try:
                outcome["value"] = task()
            except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
                outcome["error"] = error
            done.set()

        self._tasks.append(run)
        self._wake()
        done.wait()
        if "error" in outcome:
            raise outcome["error"]
        return outcome["value"]

    def _wake(self):
        try:
            os.write(self._wake_write, b"\0")
        except BlockingIOError:
            pass  # Full of wakes already.

    def _run_tasks(self):
        os.read(self._wake_read, 4096)
        while self._tasks:
            self._tasks.popleft()()

    def _accept(self):
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        connection.setblocking(True)
        threading.Thread(target=self._serve_connection, args=(connection,), daemon=True).start()

    def _drain(self):
        deadline = time.monotonic() + _DRAIN_S
        with self._idle:
            while self._active > 0 and time.monotonic() < deadline:
                self._idle.wait(deadline - time.monotonic())

    def _serve_connection(self, connection):
        with connection:
            if connection.family == socket.AF_INET:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(_KEEP_ALIVE_S)
            stream = connection.makefile("rb", _MAX_LINE)
            try:
                outcome = _USABLE
                while self._exit_code is None and outcome is _USABLE:
                    outcome = self._serve_request(connection, stream)
                if outcome is _UNREAD:
                    _linger(connection, stream)
            except (OSError, _BadRequest):
                pass  # The other end is gone, or never spoke HTTP.
            finally:
                # Not before the last of those who hold `stream` lets go, but now.
                _shut(connection)

    def _serve_request(self, connection, stream):
        """_USABLE, _OVER or _UNREAD."""
        try:
            environ = _read_head(stream)
        except _BadRequest as error:
            _send_refusal(connection, error)
            return _UNREAD
        if environ is None:
            return _OVER
        connection.settimeout(None)
        with self._idle:
            self._active += 1
        try:
            # Each request has a context of its own: nothing of one is seen by the next.
            return contextvars.Context().run(self._answer, connection, stream, environ)
        finally:
            with self._idle:
                self._active -= 1
                self._idle.notify_all()
            connection.settimeout(_KEEP_ALIVE_S)

    def _answer(self, connection, stream, environ):
        if "websocket" in environ.get("HTTP_UPGRADE", "").lower():
            self._upgrade(environ, connection)
            return _OVER
        try:
            body = _body_of(environ, stream, connection)
        except _BadRequest as error:
            _send_refusal(connection, error)
            return _UNREAD
        # `input_terminated`: the stream ends where the body does, https://github.com/GrahamDumpleton/wsgi-keynote
        environ["wsgi.input"] = body
        answer = _Answer(connection, environ, self.is_stopping)
        if not self._respond(environ, answer):
            return _UNREAD
        if not answer.keep_alive:
            return _UNREAD
        return _USABLE if body.skip_rest() else _UNREAD

    def _respond(self, environ, answer):
        """Whether all of the answer is sent, as the function gave it."""
        try:
            parts = self._app(environ, answer.start)
        except Exception as error:  # noqa: BLE001 - an answer is owed
            answer.fail(*self._on_failure(environ, error))
            return False
        try:
            for part in parts:
                answer.write(part)
            answer.finish()
            return True
        except OSError:
            environ["spoor.cut"] = True
            return False
        except Exception as error:  # noqa: BLE001 - an answer is owed, if it has not begun
            answer.fail(*self._on_failure(environ, error))
            return False
        finally:
            if hasattr(parts, "close"):
                parts.close()


# What a connection is after a request: good for another; at its end; at its end, with a client that may still be sending.
_USABLE, _OVER, _UNREAD = "usable", "over", "unread"


class _BadRequest(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def _read_head(stream):
    """The WSGI environ of the next request; None when the connection is closed. Raises _BadRequest."""
    line = stream.readline(_MAX_LINE)
    if line in (b"\r\n", b"\n"):  # RFC 9112 2.2: one empty line before a request is ignored.
        line = stream.readline(_MAX_LINE)
    if not line:
        return None
    words = line.decode("latin-1").split()
    if len(words) != 3 or not words[2].startswith("HTTP/1.") or not line.endswith(b"\n"):
        raise _BadRequest(400, "cannot read the request line")
    method, target, protocol = words
    if target.startswith(("http://", "https://")):
        target = "/" + target.split("/", 3)[3] if target.count("/") > 2 else "/"
    path, _, query = target.partition("?")
    environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path.encode("latin-1")).decode("latin-1"),
        "QUERY_STRING": query,
        "REQUEST_URI": target,
        "RAW_URI": target,
        "SERVER_PROTOCOL": protocol,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }
    for _ in range(_MAX_HEADERS):
        line = stream.readline(_MAX_LINE)
        if line in (b"\r\n", b"\n"):
            return environ
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or not name or name != name.strip() or not line.endswith(b"\n"):
            raise _BadRequest(400, "cannot read a header line")
        key = name.upper().replace("-", "_")
        if "_" in name:
            continue  # It would pass for the header with a dash.
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        value = value.strip()
        if key in environ:
            value = environ[key] + ("; " if key == "HTTP_COOKIE" else ",") + value
        environ[key] = value
    raise _BadRequest(431, f"cannot read more than {_MAX_HEADERS} headers")


def _body_of(environ, stream, connection):
    expects = environ.get("HTTP_EXPECT", "").lower() == "100-continue"
    go_on = (lambda: connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")) if expects else None
    if "HTTP_TRANSFER_ENCODING" in environ:
        if environ["HTTP_TRANSFER_ENCODING"].lower() != "chunked" or "CONTENT_LENGTH" in environ:
            raise _BadRequest(400, "cannot read a body with this transfer encoding")
        return _Body(_chunks(stream), go_on)
    length = environ.get("CONTENT_LENGTH", "0")
    if not length.isdecimal():
        raise _BadRequest(400, f"cannot read a body of the length [{length}]")
    return _Body(_sized(stream, int(length)), go_on)


def _sized(stream, length):
    """A generator of the body's pieces; it is sent how many bytes are wanted."""
    wanted = yield b""
    while length > 0:
        piece = stream.read1(min(wanted, length))
        if not piece:
            raise ConnectionResetError("the client went away")
        length -= len(piece)
        wanted = yield piece


def _chunks(stream):
    """RFC 9112 7.1: size in hex, extensions, CRLF, bytes, CRLF; a chunk of size 0; trailers."""
    wanted = yield b""
    while True:
        line = stream.readline(_MAX_LINE)
        try:
            size = int(line.split(b";")[0].strip(), 16)
        except ValueError:
            raise ConnectionResetError("the body is not chunked as it should be") from None
        if size == 0:
            while stream.readline(_MAX_LINE) not in (b"\r\n", b"\n", b""):
                pass
            return
        while size > 0:
            piece = stream.read1(min(wanted, size))
            if not piece:
                raise ConnectionResetError("the client went away")
            size -= len(piece)
            wanted = yield piece
        stream.readline(_MAX_LINE)


class _Body(io.RawIOBase):
    """`wsgi.input`: ends where the body ends."""

    def __init__(self, pieces, go_on):
        super().__init__()
        self._pieces = pieces
        self._go_on = go_on
        self._rest = b""
        next(pieces)

    def readable(self):
        return True

    def readinto(self, buffer):
        piece = self._next(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def skip_rest(self):
        """Whether the end was reached."""
        if self._go_on:
            return False  # Nobody asked the client to send it.
        skipped = 0
        while skipped < _MAX_SKIPPED:
            piece = self._next(_MAX_LINE)
            if not piece:
                return True
            skipped += len(piece)
        return False

    def _next(self, wanted):
        if self._go_on:
            go_on, self._go_on = self._go_on, None
            go_on()
        try:
            return self._pieces.send(wanted) if wanted else b""
        except StopIteration:
            return b""


class _Answer:
    def __init__(self, connection, environ, is_stopping):
        self._connection = connection
        self._environ = environ
        self._is_stopping = is_stopping
        self._is_head = environ["REQUEST_METHOD"] == "HEAD"
        self._speaks_1_1 = environ["SERVER_PROTOCOL"] == "HTTP/1.1"
        wish = environ.get("HTTP_CONNECTION", "").lower()
        self.keep_alive = wish != "close" if self._speaks_1_1 else wish == "keep-alive"
        self._head = None
        self._is_sent = False
        self._chunked = False
        self._bodyless = False

    def start(self, status, headers, exc_info=None):
        if self._is_sent and exc_info:
            raise exc_info[1]
        # Whoever asks next on this connection would find nobody; a new one is refused at once, and tried elsewhere.
        if self._is_stopping():
            self.keep_alive = False
        names = {name.lower() for name, _ in headers}
        code = status[:3]
        # For who wants to know what was sent in the end.
        self._environ["spoor.status"] = int(code) if code.isdecimal() else 0
        self._bodyless = self._is_head or code in ("204", "304") or code.startswith("1")
        lines = [f"HTTP/1.1 {status}"]
        lines += [f"{name}: {value}" for name, value in headers if name.lower() != "connection"]
        self._chunked = False
        if "content-length" not in names and not self._bodyless:
            if self._speaks_1_1:
                self._chunked = True
                lines.append("Transfer-Encoding: chunked")
            else:
                self.keep_alive = False
        if "date" not in names:
            lines.append(f"Date: {_http_date()}")
        if not self.keep_alive:
            lines.append("Connection: close")
        self._head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        return self.write

    def write(self, part):
        if not part:
            return
        data = b"" if self._bodyless else b"%x\r\n%b\r\n" % (len(part), part) if self._chunked else part
        self._send(data)

    def finish(self):
        self._send(b"0\r\n\r\n" if self._chunked else b"")

    def fail(self, status, headers, body):
        """Half an answer must not look like a whole one: once it has begun, the connection is cut."""
        if self._is_sent:
            return
        self.keep_alive = False
        self.start(status, headers)
        try:
            self.write(body)
            self.finish()
        except OSError:
            pass

    def _send(self, data):
        if not self._is_sent:
            self._is_sent = True
            data = self._head + data
        if data:
            self._connection.sendall(data)


def _linger(connection, stream):
    """As RFC 9112 9.6 has it: close for writing, and read until the client closes too."""
    connection.shutdown(socket.SHUT_WR)
    connection.settimeout(_LINGER_IDLE_S)
    until = time.monotonic() + _LINGER_S
    left = _MAX_LINGER_BYTES
    while left > 0 and time.monotonic() < until:
        piece = stream.read1(_MAX_LINE)
        if not piece:
            return
        left -= len(piece)


def _shut(connection):
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def _send_refusal(connection, error):
    text = f"{error}\n".encode()
    head = (
        f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\nContent-Type: text/plain\r\n"
        f"Content-Length: {len(text)}\r\nConnection: close\r\n\r\n"
    )
    try:
        connection.sendall(head.encode() + text)
    except OSError:
        pass


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _http_date():
    """RFC 9110 5.6.7, whatever the locale."""
    now = time.gmtime()
    return (
        f"{_DAYS[now.tm_wday]}, {now.tm_mday:02} {_MONTHS[now.tm_mon - 1]} {now.tm_year} "
        f"{now.tm_hour:02}:{now.tm_min:02}:{now.tm_sec:02} GMT"
    )
