import type { Logger } from '../../server/log.ts';
import type { QueueRecord } from '../queue/queue.ts';
import type { MessageQueueTrigger } from '../spec/resources.ts';
import type { Delivery } from './delivery.ts';
import { processBatch } from './process-batch.ts';
import { processRecord } from './process-record.ts';
import { parseSettings } from './settings.ts';

/** Records a partition hands over at a time; their offsets are committed one by one. */
const READ_AHEAD = 100;
/** What an attempt under way gets to finish when the trigger stops. */
const STOP_GRACE_MS = 10_000;

export type MessageQueueTriggerOptions = Omit<Delivery, 'settings' | 'trigger'>;

/** One trigger's subscription. Disposing it lets the attempts under way finish; nothing is committed without an outcome. */
export async function startMessageQueueTrigger(
  trigger: MessageQueueTrigger,
  options: MessageQueueTriggerOptions,
): Promise<AsyncDisposable> {
  const settings = parseSettings(trigger);
  const log: Logger = options.log.child({ trigger: trigger.metadata.name, topic: trigger.spec.topic });
  const delivery: Delivery = { ...options, trigger, settings, log };
  const cut = new AbortController();
  const subscription = await options.queue.subscribe({
    topic: trigger.spec.topic,
    group: settings.group,
    offsetReset: settings.offsetReset,
    maxBatchSize: settings.batchSize > 1 ? settings.batchSize : READ_AHEAD,
    onRecords: (records, stopping, done) => deliver(delivery, records, stopping, cut.signal, done),
    onError: (error) => log.error({ error: error.message }, 'cannot deliver records, trying again'),
  });
  return {
    async [Symbol.asyncDispose]() {
      const timer = setTimeout(() => cut.abort(), STOP_GRACE_MS);
      await subscription[Symbol.asyncDispose]();
      clearTimeout(timer);
    },
  };
}

export async function deliver(
  delivery: Delivery,
  records: readonly QueueRecord[],
  stopping: AbortSignal,
  cutting: AbortSignal,
  done: (count: number) => void,
): Promise<void> {
  const { batchSize, parallelism } = delivery.settings;
  if (batchSize > 1) return processBatch(delivery, records, stopping, cutting, done);
  if (parallelism > 1) return deliverByKey(delivery, records, stopping, cutting, done);
  for (const [i, record] of records.entries()) {
    await processRecord(delivery, record, stopping, cutting);
    done(i + 1);
  }
}

/** Records of one key in order, of different keys at once; those without a key are in nobody's way. */
async function deliverByKey(
  delivery: Delivery,
  records: readonly QueueRecord[],
  stopping: AbortSignal,
  cutting: AbortSignal,
  done: (count: number) => void,
): Promise<void> {
  const waiting = lanesOf(records);
  const finished = new Set<number>();
  let prefix = 0;
  const work = async () => {
    for (let lane = waiting.shift(); lane; lane = waiting.shift()) {
      for (const i of lane) {
        await processRecord(delivery, records[i] as QueueRecord, stopping, cutting);
        finished.add(i);
        while (finished.delete(prefix)) prefix += 1;
        done(prefix);
      }
    }
  };
  const results = await Promise.allSettled(Array.from({ length: delivery.settings.parallelism }, work));
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}

/** Indexes by key, in the order in which the keys first appear. */
function lanesOf(records: readonly QueueRecord[]): number[][] {
  const byKey = new Map<string, number[]>();
  for (const [i, { key }] of records.entries()) {
    const name = key === null ? `none ${i}` : `key ${key.toString('latin1')}`;
    const lane = byKey.get(name);
    if (lane) lane.push(i);
    else byKey.set(name, [i]);
  }
  return [...byKey.values()];
}
