import { SpanKind, SpanStatusCode, type Attributes, type Context } from '@opentelemetry/api';
import { ERROR_TYPE, SPOOR_ATTEMPT, SPOOR_REASON } from '../../function/span/attributes.ts';
import { endWith } from '../../function/span/journal-span.ts';
import { SpanOver } from '../../function/span/span-context.ts';
import type { Tracing } from '../../function/span/tracing.ts';
import { toFailure } from '../../server/failure.ts';
import type { Logger } from '../../server/log.ts';
import type { Queue, RecordToProduce } from '../queue/queue.ts';
import { contentAttributes, destinationAttributes, positionAttributes } from '../queue/record-attributes.ts';
import { withContext } from '../queue/record-headers.ts';
import { backOffMs, wait } from './back-off.ts';
import { SpanNames } from './span-names.ts';

const FIRST_BACK_OFF_MS = 100;
const MAX_BACK_OFF_MS = 5_000;
/** Of the tries of one record; the span does not grow with an outage. */
const MAX_EVENTS = 10;

/**
 * Sends an outcome: a PRODUCER span `send TOPIC` below `parent`, its context in the record. A topic that cannot be written
 * now is tried until it can, for the outcome must be durable before the consumed record is committed; rejects when the
 * signal aborts, or at once with a Failure below 500 when the record itself can never be written.
 */
export async function sendRecord(
  topic: string,
  record: RecordToProduce,
  parent: Context,
  part: {
    readonly queue: Queue;
    readonly tracing: Tracing;
    readonly log: Logger;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { queue, tracing, log, signal } = part;
  const span = tracing.tracer().startSpan(
    spanNames.of(topic),
    {
      kind: SpanKind.PRODUCER,
      attributes: { ...destinationAttributes(queue.system, 'send', topic), ...contentAttributes(record) },
    },
    parent,
  );
  let told: Attributes = {};
  try {
    const context = new SpanOver(parent, span);
    const traced = { ...record, headers: withContext(record.headers, context, tracing.propagator) };
    for (let tries = 1; ; tries += 1) {
      try {
        const [position] = await queue.produce(topic, [traced]);
        if (position) told = positionAttributes(position);
        return;
      } catch (error) {
        const failure = toFailure(error, 'queue');
        if (failure.status < 500 || signal.aborted) throw failure;
        log.warn(
          {
            topic,
            traceId: span.spanContext().traceId,
            reason: failure.reason,
            error: failure.message,
            tries,
          },
          'cannot send a record, trying again',
        );
        if (tries <= MAX_EVENTS)
          span.addEvent('send failed', { [SPOOR_ATTEMPT]: tries, [SPOOR_REASON]: failure.reason });
        await wait(backOffMs(tries, FIRST_BACK_OFF_MS, MAX_BACK_OFF_MS), signal);
      }
    }
  } catch (error) {
    const failure = toFailure(error, 'queue');
    told = { [ERROR_TYPE]: failure.reason };
    span.setStatus({ code: SpanStatusCode.ERROR, message: failure.message });
    throw error;
  } finally {
    endWith(span, told);
  }
}

const spanNames = new SpanNames('send');
