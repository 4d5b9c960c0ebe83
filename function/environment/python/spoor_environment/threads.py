"""
The active span goes with what the function starts, threads and tasks given to a pool of them, and the CPU they use is counted to
the invocation.
"""

import concurrent.futures
import threading
from time import thread_time_ns

from opentelemetry import context as context_api


def carry_context_to_threads(active_invocation):
    start = threading.Thread.start
    submit = concurrent.futures.ThreadPoolExecutor.submit

    def started(thread):
        invocation = active_invocation()
        if invocation is not None:
            thread.run = _within(context_api.get_current(), invocation, thread.run)
        return start(thread)

    def submitted(pool, task, /, *args, **kwargs):
        return submit(pool, _within(context_api.get_current(), active_invocation(), task), *args, **kwargs)

    threading.Thread.start = started
    concurrent.futures.ThreadPoolExecutor.submit = submitted


def _within(context, invocation, task):
    def run(*args, **kwargs):
        token = context_api.attach(context)
        # What this thread has told so far, as the tasks within it did, is not told again.
        before = thread_time_ns() - _told()
        try:
            return task(*args, **kwargs)
        finally:
            used = thread_time_ns() - _told() - before
            _LOCAL.told = _told() + used
            if invocation is not None:
                invocation.used(used)
            context_api.detach(token)

    return run


_LOCAL = threading.local()


def _told():
    """CPU time of this thread that was counted, in ns."""
    return getattr(_LOCAL, "told", 0)
