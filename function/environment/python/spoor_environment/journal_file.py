"""The journal's file: its header page and its segments, mapped into memory."""

import mmap
import os
import struct
import time

from . import journal_format as f

# Up to the magic, which is stored last: version, header bytes, segment bytes, segment count, pid, transport, start ticks,
# wall clock in ns.
_HEADER = struct.Struct("<IIIIIIQQ")


class JournalFile:
    """Created sparse, at a path that must not exist. Raises OSError."""

    def __init__(self, path, segment_bytes=f.SEGMENT_BYTES, segment_count=f.SEGMENT_COUNT):
        self.path = path
        self.segment_bytes = segment_bytes
        self.segment_count = segment_count
        # Of each segment, the number it was last used under; our own copy, as nobody else writes it.
        self._sequences = [0] * segment_count
        self._last_sequence = 0
        self._reserved = [False] * segment_count
        size = f.HEADER_BYTES + segment_count * segment_bytes
        # The agent may run in another container under another user of the same group.
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o660)
        try:
            os.ftruncate(self._fd, size)
            os.posix_fallocate(self._fd, 0, f.HEADER_BYTES)
            self._map = mmap.mmap(self._fd, size)
        except OSError:
            os.close(self._fd)
            os.unlink(path)
            raise
        header = _HEADER.pack(
            f.VERSION,
            f.HEADER_BYTES,
            segment_bytes,
            segment_count,
            os.getpid(),
            f.TRANSPORT_MAP,
            _start_ticks(),
            time.time_ns(),
        )
        self._map[8 : 8 + len(header)] = header
        self.bytes = memoryview(self._map)
        # A store of one aligned word: what makes a record appear whole or not at all.
        self.words = self.bytes.cast("I")
        self.words[1] = int.from_bytes(f.MAGIC[4:], "little")
        self.words[0] = int.from_bytes(f.MAGIC[:4], "little")

    def claim_segment(self):
        """Offset of a free segment, zeroed and numbered; None when all are in use or the file system is full."""
        index = self._find_free()
        if index is None:
            return None
        offset = f.HEADER_BYTES + index * self.segment_bytes
        # The first store into a page which a full tmpfs cannot give is a SIGBUS; fallocate says ENOSPC instead.
        if not self._reserved[index]:
            try:
                os.posix_fallocate(self._fd, offset, self.segment_bytes)
            except OSError:
                return None
            self._reserved[index] = True
        if self._sequences[index] != 0:
            self.bytes[offset : offset + self.segment_bytes] = bytes(self.segment_bytes)
        self._last_sequence += 1
        self._sequences[index] = self._last_sequence
        self.words[f.HEADER_SEQUENCE // 4 + index] = self._last_sequence
        return offset

    def store_dropped(self, spans, logs):
        self.bytes[f.HEADER_DROPPED_SPANS : f.HEADER_DROPPED_SPANS + 16] = struct.pack("<QQ", spans, logs)

    def _find_free(self):
        """The lowest drained one, before the lowest never used: what has memory already is used again first."""
        untouched = None
        for index, sequence in enumerate(self._sequences):
            if sequence == 0:
                if untouched is None:
                    untouched = index
            elif (
                sequence != self._last_sequence
                and self.words[f.HEADER_DRAINED // 4 + index] == sequence
            ):
                return index
        return untouched


def _start_ticks():
    """Field 22 of /proc/self/stat, counted after the command's closing parenthesis, as the command may hold spaces."""
    try:
        with open("/proc/self/stat", "rb") as stat:
            text = stat.read()
        return int(text[text.rindex(b")") + 2 :].split(b" ")[19])
    except (OSError, ValueError, IndexError):
        return 0
