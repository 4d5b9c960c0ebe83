"""
Two clocks: a monotonic one for every span, and the wall clock it is anchored to. The monotonic one stops while a machine is
suspended or a container frozen, so the offset is checked at each local root span and corrected when it has drifted.
"""

import time

TOLERATED_DRIFT_NS = 2_000_000
# Two looks at clocks that are further apart were interrupted, and are taken again.
_UNDISTURBED_NS = 20_000
_TRIES = 5


def monotonic_ms():
    return time.monotonic_ns() / 1e6


class Clock:
    def __init__(self):
        self.offset_ns = _offset_ns()
        """Of the wall clock to the monotonic one."""

    def correct(self):
        """Times that are told after it ask for a new ANCHOR."""
        self.offset_ns = _offset_ns()

    def has_drifted(self, monotonic_ns):
        """`monotonic_ns`: just read. One look at the wall clock."""
        return not -TOLERATED_DRIFT_NS < time.time_ns() - monotonic_ns - self.offset_ns < TOLERATED_DRIFT_NS

    def wall_unix_nano(self, at_ms):
        return self.offset_ns + int(at_ms * 1e6)

    def to_monotonic_ms(self, time_unix_nano):
        return (time_unix_nano - self.offset_ns) / 1e6


def _offset_ns():
    """Of the quickest of a few looks: a thread that is interrupted between the clocks would take the break for an offset."""
    best = None
    for _ in range(_TRIES):
        before = time.monotonic_ns()
        wall = time.time_ns()
        took = time.monotonic_ns() - before
        if best is None or took < best[0]:
            best = (took, wall - before - took // 2)
        if took < _UNDISTURBED_NS:
            break
    return best[1]
