import * as names from '../../function/span/attributes.ts';
import type { QueueRecord } from '../queue/queue.ts';
import { attempt } from './attempt.ts';
import { SPOOR_RETRY_DELAY } from '../../function/span/attributes.ts';
import { wait } from './back-off.ts';
import { startRecordSpan, type ConsumerSpan } from './consumer-span.ts';
import {
  endStopped,
  endSucceeded,
  giveUp,
  outcomeOf,
  sendResponse,
  Tries,
  type Delivery,
} from './delivery.ts';
import { pickFunction } from './invoker.ts';
import { responseRecord } from './outcome-record.ts';
import { recordRequestHeaders } from './request-headers.ts';

/**
 * One record to its outcome: answered (and sent to the response topic), or given up after its retries (and sent to the
 * error topic). Resolves when that is durable. `stopping` ends the waiting between attempts, `cutting` an attempt itself;
 * then it rejects and the record is delivered again another time.
 */
export async function processRecord(
  delivery: Delivery,
  record: QueueRecord,
  stopping: AbortSignal,
  cutting: AbortSignal,
): Promise<void> {
  stopping.throwIfAborted();
  const consumer = startRecordSpan(delivery, record);
  try {
    await runAttempts(delivery, record, consumer, stopping, cutting);
  } catch (error) {
    endStopped(consumer.span);
    throw error;
  }
}

async function runAttempts(
  delivery: Delivery,
  record: QueueRecord,
  consumer: ConsumerSpan,
  stopping: AbortSignal,
  cutting: AbortSignal,
): Promise<void> {
  const { trigger, settings } = delivery;
  const headers = recordRequestHeaders(record, trigger);
  const functionName = pickFunction(trigger.spec.functionref);
  const tries = new Tries();
  for (;;) {
    tries.attempts += 1;
    const result = await attempt(consumer.context, {
      ...delivery,
      fn: { name: functionName, namespace: trigger.metadata.namespace },
      attempt: tries.attempts,
      trigger: 'pubsub',
      method: 'POST',
      headers,
      body: record.value ?? NOTHING,
      signal: cutting,
      timeoutMs: settings.timeoutMs,
      outcome: (failure) => outcomeOf(trigger, tries.failures, failure),
    });
    cutting.throwIfAborted();
    let failure = result.ok ? undefined : result.failure;
    let isFinal = failure !== undefined && outcomeOf(trigger, tries.failures, failure) !== 'retry';
    if (result.ok) {
      const response = responseRecord(record, result.response);
      failure = await sendResponse(delivery, response, consumer.context, cutting);
      if (!failure) return endSucceeded(consumer.span);
      // The function has run and would answer the same again.
      isFinal = true;
    }
    if (!failure) return;
    if (isFinal)
      return giveUp(delivery, record, consumer, failure, { attempts: tries.attempts, functionName }, cutting);
    tries.count(failure);
    const delayMs = tries.backOffMs(settings);
    consumer.span.addEvent('retry back-off', {
      [names.SPOOR_ATTEMPT]: tries.attempts,
      [names.SPOOR_REASON]: failure.reason,
      [SPOOR_RETRY_DELAY]: delayMs,
    });
    await wait(delayMs, stopping);
  }
}

const NOTHING = Buffer.alloc(0);
