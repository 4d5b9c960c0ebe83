import type { InstrumentationScope } from '../../function/span/span-data.ts';
import type { TextColumn } from '../store/native-columns.ts';
import type { SpanColumns } from '../store/span-columns.ts';
import { decodeAttributes, decodeKeyValue, decodeKeyValueInto, nested } from './otlp-values.ts';
import { FIXED32, FIXED64, LENGTH, VARINT, WireReader } from './wire.ts';
import type { AttributeValue } from '../../function/span/span-data.ts';

/** What became of a request's spans or log records. */
export interface Decoded {
  readonly accepted: number;
  readonly rejected: number;
  /** Why, of the first one rejected; '' when none was. */
  readonly reason: string;
}

/**
 * ExportTraceServiceRequest { repeated ResourceSpans resource_spans = 1 }
 * (opentelemetry-proto collector/trace/v1/trace_service.proto), straight from bytes into columns, no object per span.
 *
 * A span that is wrong in itself (its ids, or bytes inside it) is left out and counted; a body whose outer structure is
 * broken throws, and the caller rolls the columns back.
 */
export function decodeTraces(body: Buffer, columns: SpanColumns): Decoded {
  const decoder = new TracesDecoder(body, columns);
  decoder.request();
  return decoder;
}

class TracesDecoder implements Decoded {
  accepted = 0;
  rejected = 0;
  reason = '';
  readonly #reader: WireReader;
  readonly #columns: SpanColumns;

  constructor(body: Buffer, columns: SpanColumns) {
    this.#reader = new WireReader(body);
    this.#columns = columns;
  }

  request(): void {
    const reader = this.#reader;
    while (reader.next()) {
      if (reader.field === 1 && reader.wireType === LENGTH) nested(reader, () => this.#resourceSpans());
      else reader.skip();
    }
  }

  /**
   * ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; string schema_url = 3 }
   * Resource { repeated KeyValue attributes = 1; uint32 dropped_attributes_count = 2 }
   * The resource may stand after the spans it is of: it is read first, in a pass of its own.
   */
  #resourceSpans(): void {
    const reader = this.#reader;
    const { at } = reader;
    let [start, end] = [at, at];
    while (reader.next()) {
      if (reader.field === 1 && reader.wireType === LENGTH) {
        end = reader.span();
        start = reader.at;
        reader.at = end;
      } else reader.skip();
    }
    this.#columns.useResourceBytes(reader.bytes, start, end, () =>
      decodeAttributes(new WireReader(reader.bytes, start, end), 1),
    );
    reader.at = at;
    while (reader.next()) {
      if (reader.field === 2 && reader.wireType === LENGTH) nested(reader, () => this.#scopeSpans());
      else reader.skip();
    }
  }

