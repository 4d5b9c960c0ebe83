/**
 * What the store needs of a ClickHouse, whichever makes it: chDB in a child process (chdb-engine.ts) or a server or cluster
 * by URL (clickhouse-engine.ts). SQL reaches an engine complete: values have become literals (sql-literal.ts).
 */
export interface Engine extends AsyncDisposable {
  /** Rows as arrays in the order of the columns asked for; 64-bit integers are strings. */
  rows(sql: string, options?: QueryOptions): Promise<readonly Row[]>;
  /** A statement without an answer: DDL. */
  command(sql: string): Promise<void>;
  /** Resolves when the block is durable. What failed because the engine died may be inserted twice, never lost. */
  insertNative(table: string, columns: readonly string[], block: Buffer): Promise<void>;
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

/** Settings every query runs with. */
export function querySettings(options: QueryOptions): Record<string, string | number> {
  return {
    max_execution_time: (options.maxExecutionTimeMs ?? DEFAULT_MAX_EXECUTION_TIME_MS) / 1000,
    max_memory_usage: MAX_QUERY_MEMORY_BYTES,
    output_format_json_quote_64bit_integers: 1,
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
