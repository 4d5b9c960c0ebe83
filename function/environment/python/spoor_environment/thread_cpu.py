"""CPU time of the thread that asks. Asking is a system call, the dearest thing on the way of a short invocation."""

import threading
from time import thread_time_ns

# How old a reading may be that an invocation begins with: thousands that come at once share one.
_FRESH_MS = 1


class _Reading(threading.local):
    at_ms = float("-inf")
    ns = 0


_LAST = _Reading()


def recent_thread_ns(now_ms):
    """What it was a moment before `now_ms`, monotonic; the present value is `time.thread_time_ns()`."""
    last = _LAST
    if now_ms - last.at_ms > _FRESH_MS:
        last.at_ms = now_ms
        last.ns = thread_time_ns()
    return last.ns
