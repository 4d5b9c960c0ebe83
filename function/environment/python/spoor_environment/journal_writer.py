"""
Appends records to the journal: docs/journal.md, "Records". A record is built as bytes, copied into its place behind its
header word, and then becomes visible by the store of that word.
"""

import datetime
import struct
import threading
from time import monotonic_ns, time_ns

from . import journal_format as f
from .clock import TOLERATED_DRIFT_NS, Clock, monotonic_ms

# Each without its header word, which is stored last.
_START = struct.Struct("<Id16s8s8sBBHIII")
_ATTRIBUTES = struct.Struct("<I8s")
_EVENT = struct.Struct("<I8sdII")
_LINK = struct.Struct("<I8s16s8sII")
_END = struct.Struct("<I8sdBBHHH")
_NAME = struct.Struct("<I8s")
_LOG = struct.Struct("<Id16s8sBBHI")
_GOODBYE = struct.Struct("<Id")
_ANCHOR = struct.Struct("<IdQ")
_RESOURCE = struct.Struct("<I")
_STRING = struct.Struct("<III")
_DROPPED = struct.Struct("<IQQ")
_KEYED = struct.Struct("<II")
_INT64 = struct.Struct("<IIq")
_DOUBLE = struct.Struct("<IId")

_NO_KEY = 0
_NO_TRACE = bytes(16)
_NO_SPAN = bytes(8)
# Interned text is cut here, in UTF-16 units: a name or key that is longer is data in the wrong place.
_MAX_INTERNED = 2048
_WORD = 4
_START_BYTES = _WORD + _START.size
_END_BYTES = _WORD + _END.size
_NEXT_BYTES = 8
_UNLIMITED = 1 << 30
_PADDINGS = tuple(bytes(-length % 8) for length in range(8))
_REMEMBERED = (str, int, bool)
_MAX_REMEMBERED = 256
_MAX_REMEMBERED_TEXT = 256


