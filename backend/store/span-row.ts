import type {
  Attributes,
  LogData,
  SpanData,
  SpanEvent,
  SpanKind,
  SpanLink,
  StatusCode,
} from '../../function/span/span-data.ts';
import type { Row } from './engine.ts';
import { attributesFromJson, fromTypedJson, toAttributes } from './value-text.ts';

/** What `toSpan` reads, in its order. */
export const SPAN_FIELDS = `lower(hex(trace_id)), lower(hex(span_id)), lower(hex(parent_span_id)), name, kind,
 toUnixTimestamp64Nano(start), duration, status, status_message,
 mapKeys(attributes), mapValues(attributes), attribute_types,
 resource, scope_name, scope_version, scope_attributes,
 arrayMap(t -> toUnixTimestamp64Nano(t), \`events.time\`), \`events.name\`,
 arrayMap(m -> mapKeys(m), \`events.attributes\`), arrayMap(m -> mapValues(m), \`events.attributes\`),
 \`events.attribute_types\`, \`events.dropped_attributes\`,
 arrayMap(x -> lower(hex(x)), \`links.trace_id\`), arrayMap(x -> lower(hex(x)), \`links.span_id\`),
 \`links.trace_state\`, \`links.flags\`,
 arrayMap(m -> mapKeys(m), \`links.attributes\`), arrayMap(m -> mapValues(m), \`links.attributes\`),
 \`links.attribute_types\`, \`links.dropped_attributes\`,
 trace_state, flags, dropped_attributes, dropped_events, dropped_links`;

/** Reads rows of one answer; spans of one resource share one object for it. */
export class RowReader {
  readonly #attributeSets = new Map<string, Attributes>();

  toSpan(row: Row): SpanData {
    const r = row as SpanRow;
    const startTimeUnixNano = BigInt(r[5]);
    return {
      traceId: r[0],
      spanId: r[1],
      parentSpanId: r[2] === NO_SPAN ? '' : r[2],
      name: r[3],
      kind: r[4] as SpanKind,
      startTimeUnixNano,
      endTimeUnixNano: startTimeUnixNano + BigInt(r[6]),
      status: { code: r[7] as StatusCode, message: r[8] },
      attributes: toAttributes(r[9], r[10], r[11]),
      resource: this.#attributeSet(r[12]),
      scope: this.#scope(r[13], r[14], r[15]),
      events: r[16].map((time, at): SpanEvent => ({
        timeUnixNano: BigInt(time),
        name: r[17][at] as string,
        attributes: toAttributes(r[18][at] ?? [], r[19][at] ?? [], r[20][at] ?? ''),
        droppedAttributesCount: r[21][at] ?? 0,
      })),
      links: r[22].map((traceId, at): SpanLink => ({
        traceId,
        spanId: r[23][at] as string,
        traceState: r[24][at] ?? '',
        flags: r[25][at] ?? 0,
        attributes: toAttributes(r[26][at] ?? [], r[27][at] ?? [], r[28][at] ?? ''),
        droppedAttributesCount: r[29][at] ?? 0,
      })),
      traceState: r[30],
      flags: r[31],
      droppedAttributesCount: r[32],
      droppedEventsCount: r[33],
      droppedLinksCount: r[34],
    };
  }

  toLog(row: Row): LogData {
    const r = row as LogRow;
    return {
      traceId: r[0] === NO_TRACE ? '' : r[0],
      spanId: r[1] === NO_SPAN ? '' : r[1],
      timeUnixNano: BigInt(r[2]),
      observedTimeUnixNano: BigInt(r[3]),
      severityNumber: r[4],
      severityText: r[5],
      body: r[6] === '' ? undefined : fromTypedJson(r[6]),
      attributes: toAttributes(r[7], r[8], r[9]),
      resource: this.#attributeSet(r[10]),
      scope: this.#scope(r[11], r[12], r[13]),
    };
  }

  #scope(name: string, version: string, attributes: string): SpanData['scope'] {
    return attributes === ''
      ? { name, version }
      : { name, version, attributes: this.#attributeSet(attributes) };
  }

  #attributeSet(text: string): Attributes {
    let attributes = this.#attributeSets.get(text);
    if (!attributes) {
      attributes = attributesFromJson(text);
      this.#attributeSets.set(text, attributes);
    }
    return attributes;
  }
}

/** What `toLog` reads, in its order. */
export const LOG_FIELDS = `lower(hex(trace_id)), lower(hex(span_id)), toUnixTimestamp64Nano(time), toUnixTimestamp64Nano(observed_time),
 severity_number, severity_text, body, mapKeys(attributes), mapValues(attributes), attribute_types,
 resource, scope_name, scope_version, scope_attributes`;

const NO_TRACE = '0'.repeat(32);
const NO_SPAN = '0'.repeat(16);

type Strings = readonly string[];
type Numbers = readonly number[];
type SpanRow = readonly [
  string,
  string,
  string,
  string,
  number,
  string,
  string,
  number,
  string,
  Strings,
  Strings,
  string,
  string,
  string,
  string,
  string,
  Strings,
  Strings,
  readonly Strings[],
  readonly Strings[],
  Strings,
  Numbers,
  Strings,
  Strings,
  Strings,
  Numbers,
  readonly Strings[],
  readonly Strings[],
  Strings,
  Numbers,
  string,
  number,
  number,
  number,
  number,
];
type LogRow = readonly [
  string,
  string,
  string,
  string,
  number,
  string,
  string,
  Strings,
  Strings,
  string,
  string,
  string,
  string,
  string,
];
