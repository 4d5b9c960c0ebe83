import type { IncomingMessage, ServerResponse } from 'node:http';
import { isValidTraceId, SpanKind, SpanStatusCode, trace, type Context } from '@opentelemetry/api';
import { ERROR_TYPE } from '../../function/span/attributes.ts';
import type { Tracing } from '../../function/span/tracing.ts';
import { Failure, toFailure } from '../../server/failure.ts';
import { readBody } from '../../server/read-body.ts';
import { MAX_RECORD_BYTES } from './check-record.ts';
import type { Queue, QueueRecord, RecordHeaders, RecordPosition, RecordToProduce } from './queue.ts';
import { queueMetrics } from './metrics.ts';
import { contentAttributes, destinationAttributes, positionAttributes } from './record-attributes.ts';
import { extractContext, isContextHeader, withContext } from './record-headers.ts';
import { redrive } from './redrive.ts';
import { checkTopicName } from './topic-name.ts';

/** What may come from outside; the log itself takes twice as much. */
const MAX_HEADER_BYTES = 64 * 1024;
const DEFAULT_LIMIT = 10;
const MAX_LIMIT = 1_000;

export interface TopicsHandlerOptions {
  readonly queue: Queue;
  /** Of service `queue`: makes the PRODUCER span of those who send none of their own. */
  readonly tracing: Tracing;
}

/**
 * Topics on the internal listener; errors are JSON `{component, reason, message}`, offsets decimal strings.
 *
 *   GET    /topics                    [TopicDescription]
 *   POST   /topics/NAME               produces the body; X-Record-Key, X-Record-Header-<name>, X-Record-Tombstone
 *   PUT    /topics/NAME?partitions=N  creates
 *   DELETE /topics/NAME
 *   POST   /topics/NAME/redrive?to=TOPIC   sends what an error topic holds back; answers `{redriven}`
 *   GET    /topics/NAME/records?partition=&offset=&limit=   without an offset: the last ones
 *
 * Bytes that an HTTP header cannot hold go in base64: X-Record-Key-Base64, and X-Record-Binary-Headers, a JSON list of
 * `[name, base64]`. The trigger sends requests with the same names.
 */
export function topicsHandler(
  options: TopicsHandlerOptions,
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  return async (request, response) => {
    try {
      const { status, body, traceresponse } = await answer(request, options);
      // Trace Context level 2: whoever sent the record can look for its trace.
      if (traceresponse !== undefined) response.setHeader('traceresponse', traceresponse);
      sendJson(response, status, body);
    } catch (error) {
      const failure = toFailure(error, 'queue');
      sendJson(response, failure.status, {
        component: failure.component,
        reason: failure.reason,
        message: failure.message,
      });
    }
  };
}

/** `GET /metrics`: offsets and lag in Prometheus' text format. */
export function metricsHandler(
  queue: Queue,
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  return async (_request, response) => {
    try {
      const text = queueMetrics(await queue.topics());
      response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(text);
    } catch (error) {
      const { component, reason, message, status } = toFailure(error, 'queue');
      sendJson(response, status, { component, reason, message });
    }
  };
}

async function answer(
  request: IncomingMessage,
  { queue, tracing }: TopicsHandlerOptions,
): Promise<{ status: number; body: unknown; traceresponse?: string }> {
  const { segments, query } = parseTarget(request.url ?? '/');
  const [, name, what] = segments;
  const route = segments.length === 3 ? `${request.method} ${what}` : `${request.method} ${segments.length}`;
  if (segments[0] !== 'topics' || segments.length > 3 || !['records', 'redrive', undefined].includes(what))
    throw new Failure('queue', 'not_found', `cannot find ${request.url}`);
  if (name !== undefined) checkTopicName(name);
  switch (route) {
    case 'GET 1':
      return { status: 200, body: await queue.topics() };
    case 'POST 2': {
      const { position, traceresponse } = await produce(name as string, request, queue, tracing);
      // Who made the PRODUCER span learns here what keeps the record.
      return { status: 200, body: { ...position, system: queue.system }, traceresponse };
    }
    case 'POST redrive': {
      const to = query.get('to') ?? '';
      checkTopicName(to);
      return { status: 200, body: await redrive(queue, tracing, name as string, to) };
    }
    case 'PUT 2':
      await queue.createTopic(name as string, { partitions: integer(query, 'partitions', 1, 10_000) });
      return { status: 201, body: { topic: name } };
    case 'DELETE 2':
      await queue.deleteTopic(name as string);
      return { status: 200, body: { topic: name } };
    case 'GET records': {
      const offset = integer(query, 'offset', 0, Number.MAX_SAFE_INTEGER);
      const found = await queue.peek(name as string, {
        partition: integer(query, 'partition', 0, 1_000_000),
        offset: offset === undefined ? undefined : BigInt(offset),
        limit: integer(query, 'limit', 1, MAX_LIMIT) ?? DEFAULT_LIMIT,
      });
      return { status: 200, body: found.map(toJson) };
    }
    default:
      throw new Failure('queue', 'method_not_allowed', `cannot ${request.method} ${request.url}`);
  }
}

interface Produced {
  readonly position: RecordPosition;
  /** Of the PRODUCER span, when it was made here. */
  readonly traceresponse?: string;
}

