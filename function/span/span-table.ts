/** Puts a journal's records together again into spans and logs. One for each journal, fed in the order of writing. */
import { setOwn, type JournalRecord } from './journal-decoder.ts';
import type {
  Attributes,
  AttributeValue,
  InstrumentationScope,
  LogData,
  SpanData,
  SpanEvent,
  SpanLink,
} from './span-data.ts';

/** Spans that may be open in one journal at a time; the journal is untrusted, so there is an end to it. */
const MAX_OPEN_SPANS = 100_000;
/** Attributes, events or links of one span. OpenTelemetry's own limit is 128 and may be raised. */
const MAX_PER_SPAN = 10_000;

export interface Finished {
  readonly span?: SpanData;
  readonly log?: LogData;
}

export class SpanTable {
  readonly #open = new Map<string, Mutable>();
  #resource: Attributes = {};
  /** Records of spans whose START is not here. */
  orphans = 0;
  /** Spans refused because too many are open. */
  refused = 0;

  /** Takes one record. Returns the span it ended, or the log record it is. */
  apply(record: JournalRecord): Finished | undefined {
    switch (record.type) {
      case 'resource':
        this.#resource = record.attributes;
        return undefined;
      case 'start':
        this.#start(record);
        return undefined;
      case 'log':
        return { log: this.#toLog(record) };
      case 'dropped':
      case 'goodbye':
        return undefined;
      default:
        return this.#change(record);
    }
  }

  /** The spans that have not ended, as they are now; their end time is their start time. */
  openSpans(): SpanData[] {
    return [...this.#open.values()].map((span) => ({ ...toData(span), resource: this.#resource }));
  }

  get resource(): Attributes {
    return this.#resource;
  }

  #start(record: Extract<JournalRecord, { type: 'start' }>): void {
    if (this.#open.size >= MAX_OPEN_SPANS) {
      this.refused += 1;
      return;
    }
    const span: Mutable = {
      traceId: record.traceId,
      spanId: record.spanId,
      parentSpanId: record.parentSpanId,
      name: record.name,
      kind: record.kind,
      startTimeUnixNano: record.timeUnixNano,
      endTimeUnixNano: record.timeUnixNano,
      status: { code: 0, message: '' },
      attributeCount: 0,
      attributes: {},
      events: [],
      links: [],
      traceState: record.traceState,
      flags: record.traceFlags,
      resource: this.#resource,
      scope: toScope(record.scope),
      droppedAttributesCount: 0,
      droppedEventsCount: 0,
      droppedLinksCount: 0,
    };
    addAttributes(span, record.attributes);
    this.#open.set(record.spanId, span);
  }

  #change(
    record: Extract<JournalRecord, { type: 'attributes' | 'event' | 'link' | 'name' | 'end' }>,
  ): Finished | undefined {
    const span = this.#open.get(record.spanId);
    if (!span) {
      this.orphans += 1;
      return undefined;
    }
    switch (record.type) {
      case 'attributes':
        addAttributes(span, record.attributes);
        return undefined;
      case 'name':
        span.name = record.name;
        return undefined;
      case 'event':
        if (span.events.length >= MAX_PER_SPAN) span.droppedEventsCount += 1;
        else
          span.events.push({
            name: record.name,
            timeUnixNano: record.timeUnixNano,
            attributes: record.attributes,
            droppedAttributesCount: record.droppedAttributes,
          });
        return undefined;
      case 'link':
        if (span.links.length >= MAX_PER_SPAN) span.droppedLinksCount += 1;
        else
          span.links.push({
            traceId: record.linkedTraceId,
            spanId: record.linkedSpanId,
            traceState: record.traceState,
            flags: record.flags,
            attributes: record.attributes,
            droppedAttributesCount: 0,
          });
        return undefined;
      case 'end':
        this.#open.delete(record.spanId);
        span.endTimeUnixNano = record.timeUnixNano;
        span.status = { code: record.statusCode, message: record.statusMessage };
        addAttributes(span, record.attributes);
        span.droppedAttributesCount += record.droppedAttributes;
        span.droppedEventsCount += record.droppedEvents;
        span.droppedLinksCount += record.droppedLinks;
        span.resource = this.#resource;
        return { span: toData(span) };
      default:
        return undefined;
    }
  }

  #toLog(record: Extract<JournalRecord, { type: 'log' }>): LogData {
    return {
      timeUnixNano: record.timeUnixNano,
      observedTimeUnixNano: record.timeUnixNano,
      severityNumber: record.severityNumber,
      severityText: SEVERITY_TEXT[Math.ceil(record.severityNumber / 4)] ?? '',
      body: record.body,
      traceId: record.traceId,
      spanId: record.spanId,
      // log.iostream is OpenTelemetry's name for the two streams it knows
      attributes:
        record.source === 'stdout' || record.source === 'stderr'
          ? { 'log.iostream': record.source, ...record.attributes }
          : record.attributes,
      resource: this.#resource,
      scope: { name: record.source === 'unknown' ? '' : record.source, version: '' },
    };
  }
}

/** OTLP's severity ranges of four, 1..24. */
const SEVERITY_TEXT = ['', 'TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'];

type Mutable = { -readonly [Key in keyof SpanData]: SpanData[Key] } & {
  attributeCount: number;
  attributes: Record<string, AttributeValue>;
  events: SpanEvent[];
  links: SpanLink[];
};

/** In place, as a span may get its attributes one by one. */
function addAttributes(span: Mutable, attributes: Attributes): void {
  for (const [key, value] of Object.entries(attributes)) {
    if (!Object.hasOwn(span.attributes, key)) {
      if (span.attributeCount >= MAX_PER_SPAN) {
        span.droppedAttributesCount += 1;
        continue;
      }
      span.attributeCount += 1;
    }
    setOwn(span.attributes, key, value);
  }
}

/** Without our own count. */
function toData(span: Mutable): SpanData {
  const data: SpanData & { attributeCount?: number } = { ...span };
  delete data.attributeCount;
  return data;
}

/** `name@version`; a scoped npm name begins with an @ of its own. */
function toScope(text: string): InstrumentationScope {
  const at = text.lastIndexOf('@');
  return at < 1 ? { name: text, version: '' } : { name: text.slice(0, at), version: text.slice(at + 1) };
}
