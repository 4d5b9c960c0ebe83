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

/** What `toSpan` reads, in its order, past the trace id. */
export const SPAN_FIELDS_PAST_TRACE_ID = `lower(hex(span_id)), lower(hex(parent_span_id)), name, kind,
 toUnixTimestamp64Nano(start), duration, status, status_message,
 mapKeys(attributes), mapValues(attributes), attribute_types,
 resource, scope_name, scope_version, flags, more`;
export const SPAN_FIELDS = `lower(hex(trace_id)), ${SPAN_FIELDS_PAST_TRACE_ID}`;

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
      flags: r[15],
      ...this.#more(r[13], r[14], r[16]),
    };
  }

  #more(scopeName: string, scopeVersion: string, text: string): More {
    if (text === '') return { scope: { name: scopeName, version: scopeVersion }, ...NOTHING_MORE };
    const m = JSON.parse(text) as MoreText;
    return {
      scope: this.#scope(scopeName, scopeVersion, m[15]),
      events: m[0].map((time, at): SpanEvent => ({
        timeUnixNano: BigInt(time),
        name: m[1][at] as string,
        attributes: toAttributes(m[2][at] ?? [], m[3][at] ?? [], m[4][at] ?? ''),
        droppedAttributesCount: m[5][at] ?? 0,
      })),
      links: m[6].map((traceId, at): SpanLink => ({
        traceId,
        spanId: m[7][at] as string,
        traceState: m[8][at] ?? '',
        flags: m[9][at] ?? 0,
        attributes: toAttributes(m[10][at] ?? [], m[11][at] ?? [], m[12][at] ?? ''),
        droppedAttributesCount: m[13][at] ?? 0,
      })),
      traceState: m[14],
      droppedAttributesCount: m[16],
      droppedEventsCount: m[17],
      droppedLinksCount: m[18],
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
  number,
  string,
];
/** As sql/013-rare-fields-together.sql says. */
type MoreText = readonly [
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
  string,
  number,
  number,
  number,
];
type More = Pick<
  SpanData,
  | 'scope'
  | 'events'
  | 'links'
  | 'traceState'
  | 'droppedAttributesCount'
  | 'droppedEventsCount'
  | 'droppedLinksCount'
>;
const NOTHING_MORE = {
  events: [],
  links: [],
  traceState: '',
  droppedAttributesCount: 0,
  droppedEventsCount: 0,
  droppedLinksCount: 0,
};
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

/** An array of the maps of attributes of a span's events. */
export const EVENT_ATTRIBUTES = `arrayMap((keys, values) -> mapFromArrays(keys, values), JSONExtract(more, 3, 'Array(Array(String))'), JSONExtract(more, 4, 'Array(Array(String))'))`;
