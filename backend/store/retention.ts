import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../../server/log.ts';
import { CAUSE_BEFORE } from './call-minutes.ts';
import type { Engine } from './engine.ts';
import { sqlString } from './sql-literal.ts';

export interface Retention {
  /** Whole days kept, today among them; older ones are dropped. */
  readonly maxDays?: number | undefined;
  /** All tables on disk together; past it the oldest day goes, never the newest one. */
  readonly maxBytes?: number | undefined;
  /** Default: a minute. */
  readonly everyMs?: number | undefined;
}

const DEFAULT_EVERY_MS = 60_000;
const DAY_MS = 86_400_000;

/** Drops what is too old or too much, again and again until disposed of. */
export function keepRetention(engine: Engine, retention: Retention, log: Logger): AsyncDisposable {
  const stop = new AbortController();
  const running = (async () => {
    while (!stop.signal.aborted) {
      try {
        const dropped = await dropOldDays(engine, retention);
        if (dropped.length > 0) log.info({ days: dropped }, 'dropped days past retention');
      } catch (error) {
        if (!stop.signal.aborted) log.warn({ error }, 'cannot drop days past retention; trying again later');
      }
      await sleep(retention.everyMs ?? DEFAULT_EVERY_MS, undefined, { signal: stop.signal }).catch(() => {});
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  };
}

/**
 * A day is a partition in every table that has them, and goes from all at once: a whole partition is dropped in no time, also
 * while spans of that day come in (they make the partition anew). Answers the days dropped, oldest first.
 */
export async function dropOldDays(
  engine: Engine,
  retention: Retention,
  now: number = Date.now(),
): Promise<readonly string[]> {
  const parts = await engine.rows(
    `SELECT partition, table, sum(bytes_on_disk) FROM system.parts
     WHERE database = currentDatabase() AND active AND match(partition, '^[0-9]{4}-[0-9]{2}-[0-9]{2}$')
     GROUP BY partition, table ORDER BY partition`,
  );
  const days = [...Map.groupBy(parts, (part) => part[0] as string)];
  let bytes = parts.reduce((sum, part) => sum + Number(part[2]), 0);
  const oldest =
    retention.maxDays === undefined
      ? ''
      : new Date(now - (retention.maxDays - 1) * DAY_MS).toISOString().slice(0, 10);
  const newest = days.at(-1)?.[0];
  const dropped: string[] = [];
  for (const [day, tables] of days) {
    const tooOld = day < oldest;
    const tooMuch = retention.maxBytes !== undefined && bytes > retention.maxBytes && day !== newest;
    if (!tooOld && !tooMuch) break;
    await uncountCallsOf(engine, day);
    for (const [, table, size] of tables) {
      await engine.command(`ALTER TABLE ${table as string} DROP PARTITION ${sqlString(day)}`);
      bytes -= Number(size);
    }
    dropped.push(day);
  }
  return dropped;
}

/** Calls of the next day's first hour may have their cause in this one: they are to be counted anew. */
async function uncountCallsOf(engine: Engine, day: string): Promise<void> {
  const end = `toDateTime(${sqlString(day)}, 'UTC') + INTERVAL 1 DAY`;
  const uncounted = engine.command(
    `INSERT INTO calls (minute, version, seen, counted)
     SELECT minute, version + 1, seen, 0 FROM calls FINAL
     WHERE counted AND minute >= ${end} AND minute <= ${end} + INTERVAL ${CAUSE_BEFORE} MINUTE`,
  );
  // On a full disk nothing can be written, and room is what is being made.
  await uncounted.catch(() => {});
}
