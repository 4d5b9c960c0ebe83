import type { Engine } from './engine.ts';
import { heldTime, sqlString, sqlTraceId } from './sql-literal.ts';
import type { TimeRange } from './store.ts';

/** More spans than this are not asked for by their places: the statement would be longer than the search. */
const MAX_PLACES = 20_000;
/** Nor are spans in more parts: a row is looked for in one part at a time, and each time is planned for itself. */
const MAX_PARTS = 4;
const MAX_TRIES = 3;
/** A range over more days than this leaves out too few partitions to be worth naming them. */
const MAX_DAYS = 366;
const DAY_NANO = 86_400_000_000_000n;

/** Where the spans of some traces lie: rows of parts. */
export interface SpanPlaces {
  /** Selects columns of these rows and no other. */
  readonly select: (columns: string) => string;
  readonly rows: number;
  /** By `PLACE` of the row. */
  readonly traceIds: ReadonlyMap<string, string>;
}

/** The name of a row's place. */
export const PLACE = `concat(_part, ' ', toString(_part_offset))`;

/**
 * Reads spans of traces by two questions: the projection by trace tells which rows they are, and then only the parts and granules that
 * hold them are opened. Asked in one, the engine opens every column of every part and passes all their granules by
 * (ClickHouse/ClickHouse#99114), and unpacks trace ids to compare them.
 *
 * `read` asks the second question: of rows at their places, or, when they are too many or lie too far apart, by trace id. It says how many rows
 * it read: fewer than there were when a merge has put a part in the place of others meanwhile, and then both are asked again.
 */
export async function readAtPlaces<Answer>(
  engine: Engine,
  traceIds: readonly string[],
  hint: TimeRange | undefined,
  read: (places: SpanPlaces | undefined) => Promise<{ readonly answer: Answer; readonly rows: number }>,
): Promise<Answer> {
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const places = await findPlaces(engine, traceIds, hint);
    if (!places) break;
    const { answer, rows } = await read(places);
    if (rows === places.rows) return answer;
  }
  return (await read(undefined)).answer;
}

/** undefined: too many, or too far apart. `hint`: none lies on another day. */
async function findPlaces(
  engine: Engine,
  traceIds: readonly string[],
  hint?: TimeRange,
): Promise<SpanPlaces | undefined> {
  const found = await engine.rows(
    `SELECT _part, _part_offset, lower(hex(trace_id)) FROM spans
     WHERE ${inTraces(traceIds)}${inPartitions(hint)} LIMIT ${MAX_PLACES + 1}`,
    // A granule or two of each part: nothing to share among threads.
    { settings: { max_threads: 1 } },
  );
  const byPart = [...Map.groupBy(found, ([part]) => part as string)];
  if (found.length > MAX_PLACES || byPart.length > MAX_PARTS) return undefined;
  const wheres = byPart.map(
    ([part, rows]) =>
      `_part = ${sqlString(part)} AND _part_offset IN (${rows.map(([, row]) => Number(row)).join(', ')})`,
  );
  return {
    select: (columns) =>
      wheres.map((where) => `SELECT ${columns} FROM spans WHERE ${where}`).join(' UNION ALL '),
    rows: found.length,
    traceIds: new Map(found.map(([part, row, id]) => [`${part as string} ${row as string}`, id as string])),
  };
}

/** Settings of the second question: places are places, no projection knows more. */
export const BY_PLACE = { optimize_use_projections: 0 };

export function inTraces(traceIds: readonly string[]): string {
  return `trace_id IN (${traceIds.map((traceId) => `toFixedString(${sqlTraceId(traceId)}, 16)`).join(', ')})`;
}

/** Partitions are days, by name `20260301`. */
function inPartitions(range: TimeRange | undefined): string {
  if (!range) return '';
  const first = heldTime(range.startUnixNano) / DAY_NANO;
  const days = Number(heldTime(range.endUnixNano) / DAY_NANO - first) + 1;
  if (days > MAX_DAYS || days < 1) return '';
  const names = Array.from({ length: days }, (_, day) =>
    new Date(Number(first + BigInt(day)) * 86_400_000).toISOString().slice(0, 10).replaceAll('-', ''),
  );
  return ` AND _partition_id IN (${names.map(sqlString).join(', ')})`;
}
