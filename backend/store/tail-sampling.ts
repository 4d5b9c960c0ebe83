import { derived } from './derived.ts';
import type { Engine } from './engine.ts';
import { encodeBlock, FixedColumn, LowCardinalityColumn, type NamedColumn } from './native-columns.ts';
import { sqlTraceId, within } from './sql-literal.ts';
import type { SamplingStats, TimeRange, TraceSampling } from './store.ts';

/** What the store knows of a trace that tail sampling has to decide about. */
export interface Arrivals {
  readonly traceId: string;
  /** When the first and the last of its spans were stored, ms since the epoch by the store's clock. */
  readonly firstReceivedMs: number;
  readonly lastReceivedMs: number;
  /** Spans stored; one that was sent twice counts twice. */
  readonly spans: number;
  /** Those with status ERROR. */
  readonly errors: number;
  /** Of its earliest span, and the end of its latest. */
  readonly startUnixNano: bigint;
  readonly endUnixNano: bigint;
  /** The same for traces that consist of the same operations (service, name, kind), however often each. */
  readonly shape: string;
}

export interface SamplingDecision extends TraceSampling {
  readonly traceId: string;
  /** `Arrivals.spans` that the decision was made by. */
  readonly spans: number;
}

/** One that was made: it speaks of spans that were stored by then. */
export interface PastDecision extends SamplingDecision {
  readonly receivedUntilMs: number;
}

/** Two traces that a link joins, whichever way. */
export type LinkedPair = readonly [traceId: string, otherTraceId: string];

/** The columns and the SELECT by which a block of spans tells of its traces. */
export const ARRIVALS = derived('arrivals', [
  'trace_id',
  'first_start',
  'last_end',
  'spans',
  'errors',
  'operations',
]);

/** Links of one trace that are looked at: a trace with more of them is part of no small flow. */
export const MAX_LINKS_PER_TRACE = 1_000;
/** Pairs in one answer; past it a batch is asked for by halves. */
const MAX_PAIRS = 200_000;
/** Trace ids in one statement. */
const MAX_IDS = 10_000;

/**
 * What tail sampling asks of the store, and tells it. Times are ms since the epoch by the store's own clock.
 *
 * Nothing is taken away by a statement that could be half done: decisions are one insert, and the spans of all that were
 * decided against are one mutation, which the engine writes down before it begins and takes up again after a crash. A mutation and no
 * lightweight delete: the disk is free at once, and what is deleted most often is most of a part.
 */
export class SamplingStore {
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  async now(): Promise<number> {
    return Number((await this.#engine.rows('SELECT toUnixTimestamp64Milli(now64(3))'))[0]?.[0]);
  }

  /** Marks from when on arrivals are known, unless they are; spans stored before are nobody's to take away. */
  async begin(): Promise<void> {
    await this.#engine.command(
      `INSERT INTO arrivals (trace_id, first_start, last_end, spans, errors, operations)
       SELECT toFixedString('', 16), 0, 0, 0, 0, [] WHERE (SELECT count() FROM arrivals) = 0`,
    );
  }

  /** From when on all that arrived is known; undefined when nothing is. */
  async firstArrivalMs(): Promise<number | undefined> {
    const [row] = await this.#engine.rows(
      'SELECT count(), toUnixTimestamp64Milli(min(received)) FROM arrivals',
    );
    return row === undefined || row[0] === '0' ? undefined : Number(row[1]);
  }

