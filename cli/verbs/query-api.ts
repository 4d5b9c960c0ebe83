import { askQuery } from '../ask-query.ts';

/** A log line as `GET /api/traces/{id}/logs` shows it (backend/query/shapes.ts), in what the verbs need of it. */
export interface LogLine {
  /** Decimal. */
  readonly timeUnixNano: string;
  readonly severityNumber: number;
  readonly severityText: string;
  readonly body: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly service: string;
}

/** A span of Jaeger's v1 API, in what the verbs need of it. */
export interface FoundSpan {
  readonly traceId: string;
  readonly service: string;
  readonly name: string;
  /** Unix ms. */
  readonly startMs: number;
  readonly durationMs: number;
  readonly tags: Readonly<Record<string, unknown>>;
  /** `message` of the first exception, or of the status. */
  readonly error: string | undefined;
}

export interface SpanSearch {
  readonly service: string;
  readonly operation?: string;
  readonly tags?: Readonly<Record<string, string>>;
  readonly sinceMs: number;
  /** Traces. */
  readonly limit: number;
}

/** Every span of the newest traces in which one span satisfies the search. */
export async function searchSpans(queryUrl: string, search: SpanSearch): Promise<FoundSpan[]> {
  const now = Date.now();
  const params = new URLSearchParams({
    service: search.service,
    start: String((now - search.sinceMs) * 1_000),
    end: String((now + 60_000) * 1_000),
    limit: String(search.limit),
  });
  if (search.operation !== undefined) params.set('operation', search.operation);
  if (search.tags) params.set('tags', JSON.stringify(search.tags));
  const { data } = await askQuery<{ data: JaegerTrace[] | null }>(
    queryUrl,
    `/api/traces?${params.toString()}`,
    `cannot look for traces of ${search.service}`,
  );
  return (data ?? []).flatMap((trace) => trace.spans.map((span) => toFoundSpan(trace, span)));
}

/** Of one trace, oldest first. */
export async function logsOfTrace(queryUrl: string, traceId: string): Promise<LogLine[]> {
  const { logs } = await askQuery<{ logs: LogLine[] }>(
    queryUrl,
    `/api/traces/${encodeURIComponent(traceId)}/logs`,
    `cannot read the lines of trace ${traceId}`,
  );
  return logs;
}

/** The newest lines of one service, newest first, `limit` at most. */
export async function logsOfService(
  queryUrl: string,
  search: {
    readonly service: string;
    readonly sinceMs: number;
    /** This word and above; undefined: all lines. */
    readonly severity: string | undefined;
    readonly limit: number;
  },
): Promise<LogLine[]> {
  const params = new URLSearchParams({
    service: search.service,
    lookback: String(Math.ceil(search.sinceMs)),
    limit: String(search.limit),
  });
  if (search.severity !== undefined) params.set('severity', search.severity);
  const { logs } = await askQuery<{ logs: LogLine[] }>(
    queryUrl,
    `/api/logs?${params.toString()}`,
    `cannot read the lines of ${search.service}`,
  );
  return logs;
}

interface JaegerTrace {
  readonly traceID: string;
  readonly spans: readonly JaegerSpan[];
  readonly processes: Readonly<Record<string, { readonly serviceName: string }>>;
}

interface JaegerSpan {
  readonly operationName: string;
  readonly startTime: number;
  readonly duration: number;
  readonly processID: string;
  readonly tags: readonly Tag[];
  readonly logs: readonly { readonly fields: readonly Tag[] }[];
}

interface Tag {
  readonly key: string;
  readonly value: unknown;
}

function toFoundSpan(trace: JaegerTrace, span: JaegerSpan): FoundSpan {
  const tags = Object.fromEntries(span.tags.map(({ key, value }) => [key, value]));
  const said = span.logs
    .flatMap(({ fields }) => fields)
    .find(({ key }) => key === 'exception.message')?.value;
  const isError = tags['error'] === true || tags['otel.status_code'] === 'ERROR';
  const why = [said, tags['otel.status_description']].find((text) => typeof text === 'string' && text !== '');
  return {
    traceId: trace.traceID,
    service: trace.processes[span.processID]?.serviceName ?? '',
    name: span.operationName,
    startMs: span.startTime / 1_000,
    durationMs: span.duration / 1_000,
    tags,
    error: isError ? ((why as string | undefined) ?? 'error') : undefined,
  };
}
