import type { QueueRecord, RecordHeaders, RecordToProduce } from '../queue/queue.ts';
import { headerText, isContextHeader } from '../queue/record-headers.ts';
import type { AttemptFailure } from './attempt.ts';
import type { FunctionResponse } from './invoker.ts';

const MAX_ERROR_LENGTH = 2_048;

/**
 * The record for the response topic: the body as value, the consumed record's key, and those response headers that say
 * something of the content. What only concerns the HTTP exchange stays behind; Fission copies it all.
 */
export function responseRecord(
  record: Pick<QueueRecord, 'key'>,
  response: FunctionResponse,
): RecordToProduce {
  const headers: [string, Buffer][] = [];
  for (const [name, value] of Object.entries(response.headers)) {
    const lower = name.toLowerCase();
    if (value === undefined || isTransport(lower) || isContextHeader(lower)) continue;
    for (const each of typeof value === 'string' ? [value] : value)
      headers.push([lower, Buffer.from(each, 'latin1')]);
  }
  return { key: record.key, value: response.body, headers };
}

function isTransport(lower: string): boolean {
  return TRANSPORT.has(lower) || lower.startsWith('x-spoor-') || lower.startsWith('x-fission-component');
}

const TRANSPORT = new Set([
  'accept-ranges',
  'access-control-allow-origin',
  'age',
  'connection',
  'content-length',
  'date',
  'etag',
  'keep-alive',
  'server',
  'set-cookie',
  'trailer',
  'traceresponse',
  'transfer-encoding',
  'upgrade',
  'vary',
  'via',
  'x-powered-by',
]);

/**
 * The record for the error topic: value, key and headers as they were, byte for byte, and headers `spoor-*` that say why it
 * is here. Those of an earlier time in an error topic are replaced. The trace context is put in by whoever sends it; the
 * producer's own is kept as `spoor-original-traceparent`.
 */
export function errorRecord(
  record: QueueRecord,
  failure: AttemptFailure,
  told: { readonly functionName: string; readonly trigger: string; readonly attempts: number },
): RecordToProduce {
  const said: Record<string, string | undefined> = {
    'spoor-reason': failure.reason,
    'spoor-error': failure.message.slice(0, MAX_ERROR_LENGTH),
    'spoor-status': failure.status === undefined ? undefined : String(failure.status),
    'spoor-attempts': String(told.attempts),
    'spoor-function': told.functionName,
    'spoor-trigger': told.trigger,
    'spoor-original-topic': record.topic,
    'spoor-original-partition': String(record.partition),
    'spoor-original-offset': String(record.offset),
    'spoor-original-timestamp': String(record.timestamp),
    'spoor-original-traceparent': headerText(record.headers, 'traceparent'),
  };
  const kept: RecordHeaders = record.headers.filter(
    ([name]) => !Object.hasOwn(said, name) && !isContextHeader(name),
  );
  const added = Object.entries(said).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, Buffer.from(value)] as const],
  );
  return { key: record.key, value: record.value, headers: [...kept, ...added] };
}