  /** ScopeSpans { InstrumentationScope scope = 1; repeated Span spans = 2; string schema_url = 3 } */
  #scopeSpans(): void {
    const reader = this.#reader;
    const { at } = reader;
    let [start, end] = [at, at];
    while (reader.next()) {
      if (reader.field === 1 && reader.wireType === LENGTH) {
        end = reader.span();
        start = reader.at;
        reader.at = end;
      } else reader.skip();
    }
    this.#columns.useScopeBytes(reader.bytes, start, end, () =>
      decodeScope(new WireReader(reader.bytes, start, end)),
    );
    reader.at = at;
    while (reader.next()) {
      if (reader.field === 2 && reader.wireType === LENGTH) this.#spanOrNot();
      else reader.skip();
    }
  }

  #spanOrNot(): void {
    const reader = this.#reader;
    const outer = reader.end;
    const end = reader.span();
    reader.end = end;
    this.#columns.mark(0);
    let fault: string;
    try {
      fault = this.#span();
    } catch (error) {
      fault = error instanceof Error ? error.message : String(error);
    }
    if (fault === '') this.accepted += 1;
    else {
      this.#columns.rollback(0);
      this.rejected += 1;
      this.reason ||= fault;
    }
    reader.at = end;
    reader.end = outer;
  }

  /**
   * Span { bytes trace_id = 1; bytes span_id = 2; string trace_state = 3; bytes parent_span_id = 4; string name = 5;
   *        SpanKind kind = 6; fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8;
   *        repeated KeyValue attributes = 9; uint32 dropped_attributes_count = 10; repeated Event events = 11;
   *        uint32 dropped_events_count = 12; repeated Link links = 13; uint32 dropped_links_count = 14;
   *        Status status = 15; fixed32 flags = 16 }
   * Returns what is wrong with it, or ''.
   */
  #span(): string {
    const reader = this.#reader;
    const columns = this.#columns;
    const { bytes, end } = reader;
    let traceId = -1;
    let spanId = -1;
    let parentSpanId = -1;
    let [nameStart, nameEnd, traceStateStart, traceStateEnd] = [0, 0, 0, 0];
    let [messageStart, messageEnd, code, kind, flags] = [0, 0, 0, 0, 0];
    let [startLow, startHigh, endLow, endHigh] = [0, 0, 0, 0];
    let [droppedAttributes, droppedEvents, droppedLinks] = [0, 0, 0];
    while (reader.next()) {
      const { wireType } = reader;
      switch ((reader.field << 3) | wireType) {
        case (1 << 3) | LENGTH: {
          const size = reader.length();
          if (!isId(bytes, reader.at, size, 16)) return 'a trace id is not 16 bytes, or is zero';
          traceId = reader.at;
          reader.at += size;
          break;
        }
        case (2 << 3) | LENGTH: {
          const size = reader.length();
          if (!isId(bytes, reader.at, size, 8)) return 'a span id is not 8 bytes, or is zero';
          spanId = reader.at;
          reader.at += size;
          break;
        }
        case (3 << 3) | LENGTH:
          traceStateEnd = reader.span();
          traceStateStart = reader.at;
          reader.at = traceStateEnd;
          break;
        case (4 << 3) | LENGTH: {
          const size = reader.length();
          // No parent is written as an absent field, an empty one, or zeros.
          if (size !== 0 && size !== 8) return 'a parent span id is not 8 bytes';
          parentSpanId = size === 0 ? -1 : reader.at;
          reader.at += size;
          break;
        }
        case (5 << 3) | LENGTH:
          nameEnd = reader.span();
          nameStart = reader.at;
          reader.at = nameEnd;
          break;
        case (6 << 3) | VARINT:
          kind = reader.varint32();
          break;
        case (7 << 3) | FIXED64:
          reader.fixed64();
          startLow = reader.low;
          startHigh = reader.high;
          break;
        case (8 << 3) | FIXED64:
          reader.fixed64();
          endLow = reader.low;
          endHigh = reader.high;
          break;
        case (9 << 3) | LENGTH:
          reader.end = reader.span();
          decodeKeyValueInto(reader, columns.attributes, end);
          break;
        case (10 << 3) | VARINT:
          droppedAttributes = reader.varint32();
          break;
        case (11 << 3) | LENGTH:
          reader.end = reader.span();
          this.#event(end);
          break;
        case (12 << 3) | VARINT:
          droppedEvents = reader.varint32();
          break;
        case (13 << 3) | LENGTH:
          reader.end = reader.span();
          this.#link(end);
          break;
        case (14 << 3) | VARINT:
          droppedLinks = reader.varint32();
          break;
        case (15 << 3) | LENGTH:
          // Status { string message = 2; StatusCode code = 3 }
          reader.end = reader.span();
          while (reader.next()) {
            if (reader.field === 2 && reader.wireType === LENGTH) {
              messageEnd = reader.span();
              messageStart = reader.at;
              reader.at = messageEnd;
            } else if (reader.field === 3 && reader.wireType === VARINT) code = reader.varint32();
            else reader.skip();
          }
          reader.end = end;
          break;
        case (16 << 3) | FIXED32:
          flags = reader.fixed32();
          break;
        default:
          reader.skip();
      }
    }
    if (traceId < 0) return 'a span has no trace id';
    if (spanId < 0) return 'a span has no span id';
    columns.spanTimes(startLow, startHigh, endLow, endHigh);
    columns.traceId.copy(bytes, traceId, 16);
    columns.spanId.copy(bytes, spanId, 8);
    if (parentSpanId < 0) columns.parentSpanId.zeros(8);
    else columns.parentSpanId.copy(bytes, parentSpanId, 8);
    if (nameStart === nameEnd) columns.name.text(UNNAMED);
    else addText(columns.name, bytes, nameStart, nameEnd);
    columns.kind.u8(kind > 5 ? 0 : kind);
    columns.status.u8(code > 2 ? 0 : code);
    addText(columns.statusMessage, bytes, messageStart, messageEnd);
    addText(columns.traceState, bytes, traceStateStart, traceStateEnd);
    columns.flags.u32(flags);
    columns.droppedAttributes.u32(droppedAttributes);
    columns.droppedEvents.u32(droppedEvents);
    columns.droppedLinks.u32(droppedLinks);
    columns.endSpan();
    return '';
  }

  /** Event { fixed64 time_unix_nano = 1; string name = 2; repeated KeyValue attributes = 3; uint32 dropped_attributes_count = 4 } */
  #event(outer: number): void {
    const reader = this.#reader;
    const columns = this.#columns;
    const { end } = reader;
    let [low, high, nameStart, nameEnd, dropped] = [0, 0, 0, 0, 0];
    while (reader.next()) {
      switch ((reader.field << 3) | reader.wireType) {
        case (1 << 3) | FIXED64:
          reader.fixed64();
          low = reader.low;
          high = reader.high;
          break;
        case (2 << 3) | LENGTH:
          nameEnd = reader.span();
          nameStart = reader.at;
          reader.at = nameEnd;
          break;
        case (3 << 3) | LENGTH:
          reader.end = reader.span();
          decodeKeyValueInto(reader, columns.eventAttributes, end);
          break;
        case (4 << 3) | VARINT:
          dropped = reader.varint32();
          break;
        default:
          reader.skip();
      }
    }
    addText(columns.eventName.item, reader.bytes, nameStart, nameEnd);
    columns.closeEvent(low, high, dropped);
    reader.end = outer;
  }

  /**
   * Link { bytes trace_id = 1; bytes span_id = 2; string trace_state = 3; repeated KeyValue attributes = 4;
   *        uint32 dropped_attributes_count = 5; fixed32 flags = 6 }
   * A link that points nowhere is dropped, the span is kept (Jaeger's adjuster does so on reading).
   */
  #link(outer: number): void {
    const reader = this.#reader;
    const columns = this.#columns;
    const { bytes, at, end } = reader;
    let [traceId, spanId, dropped, flags, traceStateStart, traceStateEnd] = [-1, -1, 0, 0, 0, 0];
    while (reader.next()) {
      switch ((reader.field << 3) | reader.wireType) {
        case (1 << 3) | LENGTH: {
          const size = reader.length();
          if (isId(bytes, reader.at, size, 16)) traceId = reader.at;
          reader.at += size;
          break;
        }
        case (2 << 3) | LENGTH: {
          const size = reader.length();
          if (isId(bytes, reader.at, size, 8)) spanId = reader.at;
          reader.at += size;
          break;
        }
        case (3 << 3) | LENGTH:
          traceStateEnd = reader.span();
          traceStateStart = reader.at;
          reader.at = traceStateEnd;
          break;
        case (5 << 3) | VARINT:
          dropped = reader.varint32();
          break;
        case (6 << 3) | FIXED32:
          flags = reader.fixed32();
          break;
        default:
          reader.skip();
      }
    }
    if (traceId >= 0 && spanId >= 0) {
      reader.at = at;
      while (reader.next()) {
        if (reader.field === 4 && reader.wireType === LENGTH) {
          reader.end = reader.span();
          decodeKeyValueInto(reader, columns.linkAttributes, end);
        } else reader.skip();
      }
      columns.linkTraceId.item.copy(bytes, traceId, 16);
      columns.linkSpanId.item.copy(bytes, spanId, 8);
      addText(columns.linkTraceState.item, bytes, traceStateStart, traceStateEnd);
      columns.closeLink(flags, dropped);
    }
    reader.end = outer;
  }
}

/** InstrumentationScope { string name = 1; string version = 2; repeated KeyValue attributes = 3; … } */
export function decodeScope(reader: WireReader): InstrumentationScope {
  let name = '';
  let version = '';
  const attributes: Record<string, AttributeValue> = {};
  while (reader.next()) {
    if (reader.field === 1 && reader.wireType === LENGTH) name = reader.text();
    else if (reader.field === 2 && reader.wireType === LENGTH) version = reader.text();
    else if (reader.field === 3 && reader.wireType === LENGTH)
      nested(reader, () => decodeKeyValue(reader, attributes, 0));
    else reader.skip();
  }
  return { name, version, attributes };
}

/** What a span is called that has no name. */
export const UNNAMED = 'unnamed';

function addText(column: TextColumn, bytes: Buffer, start: number, end: number): void {
  column.utf8(bytes, start, end);
}

function isId(bytes: Buffer, at: number, size: number, wanted: number): boolean {
  if (size !== wanted) return false;
  for (let index = at; index < at + size; index += 1) if (bytes[index] !== 0) return true;
  return false;
}