  /** The end of the span of time after `fromMs` in which some `rows` rows arrived; `untilMs` when there are fewer. */
  async sliceEnd(fromMs: number, untilMs: number, rows: number): Promise<number> {
    const [row] = await this.#engine.rows(
      `SELECT toUnixTimestamp64Milli(received) FROM arrivals WHERE ${receivedIn(fromMs, untilMs)} ORDER BY received LIMIT 1 OFFSET ${Math.trunc(rows)}`,
    );
    return row === undefined ? untilMs : Number(row[0]);
  }

  /** Traces of which something was stored after `fromMs` and not after `untilMs`. */
  async arrived(fromMs: number, untilMs: number): Promise<readonly string[]> {
    const rows = await this.#engine.rows(
      `SELECT DISTINCT lower(hex(trace_id)) FROM arrivals WHERE ${receivedIn(fromMs, untilMs)}`,
    );
    return rows.map(([traceId]) => traceId as string);
  }

  /** All that arrived of these, also since; one that nothing arrived of lately is left out. */
  async arrivals(traceIds: readonly string[]): Promise<readonly Arrivals[]> {
    return await inBatches(traceIds, (batch) => this.#arrivals(batch));
  }

  async #arrivals(traceIds: readonly string[]): Promise<readonly Arrivals[]> {
    const rows = await this.#engine.rows(
      `SELECT lower(hex(trace_id)), toUnixTimestamp64Milli(min(received)), toUnixTimestamp64Milli(max(received)),
        sum(spans), sum(errors), min(first_start), max(last_end), cityHash64(arraySort(groupUniqArrayArray(operations)))
       FROM arrivals WHERE trace_id IN ${traceSet(traceIds)} GROUP BY trace_id`,
    );
    return rows.map((row) => ({
      traceId: row[0] as string,
      firstReceivedMs: Number(row[1]),
      lastReceivedMs: Number(row[2]),
      spans: Number(row[3]),
      errors: Number(row[4]),
      startUnixNano: BigInt(row[5] as string),
      endUnixNano: BigInt(row[6] as string),
      shape: row[7] as string,
    }));
  }

  /** Every trace that a link joins with one of these, at most `MAX_LINKS_PER_TRACE` + 1 for each. */
  async linked(traceIds: readonly string[]): Promise<readonly LinkedPair[]> {
    return await inBatches(traceIds, (batch) => this.#linked(batch));
  }

  async #linked(traceIds: readonly string[]): Promise<readonly LinkedPair[]> {
    const set = traceSet(traceIds);
    const rows = await this.#engine.rows(
      `SELECT lower(hex(one)), lower(hex(other)) FROM (
        SELECT from_trace_id AS one, to_trace_id AS other FROM links WHERE from_trace_id IN ${set}
        UNION ALL
        SELECT to_trace_id AS one, from_trace_id AS other FROM links WHERE to_trace_id IN ${set}
       ) WHERE one != other GROUP BY one, other ORDER BY one, other
       LIMIT ${MAX_LINKS_PER_TRACE + 1} BY one LIMIT ${MAX_PAIRS}`,
    );
    if (rows.length === MAX_PAIRS) {
      const half = traceIds.length >> 1;
      return [
        ...(await this.#linked(traceIds.slice(0, half))),
        ...(await this.#linked(traceIds.slice(half))),
      ];
    }
    return rows.map(([one, other]) => [one as string, other as string]);
  }

  /** The latest decision about each of these, of those made after `sinceMs`. */
  async decisions(traceIds: readonly string[], sinceMs: number): Promise<readonly PastDecision[]> {
    return await inBatches(traceIds, (batch) =>
      this.#decisions(`received_until > ${time(sinceMs)} AND trace_id IN ${traceSet(batch)}`),
    );
  }

  /** What was decided about the trace; undefined when nothing was, or not yet. */
  async decision(traceId: string): Promise<SamplingDecision | undefined> {
    return (await this.#decisions(`trace_id = ${sqlTraceId(traceId)}`))[0];
  }

  /** How many traces were decided about in the range, and how many of them kept; one decided twice counts once. */
  async stats(range: TimeRange): Promise<SamplingStats> {
    const [row] = await this.#engine.rows(
      `SELECT uniq(trace_id), uniqIf(trace_id, kept = 1) FROM sampled WHERE ${within('received_until', range)}`,
    );
    return { decided: Number(row?.[0] ?? 0), kept: Number(row?.[1] ?? 0) };
  }

  async #decisions(where: string): Promise<readonly PastDecision[]> {
    const rows = await this.#engine.rows(
      `SELECT lower(hex(trace_id)), argMax(kept, received_until), argMax(policy, received_until),
        argMax(probability, received_until), argMax(spans, received_until), toUnixTimestamp64Milli(max(received_until))
       FROM sampled WHERE ${where} GROUP BY trace_id`,
    );
    return rows.map((row) => ({
      traceId: row[0] as string,
      kept: row[1] === 1,
      policy: row[2] as string,
      probability: row[3] as number,
      spans: Number(row[4]),
      receivedUntilMs: Number(row[5]),
    }));
  }

  /** Writes the decisions down, durable when it resolves. They speak of spans stored until `receivedUntilMs`. */
  async decide(decisions: readonly SamplingDecision[], receivedUntilMs: number): Promise<void> {
    if (decisions.length === 0) return;
    const columns = decisionColumns(decisions, receivedUntilMs);
    await this.#engine.insertNative({
      table: 'sampled',
      columns: columns.map(({ name, column }) => ({ name, type: column.type })),
      block: encodeBlock(decisions.length, columns),
    });
  }

  /** When the latest decisions speak of spans until; undefined when none were made. */
  async lastDecidedMs(): Promise<number | undefined> {
    const [row] = await this.#engine.rows(
      'SELECT count(), toUnixTimestamp64Milli(max(received_until)) FROM sampled',
    );
    return row === undefined || row[0] === '0' ? undefined : Number(row[1]);
  }

  /**
   * Begins to take away what was stored since `sinceMs` of the traces decided against with this `receivedUntilMs`; `range`, when
   * known, holds the starts of all of them and spares the engine the rest. It goes on by itself, also after a crash; asked for
   * twice, it finds nothing the second time.
   */
  async drop(receivedUntilMs: number, sinceMs: number, range?: TimeRange): Promise<void> {
    const until = time(receivedUntilMs);
    const started = range ? `${within('start', range)} AND ` : '';
    await this.#engine.command(
      `ALTER TABLE spans DELETE WHERE ${started}received >= ${time(sinceMs)} AND received <= ${until}
        AND trace_id IN (SELECT trace_id FROM sampled WHERE received_until = ${until} AND kept = 0)
       SETTINGS mutations_sync = 0`,
    );
  }

  /** Deletes that have begun and not ended, and why one fails, if it does. */
  async dropping(): Promise<{ readonly underWay: number; readonly failure: string }> {
    const [row] = await this.#engine.rows(
      `SELECT count(), anyIf(latest_fail_reason, latest_fail_reason != '') FROM system.mutations
       WHERE database = currentDatabase() AND table = 'spans' AND NOT is_done`,
    );
    return { underWay: Number(row?.[0] ?? 0), failure: (row?.[1] as string | undefined) ?? '' };
  }

  /** Forgets arrivals of before; they are all decided. */
  async forgetArrivals(beforeMs: number): Promise<void> {
    const rows = await this.#engine.rows(
      `SELECT DISTINCT partition FROM system.parts
       WHERE database = currentDatabase() AND table = 'arrivals' AND active
       GROUP BY partition HAVING parseDateTimeBestEffort(partition, 'UTC') + 600 < ${time(beforeMs)}`,
    );
    for (const [partition] of rows)
      await this.#engine.command(`ALTER TABLE arrivals DROP PARTITION '${partition as string}'`);
  }

  /** Nothing is to be decided any more: what was not is kept. */
  async forgetAllArrivals(): Promise<void> {
    await this.#engine.command('TRUNCATE TABLE arrivals');
  }
}

