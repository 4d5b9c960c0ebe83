import * as names from '../../function/span/attributes.ts';
import type { QueueRecord } from '../queue/queue.ts';
import { attempt, type AttemptFailure, type AttemptResult } from './attempt.ts';
import {
  SPOOR_INVOKE_SPAN_ID,
  SPOOR_INVOKE_TRACE_ID,
  SPOOR_RETRY_DELAY,
} from '../../function/span/attributes.ts';
import { wait } from './back-off.ts';
import { cloudEventsBatch, jsonBatch, parseResults } from './batch-body.ts';
import { startBatchSpan, startRecordSpan, type ConsumerSpan } from './consumer-span.ts';
import {
  endFailed,
  endStopped,
  endSucceeded,
  giveUp,
  outcomeOf,
  sendResponse,
  Tries,
  type Delivery,
} from './delivery.ts';
import { pickFunction, type FunctionResponse } from './invoker.ts';
import { responseRecord } from './outcome-record.ts';
import { triggerHeaders } from './request-headers.ts';

/** A record of a batch that has no outcome yet. */
interface Open {
  readonly record: QueueRecord;
  readonly consumer: ConsumerSpan;
  readonly tries: Tries;
}

/**
 * Records of one partition in one invocation. Each record has its own span, its own count of attempts and its own outcome;
 * what failed is tried again, in a batch of only those, until all have one. As processRecord, otherwise.
 */
export async function processBatch(
  delivery: Delivery,
  records: readonly QueueRecord[],
  stopping: AbortSignal,
  cutting: AbortSignal,
  done: (count: number) => void,
): Promise<void> {
  stopping.throwIfAborted();
  const batch = startBatchSpan(delivery, records);
  const all: readonly Open[] = records.map((record) => ({
    record,
    consumer: startRecordSpan(delivery, record, batch),
    tries: new Tries(),
  }));
  const closed = new Set<Open>();
  let prefix = 0;
  const close = (each: Open) => {
    closed.add(each);
    while (prefix < all.length && closed.has(all[prefix] as Open)) prefix += 1;
    done(prefix);
  };
  try {
    let again = all;
    for (let round = 1; ; round += 1) {
      again = await runRound(delivery, batch, again, round, cutting, close);
      if (again.length === 0) break;
      const delayMs = Math.max(...again.map(({ tries }) => tries.backOffMs(delivery.settings)));
      batch.span.addEvent('retry back-off', {
        [names.SPOOR_ATTEMPT]: round,
        [SPOOR_RETRY_DELAY]: delayMs,
        [names.MESSAGING_BATCH_MESSAGE_COUNT]: again.length,
      });
      await wait(delayMs, stopping);
    }
    endSucceeded(batch.span);
  } catch (error) {
    for (const each of all) if (!closed.has(each)) endStopped(each.consumer.span);
    endFailed(batch.span, 'retry', {
      reason: 'shutdown',
      message: 'the trigger stopped before the batch had an outcome',
    });
    throw error;
  }
}

/** One invocation with all that is open; what is to be tried again. */
async function runRound(
  delivery: Delivery,
  batch: ConsumerSpan,
  open: readonly Open[],
  round: number,
  cutting: AbortSignal,
  close: (each: Open) => void,
): Promise<Open[]> {
  const { trigger, settings } = delivery;
  const functionName = pickFunction(trigger.spec.functionref);
  const format = settings.batchFormat === 'json' ? jsonBatch : cloudEventsBatch;
  const { contentType, body } = format(open.map(({ record }) => record));
  const first = (open[0] as Open).record;
  const result = await attempt(batch.context, {
    ...delivery,
    fn: { name: functionName, namespace: trigger.metadata.namespace },
    attempt: round,
    trigger: 'pubsub',
    method: 'POST',
    headers: {
      'Content-Type': contentType,
      ...triggerHeaders(trigger),
      'X-Record-Topic': first.topic,
      'X-Record-Partition': String(first.partition),
      'X-Record-Count': String(open.length),
    },
    body,
    attributes: { [names.MESSAGING_BATCH_MESSAGE_COUNT]: open.length },
    signal: cutting,
    timeoutMs: settings.timeoutMs,
    outcome: (failure) => worstOutcome(delivery, open, failure),
  });
  cutting.throwIfAborted();
  const told = tell(result, open.length);
  const again: Open[] = [];
  for (const [i, each] of open.entries()) {
    each.tries.attempts += 1;
    const { failure: failed, response } = told(i, each.record);
    const outcome = outcomeOf(trigger, each.tries.failures, failed);
    each.consumer.span.addEvent('attempt', {
      [names.SPOOR_ATTEMPT]: each.tries.attempts,
      [names.SPOOR_OUTCOME]: outcome,
      ...(failed ? { [names.SPOOR_REASON]: failed.reason } : {}),
      [SPOOR_INVOKE_SPAN_ID]: result.span.spanContext().spanId,
      [SPOOR_INVOKE_TRACE_ID]: result.span.spanContext().traceId,
    });
    if (outcome === 'retry' && failed) {
      each.tries.count(failed);
      again.push(each);
      continue;
    }
    const failure =
      failed ?? (response && (await sendResponse(delivery, response, each.consumer.context, cutting)));
    if (failure) {
      const { attempts } = each.tries;
      await giveUp(delivery, each.record, each.consumer, failure, { attempts, functionName }, cutting);
    } else endSucceeded(each.consumer.span);
    close(each);
  }
  return again;
}

interface Told {
  readonly failure: AttemptFailure | undefined;
  readonly response: ReturnType<typeof responseRecord> | undefined;
}

/** What the answer says of the i-th record. */
function tell(result: AttemptResult, count: number): (i: number, record: QueueRecord) => Told {
  if (!result.ok) return () => ({ failure: result.failure, response: undefined });
  const results = parseResults(result.response, count);
  if (typeof results === 'string')
    return () => ({ failure: functionError(results, result.response), response: undefined });
  // One answer for all of them is one record, carried by the last: by then the others have their outcome.
  if (!results)
    return (i, record) => ({
      failure: undefined,
      response: i === count - 1 ? responseRecord(record, result.response) : undefined,
    });
  return (i, record) => {
    const { status, error, body } = results[i] as (typeof results)[number];
    if (status < 200 || status >= 300)
      return {
        failure: functionError(error ?? `status ${status} for the record`, result.response, status),
        response: undefined,
      };
    const headers = { 'content-type': 'application/json' };
    return { failure: undefined, response: body && responseRecord(record, { status, headers, body }) };
  };
}

function functionError(
  message: string,
  response: FunctionResponse,
  status = response.status,
): AttemptFailure {
  return { reason: 'function_error', message, status, counts: true };
}

/** Of the invocation as a whole: `retry` as long as any record is tried again. */
function worstOutcome(delivery: Delivery, open: readonly Open[], failure: AttemptFailure | undefined) {
  const outcomes = open.map(({ tries }) => outcomeOf(delivery.trigger, tries.failures, failure));
  return outcomes.find((outcome) => outcome === 'retry') ?? outcomes[0] ?? 'success';
}
