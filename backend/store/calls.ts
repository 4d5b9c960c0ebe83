import { encodeCalls, type CallRow } from './call-columns.ts';
import { countCalls, minutesCausedBy, type CallEdge, type CallTopic } from './call-join.ts';
import {
  amongMinutes,
  inMinutes,
  readMinutes,
  staleOf,
  type Minutes,
  type MinuteState,
  type MinuteStates,
  type Stale,
} from './call-minutes.ts';
import type { Engine } from './engine.ts';

/**
 * Calls between services by the minute: counted once, kept in the table `calls`, and counted anew when a minute, or one in which its
 * causes may be, has more rows than when it was counted. So parents that come after their children, spans that come late and those
 * that come twice are counted as if all had been there at once.
 *
 *   asked for 12:00..12:59   a minute's rows against those seen   →  which minutes are stale: most often the newest one or two
 *                            stale minutes joined                 →  written as whole minutes, with the rows now seen
 *                            kept minutes added up                →  the answer
 *
 * Killed anywhere in between, the stale minutes are stale still.
 */
export class Calls {
  readonly #engine: Engine;
  readonly #turns: Turns;

  constructor(engine: Engine, turns = new Turns()) {
    this.#engine = engine;
    this.#turns = turns;
  }

  /** The same for another who asks the same engine. */
  through(engine: Engine): Calls {
    return new Calls(engine, this.#turns);
  }

  /** Added up over whole minutes, in no order. */
  async between(range: Minutes): Promise<readonly CallEdge[]> {
    const unkept = await this.#bringUpToDate(range, MAX_YOUNG_ROWS);
    const kept = await this.#kept(range, [...unkept.keys()]);
    return unkept.size === 0 ? kept : sumOf([kept, ...unkept.values()]);
  }

  /** Counts what is not counted yet; who asks later need not wait for it. */
  async catchUp(range: Minutes): Promise<void> {
    await this.#bringUpToDate(range, Infinity);
  }

  /** Answers what was counted and could not be kept. */
  async #bringUpToDate(range: Minutes, maxYoungRows: number): Promise<Counted> {
    if (range.last - range.first < PIECE_MINUTES) return await this.#count(range, maxYoungRows);
    const unkept = new Map<number, readonly CallEdge[]>();
    const stale = staleOf(range, await readMinutes(this.#engine, range));
    const pieces = new Set(
      [...stale.changed, ...stale.uncounted].map((minute) =>
        Math.floor(Math.min(Math.max(minute, range.first), range.last) / PIECE_MINUTES),
      ),
    );
    for (const piece of [...pieces].sort((a, b) => b - a)) {
      const first = Math.max(range.first, piece * PIECE_MINUTES);
      const last = Math.min(range.last, (piece + 1) * PIECE_MINUTES - 1);
      for (const [minute, edges] of await this.#count({ first, last }, maxYoungRows))
        unkept.set(minute, edges);
    }
    return unkept;
  }

  /** One at a time: two that look at different moments must not each believe the other's half. */
  async #count(range: Minutes, maxYoungRows: number): Promise<Counted> {
    using _turn = await this.#turns.take();
    const states = await readMinutes(this.#engine, range);
    const stale = withoutBusy(staleOf(range, states), states, maxYoungRows);
    const minutes = [...stale.uncounted, ...(await this.#caused(stale, states))].sort((a, b) => a - b);
    const counted = new Map<number, readonly CallEdge[]>();
    for (const chunk of chunksOf(minutes, states)) {
      const shares = Math.max(1, Math.ceil(rowsOf(chunk, states) / MAX_ROWS_AT_ONCE));
      for (let number = 0; number < shares; number += 1)
        for (const [minute, edges] of await countCalls(this.#engine, chunk, { number, of: shares }))
          counted.set(minute, sumOf([counted.get(minute) ?? [], edges]));
    }
    if (await this.#keep(stale, states, counted)) return new Map();
    return new Map([...counted].filter(([minute]) => minute >= range.first && minute <= range.last));
  }

  async #caused({ changed, suspect }: Stale, states: MinuteStates): Promise<readonly number[]> {
    if (changed.length === 0 || suspect.length === 0) return [];
    // What is gone cannot be asked for, and more than a set in memory should hold is not: they are counted anew, all of them.
    const isLess = changed.some((minute) => stateOf(minute, states).rows < stateOf(minute, states).seen);
    if (isLess || rowsOf(changed, states) > MAX_ROWS_AT_ONCE) return suspect;
    return await minutesCausedBy(this.#engine, changed, suspect);
  }

  async #keep({ changed }: Stale, states: MinuteStates, counted: Counted): Promise<boolean> {
    const nowSeen = new Set(changed);
    const rows = [...new Set([...changed, ...counted.keys()])].map((minute): CallRow => {
      const { rows: there, seen } = stateOf(minute, states);
      return { minute, seen: nowSeen.has(minute) ? there : seen, edges: counted.get(minute) };
    });
    if (rows.length === 0) return true;
    const write = (written: readonly CallRow[]) =>
      this.#engine.insertNative(encodeCalls(written, states.version));
    try {
      const days = new Set(rows.map(({ minute }) => Math.floor(minute / (24 * 60))));
      // A day is a part of its own, and one may be written when the other is not: what is seen is said when all of it is counted.
      if (days.size > 1) await write(rows.filter(({ edges }) => edges).map((row) => ({ ...row, seen: 0 })));
      await write(rows);
      return true;
    } catch {
      // A full disk, say: they are counted anew when they are asked for again.
      return false;
    }
  }

  async #kept(range: Minutes, except: readonly number[]): Promise<readonly CallEdge[]> {
    const others = except.length === 0 ? '' : ` AND NOT ${amongMinutes('minute', except)}`;
    const rows = await this.#engine.rows(
      `SELECT edge_parent, edge_child, edge_topic, sum(edge_calls), sum(edge_direct)
       FROM (SELECT * FROM calls FINAL WHERE ${inMinutes('minute', range)}${others})
       ARRAY JOIN parent AS edge_parent, child AS edge_child, topic AS edge_topic, calls AS edge_calls, direct AS edge_direct
       GROUP BY edge_parent, edge_child, edge_topic`,
    );
    return rows.map(([parent, child, topic, calls, direct]) => ({
      parent: parent as string,
      child: child as string,
      topic: topic as CallTopic,
      calls: Number(calls),
      direct: Number(direct),
    }));
  }
}

/** By minute. */
type Counted = ReadonlyMap<number, readonly CallEdge[]>;

/** Longer ranges are brought up to date in pieces of so many minutes, so that others have their turn in between. */
const PIECE_MINUTES = 120;
/**
 * Rows joined in one statement. 1.7 million (an hour of ten million spans in six) took 970 MB, which is more than a statement may have;
 * fewer, and each statement reads the hour of causes for less.
 */
const MAX_ROWS_AT_ONCE = 800_000;
/** Minutes not older than this are young: more of their spans are about to come. */
const YOUNG_MINUTES = 10;
/** Of young minutes so many rows are joined while somebody waits. Past it they are as `catchUp` left them. */
const MAX_YOUNG_ROWS = 500_000;

function withoutBusy(stale: Stale, states: MinuteStates, maxYoungRows: number): Stale {
  const youngest = Date.now() / 60_000 - YOUNG_MINUTES;
  const isYoung = (minute: number) => minute >= youngest;
  if (rowsOf(stale.uncounted.filter(isYoung), states) <= maxYoungRows) return stale;
  return {
    changed: stale.changed.filter((minute) => !isYoung(minute)),
    uncounted: stale.uncounted.filter((minute) => !isYoung(minute)),
    suspect: stale.suspect,
  };
}

/** In order of time, each within an hour and of so many rows as can be joined at once, or of one minute. */
function chunksOf(minutes: readonly number[], states: MinuteStates): readonly (readonly number[])[] {
  const chunks: number[][] = [];
  let rows = 0;
  for (const minute of minutes) {
    const more = stateOf(minute, states).rows;
    const chunk = chunks.at(-1);
    if (chunk && minute - (chunk[0] as number) < 60 && rows + more <= MAX_ROWS_AT_ONCE) {
      chunk.push(minute);
      rows += more;
    } else {
      chunks.push([minute]);
      rows = more;
    }
  }
  return chunks;
}

function rowsOf(minutes: readonly number[], states: MinuteStates): number {
  return minutes.reduce((sum, minute) => sum + stateOf(minute, states).rows, 0);
}

function stateOf(minute: number, states: MinuteStates): MinuteState {
  return states.of.get(minute) ?? { rows: 0, seen: 0, counted: false };
}

function sumOf(many: Iterable<readonly CallEdge[]>): readonly CallEdge[] {
  const sums = new Map<string, CallEdge>();
  for (const edges of many)
    for (const edge of edges) {
      const key = JSON.stringify([edge.topic, edge.parent, edge.child]);
      const { calls, direct } = sums.get(key) ?? { calls: 0, direct: 0 };
      sums.set(key, { ...edge, calls: calls + edge.calls, direct: direct + edge.direct });
    }
  return [...sums.values()];
}

/** First come, first served. */
class Turns {
  #last: Promise<void> = Promise.resolve();

  async take(): Promise<Disposable> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const before = this.#last;
    this.#last = before.then(() => promise);
    await before;
    return { [Symbol.dispose]: resolve };
  }
}
