import type { Attributes, SpanData, SpanKind } from '../../../function/span/span-data.ts';

/** Wall clock of ms 0. */
export const ZERO = 1_795_000_000_000_000_000n;
const MS = 1_000_000n;

export interface SpanSketch {
  readonly trace?: string;
  readonly id: string;
  readonly parent?: string;
  readonly name?: string;
  readonly kind?: SpanKind;
  readonly service?: string;
  /** Set for what a function's own process made. */
  readonly fn?: string;
  readonly version?: string;
  /** ms, fractions allowed. */
  readonly at: readonly [number, number];
  readonly attributes?: Attributes;
  readonly resource?: Attributes;
  /** `trace:id`, or an id of the same trace. */
  readonly links?: readonly string[];
  /** Status message. */
  readonly error?: string;
  /** `[type, message]` */
  readonly exception?: readonly [string, string];
}

/** A span from as little as a test cares for. Ids may be any short text. */
export function sketch(of: SpanSketch): SpanData {
  const trace = of.trace ?? 't';
  const service = of.service ?? of.fn ?? 'service';
  return {
    traceId: traceId(trace),
    spanId: spanId(of.id),
    parentSpanId: of.parent === undefined ? '' : spanId(of.parent),
    name: of.name ?? of.id,
    kind: of.kind ?? 1,
    startTimeUnixNano: nano(of.at[0]),
    endTimeUnixNano: nano(of.at[1]),
    status: of.error === undefined ? { code: 0, message: '' } : { code: 2, message: of.error },
    attributes: of.attributes ?? {},
    events: of.exception
      ? [
          {
            timeUnixNano: nano(of.at[1]),
            name: 'exception',
            attributes: { 'exception.type': of.exception[0], 'exception.message': of.exception[1] },
            droppedAttributesCount: 0,
          },
        ]
      : [],
    links: (of.links ?? []).map((link) => {
      const [linkedTrace, id] = link.includes(':') ? (link.split(':') as [string, string]) : [trace, link];
      return {
        traceId: traceId(linkedTrace),
        spanId: spanId(id),
        traceState: '',
        flags: 1,
        attributes: {},
        droppedAttributesCount: 0,
      };
    }),
    traceState: '',
    flags: 1,
    resource: {
      'service.name': service,
      ...(of.fn === undefined
        ? {}
        : { 'faas.name': of.fn, 'faas.version': of.version ?? '1', 'faas.instance': `${of.fn}-1` }),
      ...of.resource,
    },
    scope: { name: '', version: '' },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

export function sketchAll(all: readonly SpanSketch[]): SpanData[] {
  return all.map((each) => sketch(each));
}

export function traceId(text: string): string {
  return Buffer.from(text).toString('hex').padStart(32, '0').slice(-32);
}

export function spanId(text: string): string {
  return Buffer.from(text).toString('hex').padStart(16, '0').slice(-16);
}

export function nano(ms: number): bigint {
  return ZERO + BigInt(Math.round(ms * 1_000)) * (MS / 1_000n);
}
