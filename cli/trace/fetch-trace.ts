import { setTimeout as sleep } from 'node:timers/promises';
import {
  SPAN_KIND,
  STATUS_CODE,
  type Attributes,
  type AttributeValue,
  type SpanData,
  type SpanKind,
} from '../../function/span/span-data.ts';
import { Failure } from '../../server/failure.ts';
import { askQuery } from '../ask-query.ts';
import { textOf } from './text-of.ts';

const POLL_MS = 150;

/** The spans of one trace, from the query API (Jaeger's v1 shape); undefined when it is not there. */
export async function fetchTrace(
  queryUrl: string,
  traceId: string,
  signal?: AbortSignal,
): Promise<SpanData[] | undefined> {
  let trace: JaegerTrace | undefined;
  try {
    const path = `/api/traces/${encodeURIComponent(traceId)}`;
    const cannot = `cannot read trace ${traceId}`;
    trace = (await askQuery<{ data: JaegerTrace[] }>(queryUrl, path, cannot, signal)).data[0];
  } catch (error) {
    if (error instanceof Failure && error.reason === 'not_found') return undefined;
    throw error;
  }
  return trace?.spans.map((span) => fromJaeger(span, trace.processes));
}

/**
 * Waits until the trace has come to rest: it is there, every parent in it is known, and nothing new came for `quietMs`.
 * Gives what there is when `timeoutMs` has passed.
 */
export async function fetchSettledTrace(
  queryUrl: string,
  traceId: string,
  options: {
    readonly quietMs: number;
    readonly timeoutMs: number;
    readonly until?: (spans: readonly SpanData[]) => boolean;
  },
): Promise<SpanData[]> {
  const deadline = Date.now() + options.timeoutMs;
  let spans: SpanData[] = [];
  let changedAt = Date.now();
  while (Date.now() < deadline) {
    const next = (await fetchTrace(queryUrl, traceId)) ?? [];
    if (next.length !== spans.length) changedAt = Date.now();
    spans = next;
    const done = options.until?.(spans) ?? true;
    if (done && spans.length > 0 && isWhole(spans) && Date.now() - changedAt >= options.quietMs) break;
    await sleep(POLL_MS);
  }
  return spans;
}

function isWhole(spans: readonly SpanData[]): boolean {
  const ids = new Set(spans.map((span) => span.spanId));
  return spans.every((span) => span.parentSpanId === '' || ids.has(span.parentSpanId));
}

interface JaegerTrace {
  readonly traceID: string;
  readonly spans: JaegerSpan[];
  readonly processes: Record<string, { serviceName: string; tags: JaegerTag[] }>;
}
interface JaegerSpan {
  readonly traceID: string;
  readonly spanID: string;
  readonly flags?: number;
  readonly operationName: string;
  readonly references: { refType: string; traceID: string; spanID: string }[];
  readonly startTime: number;
  readonly duration: number;
  readonly tags: JaegerTag[];
  readonly logs: { timestamp: number; fields: JaegerTag[] }[];
  readonly processID: string;
}
interface JaegerTag {
  readonly key: string;
  readonly type: string;
  readonly value: unknown;
}

const KINDS: Readonly<Record<string, SpanKind>> = SPAN_KIND;

function fromJaeger(span: JaegerSpan, processes: JaegerTrace['processes']): SpanData {
  const attributes = toAttributes(span.tags);
  const process = processes[span.processID];
  const parent = span.references.find(
    (reference) => reference.refType === 'CHILD_OF' && reference.traceID === span.traceID,
  );
  const code = attributes['otel.status_code'];
  const startTimeUnixNano = BigInt(span.startTime) * 1_000n;
  return {
    traceId: span.traceID,
    spanId: span.spanID,
    parentSpanId: parent?.spanID ?? '',
    name: span.operationName,
    kind: KINDS[textOf(attributes['span.kind'] ?? 'internal')] ?? SPAN_KIND.internal,
    startTimeUnixNano,
    endTimeUnixNano: startTimeUnixNano + BigInt(span.duration) * 1_000n,
    status: {
      code:
        code === 'ERROR' || attributes['error'] === true
          ? STATUS_CODE.error
          : code === 'OK'
            ? STATUS_CODE.ok
            : STATUS_CODE.unset,
      message: textOf(attributes['otel.status_description']),
    },
    attributes,
    events: span.logs.map((log) => {
      const fields = toAttributes(log.fields);
      return {
        timeUnixNano: BigInt(log.timestamp) * 1_000n,
        name: textOf(fields['event']),
        attributes: fields,
        droppedAttributesCount: 0,
      };
    }),
    links: span.references
      .filter((reference) => reference !== parent)
      .map((reference) => ({
        traceId: reference.traceID,
        spanId: reference.spanID,
        traceState: '',
        flags: 0,
        attributes: {},
        droppedAttributesCount: 0,
      })),
    traceState: '',
    flags: span.flags ?? 0,
    resource: { ...toAttributes(process?.tags ?? []), 'service.name': process?.serviceName ?? '' },
    scope: {
      name: textOf(attributes['otel.scope.name']),
      version: textOf(attributes['otel.scope.version']),
    },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

function toAttributes(tags: readonly JaegerTag[]): Attributes {
  return Object.fromEntries(
    tags.map((tag) => [
      tag.key,
      (tag.type === 'int64' ? BigInt(tag.value as number) : tag.value) as AttributeValue,
    ]),
  );
}
