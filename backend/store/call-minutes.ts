import type { Engine } from './engine.ts';

/** Whole minutes since the epoch, both ends included. */
export interface Minutes {
  readonly first: number;
  readonly last: number;
}

/** A cause may start so many minutes before the minute of what it causes, and, as clocks differ, after it. */
export const CAUSE_BEFORE = 60;
export const CAUSE_AFTER = 2;

export interface MinuteState {
  /** Of spans, links and messages, as they stand in the tables. */
  readonly rows: number;
  /** How many of them every counted minute has taken in. */
  readonly seen: number;
  readonly counted: boolean;
}

/** The minutes that have rows or are kept, of these and of those that have to do with them. */
export interface MinuteStates {
  readonly of: ReadonlyMap<number, MinuteState>;
  /** Days, since the epoch, that have spans; asked for only when a minute has less than was seen. */
  readonly days: ReadonlySet<number>;
  /** The engine's clock before it looked, ns. */
  readonly version: bigint;
}

export async function readMinutes(engine: Engine, { first, last }: Minutes): Promise<MinuteStates> {
  const around = { first: first - CAUSE_BEFORE - CAUSE_AFTER, last: last + CAUSE_BEFORE + CAUSE_AFTER };
  const rowsOf = (table: string, time: string) =>
    `SELECT toStartOfMinute(${time}) AS minute, count() AS n, toUInt64(0) AS seen, toUInt8(0) AS counted
     FROM ${table} WHERE ${inMinutes(`toStartOfMinute(${time})`, around)} GROUP BY minute`;
  const rows = await engine.rows(
    `SELECT intDiv(toUnixTimestamp(minute), 60), sum(n), max(seen), max(counted), toUnixTimestamp64Nano(now64(9))
     FROM (
      ${rowsOf('spans', 'start')} UNION ALL ${rowsOf('links', 'from_start')} UNION ALL ${rowsOf('messages', 'start')}
      UNION ALL SELECT minute, 0, seen, counted FROM calls FINAL WHERE ${inMinutes('minute', around)}
     ) GROUP BY minute`,
    { settings: BY_KEY_ALONE },
  );
  const of = new Map(
    rows.map(([minute, n, seen, counted]) => [
      minute as number,
      { rows: Number(n), seen: Number(seen), counted: counted === 1 },
    ]),
  );
  const isLess = of.values().some((state) => state.rows < state.seen);
  return {
    of,
    days: isLess ? await readDays(engine) : new Set(),
    version: BigInt((rows[0]?.[4] as string | undefined) ?? 0),
  };
}

async function readDays(engine: Engine): Promise<ReadonlySet<number>> {
  const rows = await engine.rows(
    `SELECT DISTINCT toInt32(toDate(partition)) FROM system.parts
     WHERE database = currentDatabase() AND table = 'spans' AND active`,
  );
  return new Set(rows.map(([day]) => day as number));
}

/** What is to be counted, or counted anew, before the calls of `range` are known. */
export interface Stale {
  /** Minutes that have more rows than were seen, of the range and of those its causes may be in. */
  readonly changed: readonly number[];
  /** Minutes whose own calls are not counted or have changed. */
  readonly uncounted: readonly number[];
  /** Counted minutes whose calls may have a cause among what is new in the changed ones. */
  readonly suspect: readonly number[];
}

/**
 * Spans of a minute m are caused by spans of the minutes [m - 60, m + 2]. So what is new in a minute c concerns c itself, as it may be
 * caused by anything, and of the counted ones in [c - 2, c + 60] those that it is the cause of.
 *
 * A minute with less than was seen stays as it was counted while its day is there: tail sampling took spans away, and their calls
 * have happened. When its day went, calls go with it.
 */
export function staleOf(range: Minutes, { of, days }: MinuteStates): Stale {
  const changed: number[] = [];
  const uncounted = new Set<number>();
  for (const [minute, state] of of) {
    const { rows, seen, counted } = state;
    const inRange = minute >= range.first && minute <= range.last;
    if (inRange && rows > 0 && !counted) uncounted.add(minute);
    const isUnchanged = rows === seen || (rows < seen && days.has(Math.floor(minute / MINUTES_A_DAY)));
    if (isUnchanged || minute < range.first - CAUSE_BEFORE || minute > range.last + CAUSE_AFTER) continue;
    changed.push(minute);
    if (counted) uncounted.add(minute);
  }
  const suspect = new Set<number>();
  for (const minute of changed)
    for (let later = minute - CAUSE_AFTER; later <= minute + CAUSE_BEFORE; later += 1)
      if (of.get(later)?.counted && !uncounted.has(later)) suspect.add(later);
  return { changed, uncounted: [...uncounted], suspect: [...suspect] };
}

/** The sort key finds minutes; asking an index of every part beside it takes longer than reading them. */
export const BY_KEY_ALONE = { use_skip_indexes: 0 };

export function inMinutes(minute: string, { first, last }: Minutes): string {
  return `${minute} >= ${sqlMinute(first)} AND ${minute} <= ${sqlMinute(last)}`;
}

export function amongMinutes(minute: string, minutes: readonly number[]): string {
  return `${minute} IN (${minutes.map(sqlMinute).join(', ')})`;
}

function sqlMinute(minute: number): string {
  return `toDateTime(${Math.min(Math.max(minute, 0), MAX_MINUTE) * 60}, 'UTC')`;
}

const MINUTES_A_DAY = 24 * 60;
/** Of 2100, past which no time is kept (sql-literal.ts). */
const MAX_MINUTE = 68_374_080;
