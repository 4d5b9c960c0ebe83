"""The active span goes with what the function starts: threads, and tasks given to a pool of them."""

import concurrent.futures
import threading

from opentelemetry import context as context_api


def carry_context_to_threads(is_invoked):
    start = threading.Thread.start
    submit = concurrent.futures.ThreadPoolExecutor.submit

    def started(thread):
        if is_invoked():
            thread.run = _within(context_api.get_current(), thread.run)
        return start(thread)

    def submitted(pool, task, /, *args, **kwargs):
        return submit(pool, _within(context_api.get_current(), task), *args, **kwargs)

    threading.Thread.start = started
    concurrent.futures.ThreadPoolExecutor.submit = submitted


def _within(context, task):
    def run(*args, **kwargs):
        token = context_api.attach(context)
        try:
            return task(*args, **kwargs)
        finally:
            context_api.detach(token)

    return run
