import type { SpanData } from '../../function/span/span-data.ts';
import { Failure } from '../../server/failure.ts';
import { askQuery } from '../ask-query.ts';
import { fetchTrace } from '../trace/fetch-trace.ts';
import { textOf } from '../trace/text-of.ts';

export interface Tool {
  readonly name: string;
  readonly description: string;
  /** JSON Schema of the arguments. */
  readonly inputSchema: {
    readonly type: 'object';
    readonly properties: Record<
      string,
      { readonly type: string; readonly description: string; enum?: string[] }
    >;
    readonly required?: string[];
    readonly additionalProperties: false;
  };
  readonly call: (queryUrl: string, args: Arguments, signal: AbortSignal) => Promise<object>;
}

type Arguments = Readonly<Record<string, unknown>>;

/** Spans of one trace that an answer holds: a model reads no more. */
const MAX_SPANS = 500;

const text = (description: string) => ({ type: 'string', description });
const integer = (description: string) => ({ type: 'integer', description });
const TRACE_ID = text('32 hex digits, leading zeros optional');
const MINUTES = integer('How far back, minutes; default 60');
const LIMIT = integer('At most so many; default 20');

export const TOOLS: readonly Tool[] = [
  {
    name: 'search_traces',
    description:
      'Traces in which one span satisfies a query, the newest first. Query: service:greeter AND (error OR duration>200ms) NOT http.route:/x*. Keys: service, name, kind, error, duration, or any attribute. Without one, the newest traces.',
    inputSchema: object({
      query: text('The query'),
      minutes: MINUTES,
      limit: LIMIT,
      cursor: text('nextCursor of the page before'),
    }),
    call: (url, args, signal) =>
      get(
        url,
        '/api/search',
        { q: args['query'], ...windowOf(args), limit: args['limit'] ?? 20, cursor: args['cursor'] },
        signal,
      ),
  },
  {
    name: 'get_trace',
    description: 'The spans of one trace: who called whom, when, how long, with attributes and errors.',
    inputSchema: object({ traceId: TRACE_ID }, ['traceId']),
    call: async (url, args, signal) => {
      const traceId = idOf(args);
      const spans = await fetchTrace(url, traceId, signal);
      if (!spans) throw new Failure('query', 'not_found', `cannot find trace [${traceId}]`);
      return { traceId, spanCount: spans.length, spans: spans.slice(0, MAX_SPANS).map(toSpan) };
    },
  },
  {
    name: 'why',
    description:
      'Why a trace failed or was slow: ranked causes with the spans and figures each sentence rests on, where the time went, how it differs from a normal run, and what to try next.',
    inputSchema: object({ traceId: TRACE_ID }, ['traceId']),
    call: (url, args, signal) => get(url, `/api/traces/${encodeURIComponent(idOf(args))}/why`, {}, signal),
  },
  {
    name: 'flow',
    description:
      'Every trace that is joined with this one over topics and links, as one graph of causes, and which consumer groups it still waits for.',
    inputSchema: object({ traceId: TRACE_ID }, ['traceId']),
    call: (url, args, signal) =>
      get(url, `/api/flows/${encodeURIComponent(idOf(args))}`, { maxSpans: MAX_SPANS }, signal),
  },
  {
    name: 'functions',
    description:
      'The functions that ran, with rate, errors, cold starts and durations; with a name, one of them with its versions, instances, errors, slowest invocations and the attribute values that set slow or failed ones apart.',
    inputSchema: object({ name: text('Name of one function'), minutes: MINUTES }),
    call: (url, args, signal) => {
      const name = args['name'];
      const path = typeof name === 'string' && name !== '' ? `/${encodeURIComponent(name)}` : '';
      return get(url, `/api/functions${path}`, windowOf(args), signal);
    },
  },
  {
    name: 'logs',
    description:
      'Log lines, the newest first: of one trace, of a service, with a text in them, from a severity on.',
    inputSchema: object({
      traceId: TRACE_ID,
      service: text('Service or function'),
      text: text('Stands somewhere in the line'),
      severity: {
        type: 'string',
        description: 'This and above',
        enum: ['trace', 'debug', 'info', 'warn', 'error', 'fatal'],
      },
      minutes: MINUTES,
      limit: LIMIT,
    }),
    call: (url, args, signal) =>
      get(
        url,
        '/api/logs',
        {
          trace: args['traceId'],
          service: args['service'],
          text: args['text'],
          severity: args['severity'],
          ...windowOf(args),
          limit: args['limit'] ?? 20,
        },
        signal,
      ),
  },
  {
    name: 'messages',
    description:
      'Records sent to topics and what each consumer group did to them; state "waiting" finds what nobody has consumed.',
    inputSchema: object({
      topic: text('Topic'),
      state: { type: 'string', description: 'State', enum: ['consumed', 'waiting', 'failed', 'sent'] },
      group: text('Consumer group'),
      minutes: MINUTES,
      limit: LIMIT,
    }),
    call: (url, args, signal) =>
      get(
        url,
        '/api/messages',
        {
          topic: args['topic'],
          state: args['state'],
          group: args['group'],
          ...windowOf(args),
          limit: args['limit'] ?? 20,
        },
        signal,
      ),
  },
];

function object(properties: Tool['inputSchema']['properties'], required?: string[]): Tool['inputSchema'] {
  return { type: 'object', properties, additionalProperties: false, ...(required ? { required } : {}) };
}

async function get(
  queryUrl: string,
  path: string,
  params: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
): Promise<object> {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value === undefined || value === '') continue;
    if (typeof value !== 'string' && typeof value !== 'number')
      throw new Failure(
        'cli',
        'bad_request',
        `cannot use [${JSON.stringify(value)}] as ${name}: it is a text or a number`,
      );
    query.set(name, String(value));
  }
  return askQuery(queryUrl, `${path}?${query.toString()}`, `cannot ask ${path}`, signal);
}

function windowOf(args: Arguments): { readonly lookback: number } {
  const minutes = args['minutes'] ?? 60;
  if (typeof minutes !== 'number' || !(minutes > 0) || minutes > 1e6)
    throw new Failure(
      'cli',
      'bad_request',
      `cannot look back [${JSON.stringify(minutes)}] minutes: it is a number above 0`,
    );
  return { lookback: Math.ceil(minutes * 60_000) };
}

function idOf(args: Arguments): string {
  const traceId = args['traceId'];
  if (typeof traceId !== 'string' || traceId === '')
    throw new Failure('cli', 'bad_request', 'cannot do without a traceId: search_traces finds some');
  return traceId;
}

function toSpan(span: SpanData) {
  return {
    spanId: span.spanId,
    parentSpanId: span.parentSpanId,
    service: textOf(span.resource['service.name']),
    name: span.name,
    startUnixNano: String(span.startTimeUnixNano),
    durationNano: String(span.endTimeUnixNano - span.startTimeUnixNano),
    error: span.status.code === 2,
    statusMessage: span.status.message,
    attributes: Object.fromEntries(
      Object.entries(span.attributes).map(([key, value]) => [key, textOf(value)]),
    ),
    events: span.events.map(({ name, attributes }) => ({
      name,
      message: textOf(attributes['exception.message']),
    })),
    links: span.links.map(({ traceId, spanId }) => ({ traceId, spanId })),
  };
}
