import type {
  OtlpEvent,
  OtlpKeyValue,
  OtlpLink,
  OtlpSpan,
  OtlpTraces,
} from '../../../backend/query/shapes.ts';
import { buildRows } from '../layout/tree.ts';
import { textOf } from '../text/value.ts';

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
  /** Which try this is, when there was more than one reason to ask: from 2 on, or 1 that was to be retried. 0 otherwise. */
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

/** From the v3 API's OTLP; spans of other traces in it are left out. `undefined` when nothing of the trace is there. */
export function readTrace(id: string, otlp: OtlpTraces): Trace | undefined {
  const found: {
    source: OtlpSpan;
    resource: readonly OtlpKeyValue[];
    scope: string;
    service: string;
    start: bigint;
  }[] = [];
  for (const { resource, scopeSpans } of otlp.resourceSpans) {
    const service = textOf(resource.attributes, 'service.name') || 'unknown service';
    for (const { scope, spans } of scopeSpans)
      for (const source of spans)
        if (source.traceId === id)
          found.push({
            source,
            resource: resource.attributes,
            scope: [scope.name, scope.version].filter(Boolean).join(' '),
            service,
            start: BigInt(source.startTimeUnixNano),
          });
  }
  const first = found[0];
  if (!first) return undefined;

  const startUnixNano = found.reduce((min, { start }) => (start < min ? start : min), first.start);
  const rows = buildRows(
    found.map((entry) => ({
      ...entry,
      id: entry.source.spanId,
      parentId: entry.source.parentSpanId ?? '',
      start: Number(entry.start - startUnixNano),
      duration: Number(BigInt(entry.source.endTimeUnixNano) - entry.start),
    })),
  );
  const backOffs = readBackOffs(rows.map(({ item }) => item));
  const errorsBefore = countErrorsBefore(rows.map(({ item }) => item.source));
  const spans = rows.map(({ item, depth, descendants, isOrphan, isRing }, i): Span => ({
    id: item.id,
    parentId: item.parentId,
    name: item.source.name,
    service: item.service,
    kind: item.source.kind,
    start: item.start,
    duration: Math.max(0, item.duration),
    depth,
    descendants,
    isError: item.source.status.code === ERROR,
    errorsBelow: (errorsBefore[i + 1 + descendants] ?? 0) - (errorsBefore[i + 1] ?? 0),
    isOrphan,
    isRing,
    marks: readMarks(item.source, item.duration),
    backOff: backOffs[i] ?? 0,
    source: item.source,
    resource: item.resource,
    scope: item.scope,
  }));
  return {
    id,
    startUnixNano,
    durationNanos: Math.max(
      1,
      spans.reduce((end, span) => Math.max(end, span.start + span.duration), 0),
    ),
    spans,
    services: countServices(spans),
    errorCount: spans.filter((span) => span.isError).length,
    unfinishedCount: spans.filter((span) => span.marks.killedBy !== '').length,
    orphanCount: spans.filter((span) => span.isOrphan).length,
    ringCount: rows.filter(({ isRing }) => isRing).length,
    repeatCount: found.length - rows.length,
    rootCount: spans.filter((span) => span.depth === 0).length,
    maxDepth: spans.reduce((max, span) => Math.max(max, span.depth), 0),
  };
}

/** At i, how many of the first i spans are errors. */
function countErrorsBefore(sources: readonly OtlpSpan[]): Uint32Array {
  const before = new Uint32Array(sources.length + 1);
  sources.forEach(({ status }, i) => {
    before[i + 1] = (before[i] ?? 0) + (status.code === ERROR ? 1 : 0);
  });
  return before;
}

/** Tries of one thing are siblings of one name, each with its number; siblings stand in order of their starts. */
function readBackOffs(
  items: readonly {
    readonly parentId: string;
    readonly start: number;
    readonly duration: number;
    readonly source: OtlpSpan;
  }[],
): Float64Array {
  const backOffs = new Float64Array(items.length);
  const ends = new Map<string, number>();
  items.forEach(({ parentId, start, duration, source }, i) => {
    const attempt = Number(textOf(source.attributes, 'spoor.attempt')) || 0;
    if (attempt === 0) return;
    const key = `${parentId} ${source.name}`;
    const before = ends.get(key);
    if (attempt > 1 && before !== undefined) backOffs[i] = Math.max(0, start - before);
    ends.set(key, start + Math.max(0, duration));
  });
  return backOffs;
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

function readMarks(source: OtlpSpan, duration: number): Marks {
  const text = (key: string) => textOf(source.attributes, key) ?? '';
  const isOpen = source.endTimeUnixNano === '0';
  const unfinished = text('spoor.unfinished') === 'true';
  const attempt = Number(text('spoor.attempt')) || 0;
  const outcome = text('spoor.outcome');
  const waitMs = source.kind === CONSUMER ? Number(text('spoor.queue.wait')) || 0 : 0;
  return {
    killedBy: unfinished
      ? howItEnded(text('spoor.end.reason'), text('spoor.end.signal'))
      : isOpen
        ? 'never ended'
        : '',
    isPhase: PHASES.has(source.name),
    isColdStart: text('faas.coldstart') === 'true',
    attempt: attempt > 1 || (outcome !== '' && outcome !== 'success') ? attempt : 0,
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
