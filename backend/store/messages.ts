import { SPAN_KIND } from '../../function/span/span-data.ts';
import type { Engine } from './engine.ts';
import { sqlInteger, sqlString, within } from './sql-literal.ts';
import type { MessageQuery, MessageSpan, TimeRange, TopicEdge } from './store.ts';

const MAX_MESSAGES = 10_000n;
const MAX_INT64 = 2n ** 63n - 1n;

/** Who produced and who consumed records of a topic (sql/005-messages.sql). */
export async function readMessages(engine: Engine, query: MessageQuery): Promise<readonly MessageSpan[]> {
  const conditions = [`topic = ${sqlString(query.topic)}`];
  if (query.partition !== undefined)
    conditions.push(`partition = ${sqlInteger(query.partition, 0n, 0x7fff_ffffn)}`);
  if (query.offset !== undefined) conditions.push(`offset = ${sqlInteger(query.offset, 0n, MAX_INT64)}`);
  if (query.key !== undefined) conditions.push(`has_key AND record_key = ${sqlString(query.key)}`);
  if (query.range !== undefined) conditions.push(within('start', query.range));
  const rows = await engine.rows(
    `SELECT lower(hex(trace_id)), lower(hex(span_id)), service, name, kind, topic, partition, offset, has_key, record_key,
      consumer_group, toUnixTimestamp64Nano(start), duration, status = 2
     FROM messages WHERE ${conditions.join(' AND ')}
     ORDER BY start, span_id LIMIT 1 BY trace_id, span_id, kind LIMIT ${sqlInteger(query.limit, 1n, MAX_MESSAGES)}`,
  );
  return rows.map((row): MessageSpan => ({
    traceId: row[0] as string,
    spanId: row[1] as string,
    service: row[2] as string,
    name: row[3] as string,
    kind: row[4] as number,
    topic: row[5] as string,
    partition: (row[6] as number) < 0 ? undefined : (row[6] as number),
    offset: (row[7] as string).startsWith('-') ? undefined : BigInt(row[7] as string),
    key: row[8] === 0 ? undefined : (row[9] as string),
    consumerGroup: row[10] as string,
    startUnixNano: BigInt(row[11] as string),
    durationNano: BigInt(row[12] as string),
    error: row[13] === 1,
  }));
}

export async function readTopicEdges(engine: Engine, range: TimeRange): Promise<readonly TopicEdge[]> {
  const rows = await engine.rows(
    `SELECT topic, service, kind, consumer_group, count(), countIf(status = 2) FROM (
      SELECT * FROM messages WHERE ${within('start', range)} LIMIT 1 BY trace_id, span_id, kind
     ) GROUP BY topic, service, kind, consumer_group ORDER BY topic, kind, service, consumer_group`,
  );
  return rows.map(([topic, service, kind, consumerGroup, count, errors]) => ({
    topic: topic as string,
    service: service as string,
    role: kind === SPAN_KIND.producer ? 'producer' : 'consumer',
    consumerGroup: consumerGroup as string,
    count: Number(count),
    errorCount: Number(errors),
  }));
}
