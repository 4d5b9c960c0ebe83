"""
Sees what the function prints, and hands each piece on as a log record after it went where it would have gone anyway:

    print, sys.stdout, sys.stderr   by line, put together per thread: print writes its parts one by one
    logging                         one record for what a handler prints for one LogRecord, with its level
    os.write to 1 and 2             by call
    subprocess.Popen                a child that inherits our output writes through a pipe of ours instead, by line

What takes another road (os.system, C code, a grandchild) reaches our ordinary output unmarked, and whoever reads that says so
(docs/instance.md, "Output").
"""

import contextvars
import io
import logging
import os
import subprocess
import sys
import threading

from .journal_format import SOURCE_LOGGING, SOURCE_STDERR, SOURCE_STDOUT

# ASCII's record separator: stands at the end of each piece that is in the journal already.
MARK = "\x1e"

_SOURCES = {"stdout": SOURCE_STDOUT, "stderr": SOURCE_STDERR}
# OTLP severity numbers.
_INFO, _ERROR = 9, 17
_LEVELS = ((logging.CRITICAL, 21), (logging.ERROR, 17), (logging.WARNING, 13), (logging.INFO, 9), (0, 5))
_MAX_PARTIAL = 64 * 1024


class Capture:
    """`on_line(body, stream, severity, source)` is called for each piece, in the context it was printed in."""

    def __init__(self, on_line, mark):
        self._on_line = on_line
        self._mark = MARK if mark else ""
        self._local = threading.local()
        self._os_write = os.write

    def install(self, is_invoked):
        """`is_invoked()`: whether the function is at work in this context; only then children are listened to."""
        sys.stdout = CapturedStream(sys.stdout, "stdout", self)
        sys.stderr = CapturedStream(sys.stderr, "stderr", self)
        os.write = self._write_fd
        self._watch_logging()
        self._watch_children(is_invoked)
        os.register_at_fork(after_in_child=self._abandon)

    def _abandon(self):
        """In a forked child the journal is not ours: its lines are for whoever reads the output."""
        self._on_line = lambda *_: None
        self._mark = ""

    def put(self, fd, stream, text):
        """A piece, with its line end if it has one."""
        marked = text.replace("\n", f"{self._mark}\n") if self._mark else text
        if self._mark and not text.endswith("\n"):
            marked += self._mark
        self.write_whole(fd, marked.encode(errors="backslashreplace"))
        self.tell(text, stream)

    def write_whole(self, fd, data):
        view = memoryview(data)
        while view:
            view = view[self._os_write(fd, view) :]

    def tell(self, text, stream):
        body = text.removesuffix("\n").removesuffix("\r")
        # A line that telling of a line would print is not told of again.
        if not body or getattr(self._local, "telling", False):
            return
        severity = getattr(self._local, "severity", None)
        self._local.telling = True
        try:
            if severity is not None:
                self._on_line(body, stream, severity, SOURCE_LOGGING)
            else:
                self._on_line(body, stream, _ERROR if stream == "stderr" else _INFO, _SOURCES[stream])
        finally:
            self._local.telling = False

    def _write_fd(self, fd, data):
        if fd not in (1, 2) or getattr(self._local, "telling", False):
            return self._os_write(fd, data)
        text = bytes(data).decode(errors="replace")
        if not self._mark:
            written = self._os_write(fd, data)
        else:
            self.write_whole(fd, bytes(data).replace(b"\n", b"\x1e\n") + (b"" if text.endswith("\n") else b"\x1e"))
            written = len(data)
        self.tell(text, "stdout" if fd == 1 else "stderr")
        return written

    def _watch_logging(self):
        emit = logging.StreamHandler.emit
        local = self._local

        def watched(handler, record):
            local.severity = next(number for level, number in _LEVELS if record.levelno >= level)
            try:
                emit(handler, record)
            finally:
                local.severity = None

        logging.StreamHandler.emit = watched

    def _watch_children(self, is_invoked):
        start = subprocess.Popen.__init__
        capture = self

        def __init__(popen, *args, **kwargs):
            # stdout and stderr are the fifth and the sixth parameter; nobody gives them by place.
            if len(args) > 4 or not is_invoked():
                return start(popen, *args, **kwargs)
            pumps = []
            for stream, fd in (("stdout", 1), ("stderr", 2)):
                if kwargs.get(stream) in (None, fd):
                    read_end, write_end = os.pipe()
                    kwargs[stream] = write_end
                    pumps.append((read_end, write_end, fd, stream))
            try:
                start(popen, *args, **kwargs)
            finally:
                for read_end, write_end, fd, stream in pumps:
                    os.close(write_end)
                    context = contextvars.copy_context()
                    # A bare thread: it is no thread of the function's.
                    threading.Thread(
                        target=context.run, args=(capture.pump, read_end, fd, stream), daemon=True
                    ).start()

        subprocess.Popen.__init__ = __init__

    def pump(self, read_end, fd, stream):
        with open(read_end, "rb") as pipe:
            for line in pipe:
                self.put(fd, stream, line.decode(errors="replace"))

    @property
    def severity(self):
        return getattr(self._local, "severity", None)


class CapturedStream(io.TextIOBase):
    """Stands for sys.stdout or sys.stderr."""

    def __init__(self, original, name, capture):
        super().__init__()
        self._original = original
        self._stream = name
        self._capture = capture
        self._fd = original.fileno()
        self._partial = threading.local()

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        whole = getattr(self._partial, "text", "") + text
        cut = whole.rfind("\n") + 1
        if len(whole) - cut > _MAX_PARTIAL or (self._capture.severity is not None and not cut):
            cut = len(whole)
        self._partial.text = whole[cut:]
        if cut:
            self._capture.put(self._fd, self._stream, whole[:cut])
        return len(text)

    def flush(self):
        rest = getattr(self._partial, "text", "")
        if rest:
            self._partial.text = ""
            self._capture.put(self._fd, self._stream, rest)
        self._original.flush()

    def fileno(self):
        return self._fd

    def isatty(self):
        return self._original.isatty()

    def writable(self):
        return True

    @property
    def buffer(self):
        return _CapturedBytes(self)

    @property
    def encoding(self):
        return "utf-8"

    @property
    def errors(self):
        return "backslashreplace"

    @property
    def name(self):
        return self._original.name

    @property
    def mode(self):
        return "w"

    @property
    def line_buffering(self):
        return True

    def reconfigure(self, **options):
        self._original.reconfigure(**options)


class _CapturedBytes(io.RawIOBase):
    """`sys.stdout.buffer`."""

    def __init__(self, stream):
        super().__init__()
        self._stream = stream

    def writable(self):
        return True

    def fileno(self):
        return self._stream.fileno()

    def write(self, data):
        self._stream.write(bytes(data).decode(errors="replace"))
        return len(data)

    def flush(self):
        self._stream.flush()