async function produce(
  topic: string,
  request: IncomingMessage,
  queue: Queue,
  tracing: Tracing,
): Promise<Produced> {
  const headers = recordHeadersOf(request);
  const key = keyOf(request);
  const body = await readBody(request, MAX_RECORD_BYTES, 'queue');
  const tombstone = request.headers['x-record-tombstone'] === 'true';
  if (tombstone && body.length > 0)
    throw new Failure(
      'queue',
      'bad_request',
      `cannot produce a tombstone with a value of ${body.length} bytes`,
    );
  const record = { key, value: tombstone ? null : body, headers };
  if (request.headers['x-spoor-producer'] === 'span')
    return { position: first(await queue.produce(topic, [record])) };
  return produceTraced(topic, record, extractContext(headers), queue, tracing);
}

async function produceTraced(
  topic: string,
  record: RecordToProduce,
  parent: Context,
  queue: Queue,
  tracing: Tracing,
): Promise<Produced> {
  const span = tracing.tracer().startSpan(
    `send ${topic}`,
    {
      kind: SpanKind.PRODUCER,
      attributes: { ...destinationAttributes(queue.system, 'send', topic), ...contentAttributes(record) },
    },
    parent,
  );
  try {
    const headers = withContext(record.headers, trace.setSpan(parent, span), tracing.propagator);
    const position = first(await queue.produce(topic, [{ ...record, headers }]));
    span.setAttributes(positionAttributes(position));
    const { traceId, spanId, traceFlags } = span.spanContext();
    if (!isValidTraceId(traceId)) return { position };
    return { position, traceresponse: `00-${traceId}-${spanId}-0${traceFlags & 1}` };
  } catch (error) {
    const failure = toFailure(error, 'queue');
    span.setAttribute(ERROR_TYPE, failure.reason);
    span.setStatus({ code: SpanStatusCode.ERROR, message: failure.message });
    throw failure;
  } finally {
    span.end();
  }
}

/** From the raw headers, which keep the case of names, repeats, and each byte of a value as one character. */
function recordHeadersOf(request: IncomingMessage): RecordHeaders {
  const headers: (readonly [string, Buffer])[] = [];
  for (let i = 0; i + 1 < request.rawHeaders.length; i += 2) {
    const name = request.rawHeaders[i] as string;
    const value = request.rawHeaders[i + 1] as string;
    const lower = name.toLowerCase();
    if (isContextHeader(lower)) headers.push([lower, Buffer.from(value, 'latin1')]);
    else if (lower.startsWith(HEADER_PREFIX) && lower.length > HEADER_PREFIX.length)
      headers.push([name.slice(HEADER_PREFIX.length), Buffer.from(value, 'latin1')]);
    else if (lower === 'x-record-binary-headers') headers.push(...parseBinaryHeaders(value));
  }
  const bytes = headers.reduce((sum, [name, value]) => sum + name.length + value.length, 0);
  if (bytes > MAX_HEADER_BYTES)
    throw new Failure(
      'queue',
      'body_too_large',
      `cannot produce a record with ${bytes} bytes of headers: at most ${MAX_HEADER_BYTES} are allowed`,
    );
  return headers;
}

const HEADER_PREFIX = 'x-record-header-';

function parseBinaryHeaders(json: string): RecordHeaders {
  const bad = () =>
    new Failure(
      'queue',
      'bad_request',
      `cannot parse X-Record-Binary-Headers [${json.slice(0, 100)}]: it is not a JSON list of [name, base64]`,
    );
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    throw bad();
  }
  if (!Array.isArray(parsed)) throw bad();
  return parsed.map((pair: unknown) => {
    if (
      !Array.isArray(pair) ||
      pair.length !== 2 ||
      typeof pair[0] !== 'string' ||
      typeof pair[1] !== 'string'
    )
      throw bad();
    return [pair[0], fromBase64(pair[1], `header ${pair[0]} of X-Record-Binary-Headers`)];
  });
}

function keyOf(request: IncomingMessage): Buffer | null {
  const base64 = request.headers['x-record-key-base64'];
  if (typeof base64 === 'string') return fromBase64(base64, 'X-Record-Key-Base64');
  const key = request.headers['x-record-key'];
  return typeof key === 'string' ? Buffer.from(key, 'latin1') : null;
}

function fromBase64(text: string, what: string): Buffer {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text))
    throw new Failure(
      'queue',
      'bad_request',
      `cannot decode ${what} [${text.slice(0, 100)}]: it is not base64`,
    );
  return Buffer.from(text, 'base64');
}

function parseTarget(target: string): { segments: string[]; query: URLSearchParams } {
  const [path = '', query = ''] = target.split('?', 2);
  try {
    const segments = path.split('/').filter((segment) => segment !== '');
    return { segments: segments.map(decodeURIComponent), query: new URLSearchParams(query) };
  } catch (cause) {
    throw new Failure('queue', 'bad_request', `cannot decode path [${path}]`, { cause });
  }
}

function integer(query: URLSearchParams, name: string, min: number, max: number): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max))
    throw new Failure(
      'queue',
      'bad_request',
      `cannot parse ${name} [${text.slice(0, 50)}]: ${min} to ${max} are allowed`,
    );
  return value;
}

function toJson(record: QueueRecord) {
  return {
    ...record,
    key: record.key && record.key.toString('base64'),
    value: record.value && record.value.toString('base64'),
    headers: record.headers.map(([name, value]) => [name, value.toString('base64')]),
  };
}

function first(positions: readonly RecordPosition[]): RecordPosition {
  return positions[0] as RecordPosition;
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  if (response.headersSent || response.destroyed) return;
  const bytes = Buffer.from(
    JSON.stringify(body, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
  );
  // A request refused before its body was read to the end leaves a connection that cannot be used again.
  const close = status === 413 ? { connection: 'close' } : {};
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': bytes.length,
    ...close,
  });
  response.end(bytes);
}
