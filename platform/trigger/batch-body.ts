import type { QueueRecord } from '../queue/queue.ts';
import { textOf } from '../queue/record-attributes.ts';
import { headerText } from '../queue/record-headers.ts';
import type { FunctionResponse } from './invoker.ts';

export interface BatchBody {
  readonly contentType: string;
  readonly body: Buffer;
}

/** `{"records":[…]}`, each with its bytes as text, or as base64 when they are not UTF-8 (`keyBase64`, `valueBase64`). */
export function jsonBatch(records: readonly QueueRecord[]): BatchBody {
  const items = records.map((record) => ({
    topic: record.topic,
    partition: record.partition,
    offset: String(record.offset),
    timestamp: record.timestamp,
    ...bytes('key', record.key),
    ...bytes('value', record.value),
    headers: record.headers.map(([name, value]) => [
      name,
      textOf(value) ?? { base64: value.toString('base64') },
    ]),
  }));
  return { contentType: 'application/json', body: Buffer.from(JSON.stringify({ records: items })) };
}

/** CloudEvents 1.0 JSON batch, with the distributed tracing, partitioning and sequence extensions. */
export function cloudEventsBatch(records: readonly QueueRecord[]): BatchBody {
  const events = records.map((record) => {
    const key = record.key && textOf(record.key);
    const data = record.value && textOf(record.value);
    return {
      specversion: '1.0',
      id: `${record.topic}/${record.partition}/${record.offset}`,
      source: `/topics/${record.topic}`,
      type: 'io.spoor.record',
      time: new Date(record.timestamp).toISOString(),
      sequence: String(record.offset).padStart(20, '0'),
      ...(key ? { partitionkey: key } : {}),
      ...contextOf(record),
      datacontenttype: headerText(record.headers, 'content-type') ?? 'application/octet-stream',
      ...(data === null ? (record.value ? { data_base64: record.value.toString('base64') } : {}) : { data }),
    };
  });
  return { contentType: 'application/cloudevents-batch+json', body: Buffer.from(JSON.stringify(events)) };
}

/** What a function says of each record of its batch. */
export interface RecordResult {
  readonly status: number;
  readonly error: string | undefined;
  /** For the response topic. */
  readonly body: Buffer | undefined;
}

/**
 * A 2xx answer without `results` means that all went well (`undefined`). With them, `{"results":[{"status", "error"?, "body"?}, …]}`
 * speaks of the records in their order; a text says what is wrong with it.
 */
export function parseResults(
  response: FunctionResponse,
  count: number,
): readonly RecordResult[] | string | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(response.body.toString());
  } catch {
    return undefined;
  }
  if (typeof parsed !== 'object' || parsed === null || !('results' in parsed)) return undefined;
  const { results } = parsed;
  if (!Array.isArray(results)) return 'the answer has results that are not a list';
  if (results.length !== count) return `the answer has ${results.length} results for ${count} records`;
  const found: RecordResult[] = [];
  for (const [i, each] of (results as unknown[]).entries()) {
    const { status, error, body } = (typeof each === 'object' && each !== null ? each : {}) as Record<
      string,
      unknown
    >;
    if (typeof status !== 'number' || !Number.isInteger(status) || status < 100 || status > 599)
      return `result ${i} of the answer has status [${JSON.stringify(status)}]`;
    found.push({
      status,
      error: typeof error === 'string' ? error : undefined,
      body:
        body === undefined ? undefined : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
    });
  }
  return found;
}

function bytes(name: 'key' | 'value', value: Buffer | null): Record<string, string | null> {
  const text = value && textOf(value);
  return value !== null && text === null ? { [`${name}Base64`]: value.toString('base64') } : { [name]: text };
}

function contextOf(record: QueueRecord): Record<string, string> {
  const traceparent = headerText(record.headers, 'traceparent');
  const tracestate = headerText(record.headers, 'tracestate');
  return { ...(traceparent ? { traceparent } : {}), ...(tracestate ? { tracestate } : {}) };
}
