import { Failure } from '../../server/failure.ts';
import type { RecordToProduce } from './queue.ts';

/** Key and value together, as Kafka's default `message.max.bytes` (about 1 MiB). */
export const MAX_RECORD_BYTES = 1024 * 1024;
/** Twice what `POST /topics` takes from outside, so that a dead letter can always add its own headers. */
export const MAX_HEADER_BYTES = 128 * 1024;

/** Refuses what could never be appended, before anything of the batch is. Returns the record's size in bytes. */
export function checkRecord(
  topic: string,
  record: RecordToProduce,
  partitions: number,
  maxRecordBytes: number,
): number {
  const cannot = `cannot append a record to topic [${topic}]`;
  const size = (record.key?.length ?? 0) + (record.value?.length ?? 0);
  if (size > maxRecordBytes)
    throw new Failure(
      'queue',
      'body_too_large',
      `${cannot}: key and value have ${size} bytes, at most ${maxRecordBytes} are allowed`,
    );
  let headers = 0;
  for (const [name, value] of record.headers) headers += Buffer.byteLength(name) + value.length;
  if (headers > MAX_HEADER_BYTES)
    throw new Failure(
      'queue',
      'body_too_large',
      `${cannot}: its headers have ${headers} bytes, at most ${MAX_HEADER_BYTES} are allowed`,
    );
  const { partition, timestamp } = record;
  if (partition !== undefined && !(Number.isInteger(partition) && partition >= 0 && partition < partitions))
    throw new Failure(
      'queue',
      'bad_request',
      `${cannot}: partition ${partition} is not one of its ${partitions}`,
    );
  if (
    timestamp !== undefined &&
    !(Number.isInteger(timestamp) && timestamp >= 0 && timestamp <= MAX_TIMESTAMP)
  )
    throw new Failure(
      'queue',
      'bad_request',
      `${cannot}: timestamp ${timestamp} is not a time in Unix milliseconds`,
    );
  return size + headers;
}

/** The largest time a JavaScript Date can hold. */
const MAX_TIMESTAMP = 8_640_000_000_000_000;
