import type {
  OtlpEvent,
  OtlpKeyValue,
  OtlpLink,
  OtlpSpan,
  OtlpTraces,
} from '../../../backend/query/shapes.ts';
import { buildRows } from '../layout/tree.ts';
import { formatValue, textOf } from '../text/value.ts';

/** One trace as the screens need it: spans in the order of a waterfall, times as nanoseconds from its start. */
export interface Trace {
  readonly id: string;
  readonly startUnixNano: bigint;
  readonly durationNanos: number;
  /** Parents before children, siblings by time. */
  readonly spans: readonly Span[];
  readonly services: readonly {
    readonly name: string;
    readonly spanCount: number;
    readonly errorCount: number;
  }[];
  readonly errorCount: number;
  readonly unfinishedCount: number;
  /** Spans whose parent is missing. */
  readonly orphanCount: number;
  readonly rootCount: number;
  /** Rings of parents, each cut at one span, which is drawn as a root. */
  readonly ringCount: number;
  /** Spans left out since one with the same id is there. */
  readonly repeatCount: number;
  readonly maxDepth: number;
}

export interface Span {
  readonly id: string;
  readonly parentId: string;
  readonly name: string;
  readonly service: string;
  readonly kind: number;
  /** ns from the trace's start. */
  readonly start: number;
  /** ns; 0 when the span says that it ended before it started. */
  readonly duration: number;
  readonly depth: number;
  /** Spans below this one, at any depth: they follow it in `Trace.spans`. */
  readonly descendants: number;
  readonly isError: boolean;
  /** Errors among the spans below. */
  readonly errorsBelow: number;
  readonly isOrphan: boolean;
  /** It, or one below it, is its own ancestor; the ring is cut here. */
  readonly isRing: boolean;
  readonly marks: Marks;
  /** ns between the end of the try before and the start of this one; 0 for a first try. */
  readonly backOff: number;
  readonly source: OtlpSpan;
  readonly resource: readonly OtlpKeyValue[];
  readonly scope: string;
}

/** What is particular to functions, taken from the attributes once. */
export interface Marks {
  /** How the process of a span that never ended went away, such as "SIGKILL" or "timeout"; '' for a span that ended. */
  readonly killedBy: string;
  /** A phase of a cold start, or the wait for an instance. */
  readonly isPhase: boolean;
  readonly isColdStart: boolean;
  /** Which try it says it is, from 1; 0 for what is not tried again. */
  readonly tryNumber: number;
  /** The same, when there was more than one reason to ask: from 2 on, or 1 that was to be retried. 0 otherwise. */
  readonly attempt: number;
  /** ns between the record's own time and its receipt; 0 when it did not wait. */
  readonly queueWait: number;
  readonly endsBeforeStart: boolean;
}

export interface TimedEvent {
  /** ns from the trace's start. */
  readonly at: number;
  readonly event: OtlpEvent;
}

const PHASES = new Set(['wait for capacity', 'start instance', 'fetch package', 'load function']);
const ERROR = 2;
const CONSUMER = 5;

/** What of a span stands before its place in the tree is known. */
interface Found {
  readonly id: string;
  readonly parentId: string;
  start: number;
  /** Below 0 when it says that it ended before it started. */
  duration: number;
  readonly source: OtlpSpan;
  readonly resource: readonly OtlpKeyValue[];
  readonly scope: string;
  readonly service: string;
}

/**
 * From the v3 API's OTLP; spans of other traces in it are left out. `undefined` when nothing of the trace is there. A trace may have
 * 50,000 spans: each is walked over a few times and copied once.
 */
