/**
 * What the store needs of a ClickHouse, whichever makes it: chDB in a child process (chdb-engine.ts) or a server or cluster
 * by URL (clickhouse-engine.ts). SQL reaches an engine complete: values have become literals (sql-literal.ts).
 */
export interface Engine extends AsyncDisposable {
  /** Rows as arrays in the order of the columns asked for; 64-bit integers are strings. */
  rows(sql: string, options?: QueryOptions): Promise<readonly Row[]>;
  /** A statement without an answer: DDL. */
  command(sql: string): Promise<void>;
  /** Resolves when the block, and what is derived from it, is durable. Tried again when the engine dies, and counted once. */
  insertNative(insert: NativeInsert): Promise<void>;
}

export interface NativeInsert {
  readonly table: string;
  readonly columns: readonly NativeInsertColumn[];
  readonly block: Buffer;
  /** What goes into the table in place of the block as it is. */
  readonly as?: DerivedInsert;
  readonly derived?: readonly DerivedInsert[];
  /** An insert with a token that a table has seen lately adds nothing to it. Default: one of its own. */
  readonly token?: string;
}

export interface NativeInsertColumn {
  readonly name: string;
  readonly type: string;
}

/** Rows of a table, selected from the block itself. */
export interface DerivedInsert {
  readonly table: string;
  readonly columns: readonly string[];
  /** The SELECT, given what stands after FROM. */
  readonly select: (source: string) => string;
}

/** `a`, `b`: names of columns, which are our own. */
export function columnList(names: readonly string[]): string {
  return names.map((name) => `\`${name}\``).join(', ');
}

export type Row = readonly unknown[];

export interface QueryOptions {
  readonly maxExecutionTimeMs?: number;
  readonly signal?: AbortSignal;
  readonly settings?: Readonly<Record<string, string | number>>;
}

export const DEFAULT_MAX_EXECUTION_TIME_MS = 30_000;
/** What one query may hold; past it the query fails, not the engine. */
export const MAX_QUERY_MEMORY_BYTES = 1_000_000_000;
/** No answer is meant to have more rows; a trace is cut at half of it. */
export const MAX_QUERY_RESULT_ROWS = 1_000_000;

/** Settings every query runs with. */
export function querySettings(options: QueryOptions): Record<string, string | number> {
  return {
    max_execution_time: (options.maxExecutionTimeMs ?? DEFAULT_MAX_EXECUTION_TIME_MS) / 1000,
    max_memory_usage: MAX_QUERY_MEMORY_BYTES,
    max_result_rows: MAX_QUERY_RESULT_ROWS,
    result_overflow_mode: 'throw',
    output_format_json_quote_64bit_integers: 1,
    // Answers are small: threads that format parts of one cost more than they do.
    output_format_parallel_formatting: 0,
    // Otherwise attributes['key'] is read as a column of its own, and no index of the map is used.
    optimize_functions_to_subcolumns: 0,
    // Otherwise, below a million rows, a trace is looked for in every row's id and not by the projection that has them in order.
    min_table_rows_to_use_projection_index: 0,
    ...options.settings,
  };
}

/** JSONCompactEachRow: one JSON array a line. */
export function parseRows(bytes: Buffer): readonly Row[] {
  if (bytes.length === 0) return [];
  const text = bytes.toString('utf8');
  return JSON.parse(`[${text.trimEnd().replaceAll('\n', ',')}]`) as Row[];
}

/** `a = 1, b = 'x'` of settings our own code chose. */
export function settingsClause(settings: Readonly<Record<string, string | number>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name} = ${typeof value === 'number' ? value : `'${value}'`}`)
    .join(', ');
}
