"""
Two clocks: a monotonic one for every span, and the wall clock it is anchored to. The monotonic one stops while a machine is
suspended or a container frozen, so the offset is checked at each local root span and corrected when it has drifted.
"""

import time

_TOLERATED_DRIFT_NS = 2_000_000


def monotonic_ms():
    return time.monotonic_ns() / 1e6


class Clock:
    def __init__(self):
        self.corrections = 0
        self._offset_ns = time.time_ns() - time.monotonic_ns()

    def check(self):
        """Looks at the wall clock. Returns how often the offset was corrected: a change asks for a new ANCHOR."""
        offset = time.time_ns() - time.monotonic_ns()
        if abs(offset - self._offset_ns) > _TOLERATED_DRIFT_NS:
            self._offset_ns = offset
            self.corrections += 1
        return self.corrections

    def wall_unix_nano(self, at_ms):
        return self._offset_ns + int(at_ms * 1e6)

    def to_monotonic_ms(self, time_unix_nano):
        return (time_unix_nano - self._offset_ns) / 1e6
