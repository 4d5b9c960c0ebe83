import { SpanStatusCode, type Context, type Span } from '@opentelemetry/api';
import * as names from '../../function/span/attributes.ts';
import { endWith } from '../../function/span/journal-span.ts';
import type { Tracing } from '../../function/span/tracing.ts';
import { Failure } from '../../server/failure.ts';
import type { Logger } from '../../server/log.ts';
import type { Queue, QueueRecord, RecordToProduce } from '../queue/queue.ts';
import type { MessageQueueTrigger } from '../spec/resources.ts';
import type { AttemptFailure, Outcome } from './attempt.ts';
import { backOffMs } from './back-off.ts';
import type { ConsumerSpan } from './consumer-span.ts';
import type { FunctionInvoker } from './invoker.ts';
import { errorRecord } from './outcome-record.ts';
import { sendRecord } from './send-record.ts';
import type { MessageQueueSettings } from './settings.ts';

/** One trigger at work: what the processing of a record or a batch leans on. */
export interface Delivery {
  readonly trigger: MessageQueueTrigger;
  readonly settings: MessageQueueSettings;
  readonly queue: Queue;
  readonly invoker: FunctionInvoker;
  readonly tracing: Tracing;
  readonly log: Logger;
}

/** Most that a record waits when it is not the function's fault: it should go on soon after the platform does. */
const MAX_AWAY_BACK_OFF_MS = 2_000;
const FIRST_AWAY_BACK_OFF_MS = 50;

/** How often a record has been tried, and how often that was counted against its retries. */
export class Tries {
  attempts = 0;
  failures = 0;
  #away = 0;

  count(failure: AttemptFailure): void {
    if (failure.counts) this.failures += 1;
    this.#away = failure.counts ? 0 : this.#away + 1;
  }

  backOffMs(settings: MessageQueueSettings): number {
    return this.#away > 0
      ? backOffMs(this.#away, FIRST_AWAY_BACK_OFF_MS, MAX_AWAY_BACK_OFF_MS)
      : backOffMs(Math.max(1, this.failures), settings.retryBackoffMs, settings.retryBackoffMaxMs);
  }
}

/** What becomes of a record after `failure`, `failures` having counted before it. */
export function outcomeOf(
  trigger: MessageQueueTrigger,
  failures: number,
  failure: AttemptFailure | undefined,
): Outcome {
  if (!failure) return 'success';
  if (!failure.counts || failures < trigger.spec.maxRetries) return 'retry';
  return trigger.spec.errorTopic === '' ? 'dropped' : 'dead_letter';
}

/** Sends the answer to the response topic, when there is one. The failure, if the answer can never be a record. */
export async function sendResponse(
  delivery: Delivery,
  record: RecordToProduce,
  context: Context,
  signal: AbortSignal,
): Promise<AttemptFailure | undefined> {
  const { respTopic } = delivery.trigger.spec;
  if (respTopic === '') return undefined;
  try {
    await sendRecord(respTopic, record, context, { ...delivery, signal });
    return undefined;
  } catch (error) {
    if (!(error instanceof Failure) || error.status >= 500) throw error;
    return { reason: error.reason, message: error.message, status: undefined, counts: true };
  }
}

/** The last word on a record that failed for good: to the error topic, or dropped when there is none; ends its span. */
export async function giveUp(
  delivery: Delivery,
  record: QueueRecord,
  consumer: ConsumerSpan,
  failure: AttemptFailure,
  told: { readonly attempts: number; readonly functionName: string },
  signal: AbortSignal,
): Promise<void> {
  const { trigger, log } = delivery;
  const { errorTopic } = trigger.spec;
  let outcome: Outcome = 'dropped';
  if (errorTopic !== '') {
    const dead = errorRecord(record, failure, { ...told, trigger: trigger.metadata.name });
    try {
      await sendRecord(errorTopic, dead, consumer.context, { ...delivery, signal });
      outcome = 'dead_letter';
    } catch (error) {
      // A record that no error topic can hold would otherwise stop its partition for ever.
      if (!(error instanceof Failure) || error.status >= 500) throw error;
      log.error(
        { ...placeOf(record, consumer), errorTopic, error: error.message },
        'cannot dead-letter a record',
      );
    }
  }
  if (outcome === 'dropped')
    log.error(
      {
        ...placeOf(record, consumer),
        trigger: trigger.metadata.name,
        reason: failure.reason,
        attempts: told.attempts,
      },
      'dropped a record: its retries are used up and there is no error topic',
    );
  endFailed(consumer.span, outcome, failure);
}

export function endFailed(
  span: Span,
  outcome: Outcome,
  failure: Pick<AttemptFailure, 'reason' | 'message'>,
): void {
  span.setStatus({ code: SpanStatusCode.ERROR, message: failure.message });
  endWith(span, {
    [names.SPOOR_OUTCOME]: outcome,
    [names.SPOOR_REASON]: failure.reason,
    [names.ERROR_TYPE]: failure.reason,
  });
}

/** The trigger stops, and the record will be delivered again: its span says so rather than staying open. */
export function endStopped(span: Span): void {
  endFailed(span, 'retry', {
    reason: 'shutdown',
    message: 'the trigger stopped before the record had an outcome',
  });
}

export function endSucceeded(span: Span): void {
  endWith(span, SUCCEEDED);
}

const SUCCEEDED = { [names.SPOOR_OUTCOME]: 'success' };

function placeOf(record: QueueRecord, { span }: ConsumerSpan) {
  return {
    traceId: span.spanContext().traceId,
    topic: record.topic,
    partition: record.partition,
    offset: String(record.offset),
  };
}