function decisionColumns(
  decisions: readonly SamplingDecision[],
  receivedUntilMs: number,
): readonly NamedColumn[] {
  const traceId = new FixedColumn('FixedString(16)', 16);
  const receivedUntil = new FixedColumn("DateTime64(3, 'UTC')", 8);
  const kept = new FixedColumn('UInt8', 1);
  const policy = new LowCardinalityColumn();
  const probability = new FixedColumn('Float64', 8);
  const spans = new FixedColumn('UInt64', 8);
  const eight = Buffer.alloc(8);
  for (const decision of decisions) {
    traceId.copy(Buffer.from(decision.traceId, 'hex'), 0, 16);
    receivedUntil.sink.u64(receivedUntilMs);
    kept.u8(decision.kept ? 1 : 0);
    policy.text(decision.policy);
    eight.writeDoubleLE(decision.probability);
    probability.copy(eight, 0, 8);
    spans.sink.u64(decision.spans);
  }
  return [
    { name: 'trace_id', column: traceId },
    { name: 'received_until', column: receivedUntil },
    { name: 'kept', column: kept },
    { name: 'policy', column: policy },
    { name: 'probability', column: probability },
    { name: 'spans', column: spans },
  ];
}

async function inBatches<T>(
  traceIds: readonly string[],
  ask: (batch: readonly string[]) => Promise<readonly T[]>,
): Promise<readonly T[]> {
  const answers: T[] = [];
  for (let at = 0; at < traceIds.length; at += MAX_IDS)
    for (const answer of await ask(traceIds.slice(at, at + MAX_IDS))) answers.push(answer);
  return answers;
}

/** A set of ids for IN, as one literal: ten thousand literals take the engine longer to read than the answer to find. */
function traceSet(traceIds: readonly string[]): string {
  for (const traceId of traceIds) sqlTraceId(traceId);
  return `(SELECT arrayJoin(arrayMap(at -> toFixedString(substring(unhex('${traceIds.join('')}'), at * 16 + 1, 16), 16), range(${traceIds.length}))))`;
}

function receivedIn(fromMs: number, untilMs: number): string {
  return `received > ${time(fromMs)} AND received <= ${time(untilMs)} AND spans > 0`;
}

function time(ms: number): string {
  return `fromUnixTimestamp64Milli(toInt64(${Math.trunc(ms)}), 'UTC')`;
}
