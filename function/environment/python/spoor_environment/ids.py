"""Ids of spans and traces, at random, never zero, which would be no id. From the kernel, many at a time."""

import os

_BATCH = 256
_NONE = bytes(8)
# Taking one off is a single step of the interpreter: no two threads are given the same.
_pool = []
# A forked child would go on with the same ones.
os.register_at_fork(after_in_child=_pool.clear)


def new_span_id():
    """8 bytes."""
    try:
        return _pool.pop()
    except IndexError:
        data = os.urandom(8 * _BATCH)
        _pool.extend(part for part in (data[at : at + 8] for at in range(8, len(data), 8)) if part != _NONE)
        return data[:8] if data[:8] != _NONE else new_span_id()


def new_trace_id():
    """16 bytes."""
    return new_span_id() + new_span_id()
