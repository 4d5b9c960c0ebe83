import { SPAN_KIND } from '../../function/span/span-data.ts';
import { amongMinutes, BY_KEY_ALONE, CAUSE_AFTER, CAUSE_BEFORE, inMinutes } from './call-minutes.ts';
import type { Engine } from './engine.ts';

/** Calls within one minute, between two services or over one end of a topic. */
export interface CallEdge {
  readonly parent: string;
  readonly child: string;
  readonly topic: CallTopic;
  readonly calls: number;
  /** Those that did not come by a producer's record; 0 where an end is a topic. */
  readonly direct: number;
}

export const CALL_TOPIC = { none: 0, child: 1, parent: 2 } as const;
export type CallTopic = (typeof CALL_TOPIC)[keyof typeof CALL_TOPIC];

const NO_SPAN = `toFixedString('', 8)`;

/** Of what was caused: the `number`th of `of` equal shares, so that each fits in memory; their counts add up. */
export interface Share {
  readonly number: number;
  readonly of: number;
}

/**
 * The calls of each of the minutes, by joining what was caused in them with its causes: by parent and by link alike, and a span that
 * has one cause both ways, or was stored twice, is one call. What a topic took and gave are its records' spans.
 */
export async function countCalls(
  engine: Engine,
  minutes: readonly number[],
  share: Share = { number: 0, of: 1 },
): Promise<Map<number, CallEdge[]>> {
  const counted = new Map<number, CallEdge[]>(minutes.map((minute) => [minute, []]));
  const shareOf = (spanId: string) =>
    share.of === 1 ? '' : ` AND cityHash64(${spanId}) % ${share.of} = ${share.number}`;
  const spans = amongMinutes('toStartOfMinute(start)', minutes) + shareOf('span_id');
  const links = amongMinutes('toStartOfMinute(from_start)', minutes) + shareOf('from_span_id');
  const causes = inMinutes('toStartOfMinute(start)', {
    first: Math.min(...minutes) - CAUSE_BEFORE,
    last: Math.max(...minutes) + CAUSE_AFTER,
  });
  // Trace and span id as one number of 64 bits: two thirds of the time. Causes are picked by span id alone, which is quick to read.
  const rows = await engine.rows(
    `SELECT intDiv(toUnixTimestamp(effect.minute), 60) AS at, cause.service, effect.service, ${CALL_TOPIC.none},
      uniqExact(intHash64(effect.id) + cause.id),
      uniqExactIf(intHash64(effect.id) + cause.id, cause.kind != ${SPAN_KIND.producer})
     FROM (
      SELECT toStartOfMinute(start) AS minute, service, ${idOf('trace_id', 'span_id')} AS id, ${idOf('trace_id', 'parent_span_id')} AS cause_id
      FROM spans WHERE ${spans} AND parent_span_id != ${NO_SPAN}
      UNION ALL
      SELECT toStartOfMinute(from_start), from_service, ${idOf('from_trace_id', 'from_span_id')}, ${idOf('to_trace_id', 'to_span_id')}
      FROM links WHERE ${links}
     ) AS effect
     INNER JOIN (
      SELECT toStartOfMinute(start) AS minute, service, kind, ${idOf('trace_id', 'span_id')} AS id
      FROM spans WHERE ${causes} AND span_id IN (
       SELECT parent_span_id FROM spans WHERE ${spans} UNION ALL SELECT to_span_id FROM links WHERE ${links}
      )
     ) AS cause ON cause.id = effect.cause_id
     WHERE cause.service != effect.service
      AND cause.minute >= effect.minute - ${CAUSE_BEFORE * 60} AND cause.minute <= effect.minute + ${CAUSE_AFTER * 60}
     GROUP BY at, cause.service, effect.service
     UNION ALL
     SELECT intDiv(toUnixTimestamp(toStartOfMinute(start)), 60) AS at, if(produced, service, topic), if(produced, topic, service),
      if(produced, ${CALL_TOPIC.child}, ${CALL_TOPIC.parent}), uniqExact(trace_id, span_id), 0
     FROM messages WHERE ${spans}
     GROUP BY at, service, topic, kind = ${SPAN_KIND.producer} AS produced`,
    { settings: BY_KEY_ALONE },
  );
  for (const [minute, parent, child, topic, calls, direct] of rows)
    counted.get(minute as number)?.push({
      parent: parent as string,
      child: child as string,
      topic: topic as CallTopic,
      calls: Number(calls),
      direct: Number(direct),
    });
  return counted;
}

/** Of the suspect minutes those that hold what was caused by a span of the changed ones. */
export async function minutesCausedBy(
  engine: Engine,
  changed: readonly number[],
  suspect: readonly number[],
): Promise<readonly number[]> {
  const causes = `SELECT span_id FROM spans WHERE ${amongMinutes('toStartOfMinute(start)', changed)}`;
  const rows = await engine.rows(
    `SELECT DISTINCT intDiv(toUnixTimestamp(minute), 60) FROM (
      SELECT toStartOfMinute(start) AS minute FROM spans
      WHERE ${amongMinutes('toStartOfMinute(start)', suspect)} AND parent_span_id IN (${causes})
      UNION ALL
      SELECT toStartOfMinute(from_start) FROM links
      WHERE ${amongMinutes('toStartOfMinute(from_start)', suspect)} AND to_span_id IN (${causes})
     )`,
    { settings: BY_KEY_ALONE },
  );
  return rows.map(([minute]) => minute as number);
}

function idOf(traceId: string, spanId: string): string {
  return `cityHash64(${traceId}, ${spanId})`;
}
