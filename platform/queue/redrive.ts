import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, type Link } from '@opentelemetry/api';
import {
  ERROR_TYPE,
  MESSAGING_DESTINATION_NAME,
  SPOOR_REDRIVEN_FROM,
} from '../../function/span/attributes.ts';
import type { Tracing } from '../../function/span/tracing.ts';
import { Failure, toFailure } from '../../server/failure.ts';
import type { Queue, QueueRecord, RecordHeaders } from './queue.ts';
import { contentAttributes, destinationAttributes, positionAttributes } from './record-attributes.ts';
import { extractContext, headerText, withContext } from './record-headers.ts';

/** Whose position says what of an error topic went back already: a second redrive repeats nothing. */
export const REDRIVE_GROUP = 'spoor-redrive';
const BATCH = 500;
const POLL_MS = 50;

/**
 * Sends what an error topic holds now, and was not sent back before, to `to`: value, key and headers as they were when the
 * record failed, without the words about the failure. Each is the beginning of a trace of its own that links to the span that
 * gave the record up and to the one that produced it first. Resolves when all of it is durable there.
 */
export async function redrive(
  queue: Queue,
  tracing: Tracing,
  from: string,
  to: string,
): Promise<{ readonly redriven: number }> {
  if (from === to)
    throw new Failure('queue', 'bad_request', `cannot redrive topic [${from}] to itself: it would come back`);
  const ends = await endsOf(queue, from);
  let redriven = 0;
  const failed = Promise.withResolvers<never>();
  await using _subscription = await queue.subscribe({
    topic: from,
    group: REDRIVE_GROUP,
    offsetReset: 'earliest',
    maxBatchSize: BATCH,
    onRecords: async (records, signal, done) => {
      const ours = records.filter((record) => record.offset < (ends.get(record.partition) ?? 0n));
      await Promise.all(ours.map((record) => sendBack(queue, tracing, record, to)));
      redriven += ours.length;
      done(ours.length);
      // What failed again meanwhile is for the next time: it stays uncommitted.
      if (ours.length < records.length) {
        await untilAborted(signal);
        throw new Failure('queue', 'unavailable', 'the redrive is over');
      }
    },
    onError: (error) => failed.reject(error),
  });
  await Promise.race([untilDone(queue, from, ends), failed.promise]);
  return { redriven };
}

async function sendBack(queue: Queue, tracing: Tracing, record: QueueRecord, to: string): Promise<void> {
  const origin = `${record.topic}/${record.partition}/${record.offset}`;
  const span = tracing.tracer().startSpan(
    `send ${to}`,
    {
      kind: SpanKind.PRODUCER,
      root: true,
      links: linksOf(record),
      attributes: {
        ...destinationAttributes(queue.system, 'send', to),
        ...contentAttributes(record),
        [SPOOR_REDRIVEN_FROM]: origin,
      },
    },
    ROOT_CONTEXT,
  );
  try {
    const headers = withContext(
      [...headersBefore(record.headers), ['spoor-redriven-from', Buffer.from(origin)]],
      trace.setSpan(ROOT_CONTEXT, span),
      tracing.propagator,
    );
    const [position] = await queue.produce(to, [{ key: record.key, value: record.value, headers }]);
    if (position) span.setAttributes(positionAttributes(position));
  } catch (error) {
    const failure = toFailure(error, 'queue');
    span.setAttribute(ERROR_TYPE, failure.reason);
    span.setStatus({ code: SpanStatusCode.ERROR, message: failure.message });
    throw failure;
  } finally {
    span.end();
  }
}

/** To the span that sent the record to the error topic, and to the one that sent it in the first place. */
function linksOf(record: QueueRecord): Link[] {
  const links: Link[] = [];
  const gaveUp = trace.getSpanContext(extractContext(record.headers));
  if (gaveUp) {
    const attributes = { [MESSAGING_DESTINATION_NAME]: record.topic, ...positionAttributes(record) };
    links.push({ context: gaveUp, attributes });
  }
  const original = headerText(record.headers, 'spoor-original-traceparent');
  const first = original && trace.getSpanContext(extractContext([['traceparent', Buffer.from(original)]]));
  if (first) links.push({ context: first });
  return links;
}

function headersBefore(headers: RecordHeaders): [string, Buffer][] {
  return headers.filter(([name]) => !ABOUT_FAILURE.test(name)).map(([name, value]) => [name, value]);
}

/** What an error record adds (platform/trigger/outcome-record.ts). */
const ABOUT_FAILURE =
  /^spoor-(reason|error|status|attempts|function|trigger|redriven-from|original-(topic|partition|offset|timestamp|traceparent))$/;

async function endsOf(queue: Queue, topic: string): Promise<Map<number, bigint>> {
  const found = (await queue.topics()).find(({ name }) => name === topic);
  if (!found)
    throw new Failure('queue', 'not_found', `cannot redrive topic [${topic}]: there is none of that name`);
  return new Map(found.partitions.map(({ partition, endOffset }) => [partition, endOffset]));
}

async function untilDone(queue: Queue, topic: string, ends: ReadonlyMap<number, bigint>): Promise<void> {
  for (;;) {
    const found = (await queue.topics()).find(({ name }) => name === topic);
    const group = found?.groups.find((each) => each.group === REDRIVE_GROUP);
    if (!found || group?.partitions.every((each) => each.committed >= (ends.get(each.partition) ?? 0n)))
      return;
    await sleep(POLL_MS);
  }
}

async function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