class JournalWriter:
    """
    Safe to use from many threads. Each method returns how many attributes were left out, and None when the record found no room
    (START, END and LOG are counted as dropped then). Raises nothing.
    """

    def __init__(self, file, value_limit):
        self.dropped_spans = 0
        self.dropped_logs = 0
        # Reentrant, as the garbage collector may run somebody's __del__, which prints, while a record is made.
        self.lock = threading.RLock()
        self.clock = Clock()
        self._file = file
        self._bytes = file.bytes
        self._words = file.words
        self._value_limit = value_limit
        self._ids = {}
        # By key: type, value and bytes of what it was last given in this segment. Most attributes of most spans are those of
        # the span before.
        self._last = {}
        self._base = None
        # Which one, counted from 1.
        self._segment = 0
        self._position = 0
        self._limit = 0
        self._resource = {}
        self._told_dropped = 0
        # Not while a record is made: what is printed meanwhile, by somebody's __del__, must not make another.
        self._is_free = True
        self._lenient = False
        self._pending = 0
        self._skipped = 0
        self._closed = False

    def start(self, trace, span, parent, name, time_ms, kind, flags, trace_state, scope, attributes, max_attributes):
        values = (trace, span, parent, name, time_ms, kind, flags, trace_state, scope, attributes, max_attributes)
        skipped = self._append(f.START, self._start_record, values)
        return self._drop_span() if skipped is None else skipped

    def start_as(self, form, trace, span, parent, time_ms, trace_state, texts, max_attributes):
        """As `start`, for a sampled span of this SpanForm; `texts` are its own."""
        try:
            values = tuple(map(str.encode, texts))
        except UnicodeEncodeError:  # Half a surrogate pair.
            values = ()
        with self.lock:
            shape = form.shapes.get(tuple(map(len, values)))
            if shape is not None and form.segment == self._segment and self._is_free and not trace_state:
                data = shape % values
                position = self._position
                end = position + _START_BYTES + len(data)
                if end <= self._limit:
                    self._is_free = False
                    try:
                        at = self._base + position
                        _START.pack_into(
                            self._bytes, at + _WORD,
                            form.name_id, time_ms, trace, span, parent, form.kind, 1, 0, 0, form.scope_id, form.count,
                        )  # fmt: skip
                        self._bytes[at + _START_BYTES : self._base + end] = data
                        self._words[at >> 2] = end - position << 8 | f.START
                        self._position = end
                    finally:
                        self._is_free = True
                    return 0
            attributes = form.attributes_with(texts)
            skipped = self.start(
                trace, span, parent, form.name, time_ms, form.kind, 1, trace_state, form.scope, attributes, max_attributes
            )  # fmt: skip
            if skipped == 0 and values:
                self._learn(form, values)
            return skipped

    def attributes(self, span, attributes, max_attributes=_UNLIMITED):
        def build():
            record = bytearray(_ATTRIBUTES.size)
            count = self._put_attributes(record, attributes, max_attributes)
            _ATTRIBUTES.pack_into(record, 0, count, span)
            return record

        return self._append(f.ATTRIBUTES, build)

    def event(self, span, name, time_ms, attributes, max_attributes):
        def build():
            name_id = self._id_of(name)
            record = bytearray(_EVENT.size)
            count = self._put_attributes(record, attributes, max_attributes)
            _EVENT.pack_into(record, 0, name_id, span, time_ms, count, self._skipped)
            return record

        return self._append(f.EVENT, build)

    def link(self, span, linked_trace, linked_span, flags, trace_state, attributes, max_attributes):
        def build():
            state_id = self._id_of(trace_state) if trace_state else 0
            record = bytearray(_LINK.size)
            count = self._put_attributes(record, attributes, max_attributes)
            _LINK.pack_into(record, 0, count, span, linked_trace, linked_span, flags, state_id)
            return record

        return self._append(f.LINK, build)

    def end(self, span, time_ms, status, message, dropped_attributes, dropped_events, dropped_links, attributes=None):
        values = (span, time_ms, status, message, dropped_attributes, dropped_events, dropped_links, attributes)
        skipped = self._append(f.END, self._end_record, values)
        return self._drop_span() if skipped is None else skipped

    def end_plainly(self, span, time_ms, attributes):
        """As `end`, for most: there is nothing to tell, or what the span before told."""
        with self.lock:
            data = b""
            for key in attributes:
                value = attributes[key]
                known = self._last.get(key)
                if known is None or type(value) is not known[0] or value != known[1]:
                    return self.end(span, time_ms, 0, "", 0, 0, 0, attributes)
                data += known[2]
            position = self._position
            end = position + _END_BYTES + len(data)
            if end > self._limit or not self._is_free:
                return self.end(span, time_ms, 0, "", 0, 0, 0, attributes)
            self._is_free = False
            try:
                at = self._base + position
                _END.pack_into(self._bytes, at + _WORD, len(attributes), span, time_ms, 0, 0, 0, 0, 0)
                if data:
                    self._bytes[at + _END_BYTES : self._base + end] = data
                self._words[at >> 2] = end - position << 8 | f.END
                self._position = end
            finally:
                self._is_free = True
            return 0

    def name(self, span, name):
        return self._append(f.NAME, lambda: bytearray(_NAME.pack(self._id_of(name), span)))

    def log(self, trace, span, time_ms, severity, source, body, attributes):
        """`trace` and `span` are None for a line that belongs to no span."""

        def build():
            record = bytearray(_LOG.size)
            count = self._put_unnamed(record, body)
            count += self._put_attributes(record, attributes, _UNLIMITED)
            _LOG.pack_into(record, 0, count, time_ms, trace or _NO_TRACE, span or _NO_SPAN, severity, source, 0, 0)
            return record

        skipped = self._append(f.LOG, build)
        if skipped is None:
            with self.lock:
                self.dropped_logs += 1
                self._store_dropped()
        return skipped

    def goodbye(self, attributes):
        def build():
            record = bytearray(_GOODBYE.size)
            count = self._put_attributes(record, attributes, _UNLIMITED)
            _GOODBYE.pack_into(record, 0, count, monotonic_ms())
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

    def begin_root(self):
        """
        The time a local root span starts at, in monotonic ms. If the wall clock has moved meanwhile, the times that follow are
        anchored anew.
        """
        now = monotonic_ns()
        # As has_drifted, without the call: this is on the road of every request.
        if not -TOLERATED_DRIFT_NS < time_ns() - now - self.clock.offset_ns < TOLERATED_DRIFT_NS:
            with self.lock:
                self.clock.correct()
                if self._base is not None:
                    self._append(f.ANCHOR, self._anchor_record)
        return now / 1e6

    def abandon(self):
        """In a forked child: the journal is the parent's, and its lock may be held by a thread that is not here."""
        self.lock = threading.RLock()
        self._is_free = False
        self._closed = True

    # ---- a record: build, place

    def _append(self, kind, build, values=()):
        with self.lock:
            if not self._is_free:
                return None
            self._is_free = False
            try:
                if self._base is None and not self._turn():
                    return None
                if self._place(kind, build, values) or self._place_anew(kind, build, values):
                    return self._skipped
                return None
            except Exception:  # noqa: BLE001 - a value of the user's that fails while it is read: tracing is a guest
                return None
            finally:
                self._is_free = True

    def _place(self, kind, build, values):
        """Whether there was room."""
        self._skipped = 0
        try:
            record = build(*values)
        except _NoRoom:
            return False
        length = _WORD + len(record)
        if self._position + length > self._limit:
            return False
        at = self._base + self._position
        self._bytes[at + _WORD : at + length] = record
        self._words[at >> 2] = length << 8 | kind
        self._position += length
        return True

    def _place_anew(self, kind, build, values):
        """In a fresh segment, where strings have other ids; then in another one without what does not fit."""
        for lenient in (False, True):
            if not self._turn():
                return False
            self._lenient = lenient
            try:
                if self._place(kind, build, values):
                    return True
            finally:
                self._lenient = False
                self._pending = 0
        return False

    def _turn(self):
        """Goes on in the next free segment. False when there is none."""
        base = self._file.claim_segment()
        if base is None:
            return False
        if self._base is not None:
            self._words[(self._base + self._position) >> 2] = _NEXT_BYTES << 8 | f.NEXT
        self._base = base
        self._segment += 1
        self._position = 0
        self._limit = self._file.segment_bytes - _NEXT_BYTES
        self._ids.clear()
        self._last.clear()
        lenient, self._lenient = self._lenient, True
        self._place(f.ANCHOR, self._anchor_record, ())
        self._place(f.RESOURCE, self._resource_record, ())
        self._lenient = lenient
        if self.dropped_spans + self.dropped_logs != self._told_dropped:
            self._told_dropped = self.dropped_spans + self.dropped_logs
            self._place(f.DROPPED, _DROPPED.pack, (0, self.dropped_spans, self.dropped_logs))
        return True

    def _anchor_record(self):
        if self.clock.has_drifted(monotonic_ns()):
            self.clock.correct()
        now = monotonic_ms()
        return bytearray(_ANCHOR.pack(0, now, self.clock.wall_unix_nano(now)))

    def _resource_record(self):
        record = bytearray(_RESOURCE.size)
        _RESOURCE.pack_into(record, 0, self._put_attributes(record, self._resource, _UNLIMITED))
        return record

    def _start_record(
        self, trace, span, parent, name, time_ms, kind, flags, trace_state, scope, attributes, max_attributes
    ):
        ids = self._ids
        name_id = ids.get(name) or self._id_of(name)
        state_id = self._id_of(trace_state) if trace_state else 0
        scope_id = (ids.get(scope) or self._id_of(scope)) if scope else 0
        record = bytearray(_START.size)
        count = self._put_attributes(record, attributes, max_attributes)
        _START.pack_into(
            record, 0, name_id, time_ms, trace, span, parent, kind, flags, 0, state_id, scope_id, count
        )
        return record

    def _learn(self, form, values):
        """After a span of it was written whole the general way, so that its names and keys have numbers here."""
        ids = self._ids
        if not self._is_free or any(len(value) > min(self._value_limit, _MAX_REMEMBERED_TEXT) for value in values):
            return
        self._is_free = False
        try:
            if form.segment != self._segment:
                common = b"".join(self._encode(ids[key], value, 0) for key, value in form.attributes.items())
                form.begin_segment(self._segment, ids[form.name], ids[form.scope], common)
            lengths = tuple(map(len, values))
            form.add_shape(
                lengths, [_KEYED.pack(ids[key], length << 8 | f.VALUE_STRING) for key, length in zip(form.texts, lengths)]
            )
        except KeyError:
            pass  # It was cut: the general way knows how.
        finally:
            self._is_free = True

    def _end_record(
        self, span, time_ms, status, message, dropped_attributes, dropped_events, dropped_links, attributes
    ):
        record = bytearray(_END.size)
        count = self._put_unnamed(record, message) if message else 0
        count += self._put_attributes(record, attributes, _UNLIMITED)
        _END.pack_into(
            record,
            0,
            count,
            span,
            time_ms,
            status,
            0,
            min(dropped_attributes + self._skipped, 0xFFFF),
            min(dropped_events, 0xFFFF),
            min(dropped_links, 0xFFFF),
        )
        return record

    def _drop_span(self):
        """None, as it found no room."""
        with self.lock:
            self.dropped_spans += 1
            self._store_dropped()

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
        length = _WORD + _STRING.size + _align(len(data))
        if self._position + length + (self._pending if self._lenient else 0) > self._limit:
            raise _NoRoom
        number = len(self._ids) + 1
        at = self._base + self._position
        self._bytes[at + _WORD : at + length] = _STRING.pack(number, len(data), 0) + _padded(data)
        self._words[at >> 2] = length << 8 | f.STRING
        self._position += length
        self._ids[text] = number
        return number

    def _put_attributes(self, record, attributes, most):
        """Appends them to `record`; returns how many."""
        if not attributes:
            return 0
        if self._lenient or len(attributes) > most:
            return self._put_some(record, attributes, most)
        count = 0
        last, ids, limit = self._last, self._ids, min(self._value_limit, _MAX_REMEMBERED_TEXT)
        for key, value in attributes.items():
            kind = type(value)
            known = last.get(key)
            # The type too: 1 == True == 1.0, and each is written its own way.
            if known is not None and kind is known[0] and value == known[1]:
                record += known[2]
                count += 1
            elif kind is str and known is not None and len(value) <= limit and value.isascii():
                # What differs from span to span is short text, mostly: as _encode does, without going there.
                length = len(value)
                record += _KEYED.pack(ids[key], length << 8 | f.VALUE_STRING)
                record += value.encode()
                record += _PADDINGS[length & 7]
                count += 1
            elif value is None:
                continue
            elif key:
                count += self._put_keyed(record, key, value)
            else:
                self._skipped += 1
        return count

    def _put_some(self, record, attributes, most):
        """As above, where there is a limit of number or of room to mind."""
        count = 0
        for key, value in attributes.items():
            if value is None:
                continue
            if count >= most or not key:
                self._skipped += 1
            else:
                count += self._put_keyed(record, key, value)
        return count

    def _put_unnamed(self, record, value):
        return self._put_keyed(record, None, value)

    def _put_keyed(self, record, key, value):
        """1 when it was put, 0 when it was skipped."""
        self._pending = _WORD + len(record)
        try:
            data = self._encode(_NO_KEY if key is None else self._id_of(key), value, 0)
        except _NoRoom:
            if not self._lenient:
                raise
            data = None
        except Exception:  # noqa: BLE001 - a mapping of the user's that fails while it is read
            data = None
        if data is None or (self._lenient and self._position + _WORD + len(record) + len(data) > self._limit):
            self._skipped += 1
            return 0
        record += data
        if key is not None and type(value) in _REMEMBERED and len(data) <= _KEYED.size + _MAX_REMEMBERED_TEXT:
            if len(self._last) < _MAX_REMEMBERED or key in self._last:
                self._last[key] = (type(value), value, data)
        return 1

    def _encode(self, key, value, depth):
        """The bytes of one attribute; None when the value is none. Types: docs/journal.md, "Attribute"."""
        if isinstance(value, str):
            if len(value) <= self._value_limit and value.isascii():
                data = value.encode()
            else:
                data = _utf8(_cut(value, self._value_limit))
            return _KEYED.pack(key, len(data) << 8 | f.VALUE_STRING) + data + _PADDINGS[len(data) & 7]
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
    return data + _PADDINGS[len(data) & 7]


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
