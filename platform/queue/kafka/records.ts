import type { Consumer } from '@platformatic/kafka';
import type { QueueRecord } from '../queue.ts';

export type FetchResponse = Awaited<ReturnType<Consumer['fetch']>>;
export type FetchedPartition = FetchResponse['responses'][number]['partitions'][number];

/** Bits of a record batch's attributes (org.apache.kafka.common.record.DefaultRecordBatch). */
const LOG_APPEND_TIME = 1 << 3;
const CONTROL = 1 << 5;

export interface Fetched {
  readonly records: readonly QueueRecord[];
  /** Where the next fetch begins. */
  readonly next: bigint;
}

/** The records of a partition's answer from `offset` on: a batch is always sent whole, also when only its end was asked for. */
export function recordsOf(topic: string, answer: FetchedPartition, offset: bigint): Fetched {
  const records: QueueRecord[] = [];
  let next = offset;
  for (const batch of answer.records ?? []) {
    const end = batch.firstOffset + BigInt(batch.lastOffsetDelta) + 1n;
    if (end > next) next = end;
    if (batch.attributes & CONTROL) continue;
    for (const record of batch.records) {
      const at = batch.firstOffset + BigInt(record.offsetDelta);
      if (at < offset) continue;
      const timestamp =
        batch.attributes & LOG_APPEND_TIME
          ? batch.maxTimestamp
          : batch.firstTimestamp + record.timestampDelta;
      records.push({
        topic,
        partition: answer.partitionIndex,
        offset: at,
        timestamp: Number(timestamp),
        key: record.key,
        value: record.value,
        headers: record.headers.map(([name, value]) => [name?.toString() ?? '', value ?? EMPTY]),
      });
    }
  }
  return { records, next };
}

const EMPTY = Buffer.alloc(0);
