"""
One request to the function, from its start until the answer's last byte: the end of its span.

A longer one says what CPU it used: that of the thread it ran in, from start to end, and of the threads it started and the tasks
it gave to others, as far as they were over by then (threads.py). One that only waits says little, whatever runs beside it.
"""

import threading
from time import thread_time_ns

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.trace import StatusCode

from . import attributes as a
from .clock import monotonic_ms
from .thread_cpu import recent_thread_ns
from .tracer import HOME, JournalSpan, stack_of, text_of, type_of

# Shorter invocations do not say what they used; as in our Node twin.
_LEAST_MS = 5


def active_invocation(context=None):
    """The invocation whose code is running, if any."""
    return context_api.get_value(HOME, context)


class Invocation:
    def __init__(self, invocation_id, request_id, span, on_ended):
        self.id = invocation_id
        self.request_id = request_id
        self.span = span
        self._failed = False
        self._over = False
        self._on_ended = on_ended
        self._cpu_ns = -recent_thread_ns(span.start_ms) if type(span) is JournalSpan else 0

    def within(self, context):
        """`context` with this invocation and its span."""
        return context_api.set_value(HOME, self, trace.set_span_in_context(self.span, context))

    @property
    def trace_id(self):
        return f"{self.span.get_span_context().trace_id:032x}"

    def record(self, error):
        """Notes on the span what the function raised."""
        self._failed = True
        self.span.record_exception(error)
        self.span.set_attribute(a.ERROR_TYPE, type_of(error))
        self.span.set_status(StatusCode.ERROR, text_of(error))

    def used(self, cpu_ns):
        """Of another thread that worked for it."""
        with _COUNTING:
            self._cpu_ns += cpu_ns

    def end(self, status, cut):
        """In the thread it began in. `cut`: nobody heard the answer."""
        if self._over:
            return
        self._over = True
        span = self.span
        if cut:
            last = {a.SPOOR_REASON: "client_disconnect"}
            span.add_event("client disconnected")
        else:
            last = {a.HTTP_RESPONSE_STATUS_CODE: status}
            if status >= 500 and not self._failed:
                last[a.ERROR_TYPE] = str(status)
                span.set_status(StatusCode.ERROR)
        if type(span) is JournalSpan:
            now_ms = monotonic_ms()
            if now_ms - span.start_ms >= _LEAST_MS:
                self.used(thread_time_ns())
                last[a.SPOOR_CPU_MS] = round(self._cpu_ns / 1e6, 1)
            span.end_with(last, now_ms)
        self._on_ended(self)


# One for all: it is held for an addition.
_COUNTING = threading.Lock()


def print_stack(error):
    """On stderr, in one piece, so that it is one log record."""
    import sys

    sys.stderr.write(stack_of(error))
