"""
Appends records to the journal: docs/journal.md, "Records". A record is built as bytes, copied into its place behind its
header word, and then becomes visible by the store of that word.
"""

import datetime
import struct
import threading

from . import journal_format as f
from .clock import Clock, monotonic_ms

_START = struct.Struct("<IId16s8s8sBBHIII")
_ATTRIBUTES = struct.Struct("<II8s")
_EVENT = struct.Struct("<II8sdII")
_LINK = struct.Struct("<II8s16s8sII")
_END = struct.Struct("<II8sdBBHHH")
_NAME = struct.Struct("<II8s")
_LOG = struct.Struct("<IId16s8sBBHI")
_GOODBYE = struct.Struct("<IId")
_ANCHOR = struct.Struct("<IIdQ")
_RESOURCE = struct.Struct("<II")
_STRING = struct.Struct("<IIII")
_DROPPED = struct.Struct("<IIQQ")
_KEYED = struct.Struct("<II")
_INT64 = struct.Struct("<IIq")
_DOUBLE = struct.Struct("<IId")

_NO_KEY = 0
_NO_TRACE = bytes(16)
_NO_SPAN = bytes(8)
# Interned text is cut here, in UTF-16 units: a name or key that is longer is data in the wrong place.
_MAX_INTERNED = 2048
_NEXT_BYTES = 8
_UNLIMITED = 1 << 30