export function readTrace(id: string, otlp: OtlpTraces): Trace | undefined {
  const found: Found[] = [];
  const starts: bigint[] = [];
  for (const { resource, scopeSpans } of otlp.resourceSpans) {
    const service = textOf(resource.attributes, 'service.name') || 'unknown service';
    for (const { scope, spans } of scopeSpans) {
      const scopeName = [scope.name, scope.version].filter(Boolean).join(' ');
      for (const source of spans) {
        if (source.traceId !== id) continue;
        const start = BigInt(source.startTimeUnixNano);
        starts.push(start);
        found.push({
          id: source.spanId,
          parentId: source.parentSpanId ?? '',
          start: 0,
          duration: Number(BigInt(source.endTimeUnixNano) - start),
          source,
          resource: resource.attributes,
          scope: scopeName,
          service,
        });
      }
    }
  }
  const [first] = starts;
  if (first === undefined) return undefined;
  const startUnixNano = starts.reduce((min, start) => (start < min ? start : min), first);
  found.forEach((entry, i) => {
    entry.start = Number((starts[i] ?? first) - startUnixNano);
  });

  const rows = buildRows(found);
  const errorsBefore = countErrorsBefore(rows);
  const lastTries = new Map<string, number>();
  let [end, errorCount, unfinishedCount, orphanCount, ringCount, rootCount, maxDepth] = [1, 0, 0, 0, 0, 0, 0];
  const spans = rows.map(({ item, depth, descendants, isOrphan, isRing }, i): Span => {
    const { source } = item;
    const duration = Math.max(0, item.duration);
    const isError = source.status.code === ERROR;
    const marks = readMarks(source, item.duration);
    end = Math.max(end, item.start + duration);
    maxDepth = Math.max(maxDepth, depth);
    if (isError) errorCount += 1;
    if (marks.killedBy !== '') unfinishedCount += 1;
    if (isOrphan) orphanCount += 1;
    if (isRing) ringCount += 1;
    if (depth === 0) rootCount += 1;
    return {
      id: item.id,
      parentId: item.parentId,
      name: source.name,
      service: item.service,
      kind: source.kind,
      start: item.start,
      duration,
      depth,
      descendants,
      isError,
      errorsBelow: (errorsBefore[i + 1 + descendants] ?? 0) - (errorsBefore[i + 1] ?? 0),
      isOrphan,
      isRing,
      marks,
      backOff: marks.tryNumber === 0 ? 0 : backOffOf(item, marks.tryNumber, lastTries),
      source,
      resource: item.resource,
      scope: item.scope,
    };
  });
  return {
    id,
    startUnixNano,
    durationNanos: end,
    spans,
    services: countServices(spans),
    errorCount,
    unfinishedCount,
    orphanCount,
    ringCount,
    repeatCount: found.length - rows.length,
    rootCount,
    maxDepth,
  };
}

/** At i, how many of the first i spans are errors. */
function countErrorsBefore(rows: readonly { readonly item: Found }[]): Uint32Array {
  const before = new Uint32Array(rows.length + 1);
  rows.forEach(({ item }, i) => {
    before[i + 1] = (before[i] ?? 0) + (item.source.status.code === ERROR ? 1 : 0);
  });
  return before;
}

/** Tries of one thing are siblings of one name, each with its number, in order of their starts. `lastTries` has where each ended. */
function backOffOf(item: Found, tryNumber: number, lastTries: Map<string, number>): number {
  const key = `${item.parentId} ${item.source.name}`;
  const before = lastTries.get(key);
  lastTries.set(key, item.start + Math.max(0, item.duration));
  return tryNumber > 1 && before !== undefined ? Math.max(0, item.start - before) : 0;
}

export function eventsOf(trace: Trace, span: Span): TimedEvent[] {
  return (span.source.events ?? []).map((event) => ({
    at: Number(BigInt(event.timeUnixNano) - trace.startUnixNano),
    event,
  }));
}

export function linksOf(span: Span): readonly OtlpLink[] {
  return span.source.links ?? [];
}

/** One walk over the attributes: there may be thousands of spans with dozens each. */
function readMarks(source: OtlpSpan, duration: number): Marks {
  let [isUnfinished, isColdStart, reason, signal, outcome, tryNumber, waitMs] = [
    false,
    false,
    '',
    '',
    '',
    0,
    0,
  ];
  for (const { key, value } of source.attributes ?? [])
    switch (key) {
      case 'spoor.unfinished':
        isUnfinished = formatValue(value) === 'true';
        break;
      case 'spoor.end.reason':
        reason = formatValue(value);
        break;
      case 'spoor.end.signal':
        signal = formatValue(value);
        break;
      case 'spoor.attempt':
        tryNumber = Number(formatValue(value)) || 0;
        break;
      case 'spoor.outcome':
        outcome = formatValue(value);
        break;
      case 'spoor.queue.wait':
        if (source.kind === CONSUMER) waitMs = Number(formatValue(value)) || 0;
        break;
      case 'faas.coldstart':
        isColdStart = formatValue(value) === 'true';
        break;
    }
  const isOpen = source.endTimeUnixNano === '0';
  return {
    killedBy: isUnfinished ? howItEnded(reason, signal) : isOpen ? 'never ended' : '',
    isPhase: PHASES.has(source.name),
    isColdStart,
    tryNumber,
    attempt: tryNumber > 1 || (outcome !== '' && outcome !== 'success') ? tryNumber : 0,
    queueWait: Math.max(0, waitMs * 1e6),
    endsBeforeStart: duration < 0 && !isOpen,
  };
}

/** A signal says less than the reason why it was sent. */
function howItEnded(reason: string, signal: string): string {
  return reason === 'timeout' || reason === 'oom' ? reason : signal || reason || 'never ended';
}

function countServices(spans: readonly Span[]): Trace['services'] {
  return [...Map.groupBy(spans, (span) => span.service)].map(([name, of]) => ({
    name,
    spanCount: of.length,
    errorCount: of.filter((span) => span.isError).length,
  }));
}