class JournalWriter:
    """
    Safe to use from many threads. Each method returns False when the record found no room (START, END and LOG are counted
    as dropped then), and raises nothing.
    """

    def __init__(self, file, value_limit):
        self.skipped = 0
        """Attributes of the last record that were no values or found no room. Read it within `lock`."""
        self.written = 0
        self.dropped_spans = 0
        self.dropped_logs = 0
        # Reentrant, as the garbage collector may run somebody's __del__, which prints, while a record is made.
        self.lock = threading.RLock()
        self.clock = Clock()
        self._file = file
        self._value_limit = value_limit
        self._ids = {}
        self._base = None
        self._position = 0
        self._limit = 0
        self._corrections = 0
        self._resource = {}
        self._told_dropped = 0
        self._busy = False
        self._lenient = False
        self._pending = 0
        self._closed = False

    def start(self, trace, span, parent, name, time_ms, kind, flags, trace_state, scope, attributes, max_attributes):
        def build():
            name_id = self._id_of(name)
            state_id = self._id_of(trace_state) if trace_state else 0
            scope_id = self._id_of(scope) if scope else 0
            record = bytearray(_START.size)
            count = self._put_attributes(record, attributes, max_attributes)
            _START.pack_into(
                record, 0, 0, name_id, time_ms, trace, span, parent, kind, flags, 0, state_id, scope_id, count
            )
            return record

        return self._append(f.START, build) or self._drop_span()

    def attributes(self, span, attributes, max_attributes=_UNLIMITED):
        def build():
            record = bytearray(_ATTRIBUTES.size)
            count = self._put_attributes(record, attributes, max_attributes)
            _ATTRIBUTES.pack_into(record, 0, 0, count, span)
            return record

        return self._append(f.ATTRIBUTES, build)

    def event(self, span, name, time_ms, attributes, max_attributes):
        def build():
            name_id = self._id_of(name)
            record = bytearray(_EVENT.size)
            count = self._put_attributes(record, attributes, max_attributes)
            _EVENT.pack_into(record, 0, 0, name_id, span, time_ms, count, self.skipped)
            return record

        return self._append(f.EVENT, build)

    def link(self, span, linked_trace, linked_span, flags, trace_state, attributes, max_attributes):
        def build():
            state_id = self._id_of(trace_state) if trace_state else 0
            record = bytearray(_LINK.size)
            count = self._put_attributes(record, attributes, max_attributes)
            _LINK.pack_into(record, 0, 0, count, span, linked_trace, linked_span, flags, state_id)
            return record

        return self._append(f.LINK, build)

    def end(self, span, time_ms, status, message, dropped_attributes, dropped_events, dropped_links):
        def build():
            record = bytearray(_END.size)
            count = self._put_unnamed(record, message) if message else 0
            _END.pack_into(
                record,
                0,
                0,
                count,
                span,
                time_ms,
                status,
                0,
                min(dropped_attributes, 0xFFFF),
                min(dropped_events, 0xFFFF),
                min(dropped_links, 0xFFFF),
            )
            return record

        return self._append(f.END, build) or self._drop_span()

    def name(self, span, name):
        return self._append(f.NAME, lambda: bytearray(_NAME.pack(0, self._id_of(name), span)))

    def log(self, trace, span, time_ms, severity, source, body, attributes):
        """`trace` and `span` are None for a line that belongs to no span."""

        def build():
            record = bytearray(_LOG.size)
            count = self._put_unnamed(record, body)
            count += self._put_attributes(record, attributes, _UNLIMITED)
            _LOG.pack_into(
                record, 0, 0, count, time_ms, trace or _NO_TRACE, span or _NO_SPAN, severity, source, 0, 0
            )
            return record

        if self._append(f.LOG, build):
            return True
        with self.lock:
            self.dropped_logs += 1
            self._store_dropped()
        return False

    def goodbye(self, attributes):
        def build():
            record = bytearray(_GOODBYE.size)
            count = self._put_attributes(record, attributes, _UNLIMITED)
            _GOODBYE.pack_into(record, 0, 0, count, monotonic_ms())
            return record

        return self._append(f.GOODBYE, build)

    def set_resource(self, attributes):
        """RESOURCE, now and at the start of each segment to come."""
        with self.lock:
            self._resource = dict(attributes)
            if self._base is None:
                self._turn()
            else:
                self._append(f.RESOURCE, self._resource_record)

    def check_clock(self):
        """Anchors the times that follow anew if the wall clock has moved: once per local root span."""
        if self.clock.check() == self._corrections:
            return
        with self.lock:
            if self._base is not None and self.clock.corrections != self._corrections:
                self._append(f.ANCHOR, self._anchor_record)

    def abandon(self):
        """In a forked child: the journal is the parent's, and its lock may be held by a thread that is not here."""
        self.lock = threading.RLock()
        self._closed = True

    # ---- a record: build, place

    def _append(self, kind, build):
        with self.lock:
            if self._closed or self._busy:
                return False
            self._busy = True
            try:
                return self._place(kind, build)
            except Exception:  # noqa: BLE001 - a value of the user's that fails while it is read: tracing is a guest
                return False
            finally:
                self._busy = False
                self._lenient = False
                self._pending = 0

    def _place(self, kind, build):
        if self._base is None and not self._turn():
            return False
        for lenient in (False, False, True):
            # First as it is; then in a fresh segment, where strings have other ids; then without what does not fit.
            self._lenient = lenient
            self.skipped = 0
            try:
                record = build()
            except _NoRoom:
                record = None
            if record is not None and self._position + len(record) <= self._limit:
                self._store(kind, record)
                return True
            if not lenient and not self._turn():
                return False
        return False

    def _store(self, kind, record):
        at = self._base + self._position
        length = len(record)
        self._file.bytes[at + 4 : at + length] = record[4:]
        self._file.words[at // 4] = length << 8 | kind
        self._position += length

    def _turn(self):
        """Goes on in the next free segment. False when there is none."""
        base = self._file.claim_segment()
        if base is None:
            return False
        if self._base is not None:
            self._file.words[(self._base + self._position) // 4] = _NEXT_BYTES << 8 | f.NEXT
        self._base = base
        self._position = 0
        self._limit = self._file.segment_bytes - _NEXT_BYTES
        self._ids.clear()
        lenient, self._lenient = self._lenient, True
        self._store(f.ANCHOR, self._anchor_record())
        self._store(f.RESOURCE, self._resource_record())
        self._lenient = lenient
        if self.dropped_spans + self.dropped_logs != self._told_dropped:
            self._told_dropped = self.dropped_spans + self.dropped_logs
            self._store(f.DROPPED, bytearray(_DROPPED.pack(0, 0, self.dropped_spans, self.dropped_logs)))
        return True

    def _anchor_record(self):
        now = monotonic_ms()
        self._corrections = self.clock.check()
        return bytearray(_ANCHOR.pack(0, 0, now, self.clock.wall_unix_nano(now)))

    def _resource_record(self):
        record = bytearray(_RESOURCE.size)
        _RESOURCE.pack_into(record, 0, 0, self._put_attributes(record, self._resource, _UNLIMITED))
        return record

    def _drop_span(self):
        with self.lock:
            self.dropped_spans += 1
            self._store_dropped()
        return False

    def _store_dropped(self):
        if not self._closed:
            self._file.store_dropped(self.dropped_spans, self.dropped_logs)

    # ---- strings and attributes

    def _id_of(self, text):
        """The id of a name or key in this segment, behind its STRING record. Raises _NoRoom."""
        found = self._ids.get(text)
        if found is not None:
            return found
        data = _utf8(_cut(text if isinstance(text, str) else str(text), _MAX_INTERNED))
        record = bytearray(_STRING.size + _align(len(data)))
        if self._position + len(record) + (self._pending if self._lenient else 0) > self._limit:
            raise _NoRoom
        number = len(self._ids) + 1
        _STRING.pack_into(record, 0, 0, number, len(data), 0)
        record[_STRING.size : _STRING.size + len(data)] = data
        self._store(f.STRING, record)
        self._ids[text] = number
        return number

    def _put_attributes(self, record, attributes, most):
        count = 0
        if attributes:
            for key, value in attributes.items():
                if value is None:
                    continue
                if count >= most or not key:
                    self.skipped += 1
                else:
                    count += self._put_keyed(record, key, value)
        self.written = count
        return count

    def _put_unnamed(self, record, value):
        return self._put_keyed(record, None, value)

    def _put_keyed(self, record, key, value):
        """1 when it was put, 0 when it was skipped."""
        self._pending = len(record)
        try:
            data = self._encode(_NO_KEY if key is None else self._id_of(key), value, 0)
        except _NoRoom:
            if not self._lenient:
                raise
            data = None
        except Exception:  # noqa: BLE001 - a mapping of the user's that fails while it is read
            data = None
        if data is None or (self._lenient and self._position + len(record) + len(data) > self._limit):
            self.skipped += 1
            return 0
        record += data
        return 1

    def _encode(self, key, value, depth):
        """The bytes of one attribute; None when the value is none. Types: docs/journal.md, "Attribute"."""
        if isinstance(value, str):
            data = _utf8(_cut(value, self._value_limit))
            return _KEYED.pack(key, len(data) << 8 | f.VALUE_STRING) + _padded(data)
        if isinstance(value, bool):
            return _KEYED.pack(key, int(value) << 8 | f.VALUE_BOOL)
        if isinstance(value, int):
            if -(1 << 63) <= value < 1 << 63:
                return _INT64.pack(key, 8 << 8 | f.VALUE_INT64, value)
            return self._encode(key, str(value), depth)
        if isinstance(value, float):
            return _DOUBLE.pack(key, 8 << 8 | f.VALUE_DOUBLE, value)
        if isinstance(value, (bytes, bytearray, memoryview)):
            data = bytes(value)[: self._value_limit]
            return _KEYED.pack(key, len(data) << 8 | f.VALUE_BYTES) + _padded(data)
        if isinstance(value, (datetime.datetime, datetime.date)):
            return self._encode(key, value.isoformat(), depth)
        if value is None or (depth == f.MAX_DEPTH and hasattr(value, "__len__")):
            return _KEYED.pack(key, f.VALUE_EMPTY)
        if isinstance(value, (list, tuple)):
            # An element that is no value still has its place in the array.
            parts = [
                self._encode(_NO_KEY, element, depth + 1) or _KEYED.pack(_NO_KEY, f.VALUE_EMPTY)
                for element in value
            ]
            return self._nested(key, f.VALUE_ARRAY, parts)
        if hasattr(value, "items"):
            parts = []
            for name, element in value.items():
                part = self._encode(self._id_of(str(name)), element, depth + 1)
                if part is not None:
                    parts.append(part)
            return self._nested(key, f.VALUE_MAP, parts)
        return None

    @staticmethod
    def _nested(key, kind, parts):
        inside = b"".join(parts)
        if len(inside) >= 1 << 24:
            raise _NoRoom
        return _KEYED.pack(key, len(inside) << 8 | kind) + inside


class _NoRoom(Exception):
    """Not in this segment."""


def _align(length):
    return (length + 7) & ~7


def _padded(data):
    return data + bytes(-len(data) % 8)


def _cut(text, limit):
    """The first `limit` UTF-16 units, without half a pair at the end."""
    if len(text) * 2 <= limit or (len(text) <= limit and text.isascii()):
        return text
    if text.isascii():
        return text[:limit]
    units = text.encode("utf-16-le", "surrogatepass")
    return text if len(units) <= 2 * limit else units[: 2 * limit].decode("utf-16-le", "ignore")


def _utf8(text):
    try:
        return text.encode()
    except UnicodeEncodeError:
        # Half a surrogate pair, which UTF-8 has no place for.
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()
