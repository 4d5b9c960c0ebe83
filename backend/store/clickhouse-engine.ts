import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { ClickHouseError, createClient, type ClickHouseClient } from '@clickhouse/client';
import { Failure } from '../../server/failure.ts';
import {
  DEFAULT_MAX_EXECUTION_TIME_MS,
  columnList,
  parseRows,
  querySettings,
  type Engine,
  type NativeInsert,
  type QueryOptions,
  type Row,
} from './engine.ts';
import { sqlString } from './sql-literal.ts';

export interface ClickHouseOptions {
  /** http(s)://host:8123 */
  readonly url: string;
  readonly username?: string;
  readonly password?: string;
  /** Made when it is not there. Default `spoor`. */
  readonly database?: string;
}

/** A ClickHouse server, or any node of a cluster, over HTTP. */
export async function openClickHouse(options: ClickHouseOptions): Promise<Engine> {
  const database = options.database ?? 'spoor';
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(database))
    throw new Failure(
      'store',
      'bad_request',
      `cannot use [${database}] as a database name: letters, digits and _ only`,
    );
  const login = { url: options.url, username: options.username, password: options.password };
  const first = createClient(login);
  try {
    await first.command({ query: `CREATE DATABASE IF NOT EXISTS ${database}` });
  } catch (error) {
    throw toFailure(error, `cannot open the store at [${options.url}]`);
  } finally {
    await first.close();
  }
  return new ClickHouseEngine(
    createClient({ ...login, database, max_open_connections: 16, request_timeout: REQUEST_TIMEOUT_MS }),
  );
}

const REQUEST_TIMEOUT_MS = 120_000;

class ClickHouseEngine implements Engine {
  readonly #client: ClickHouseClient;

  constructor(client: ClickHouseClient) {
    this.#client = client;
  }

  async rows(sql: string, options: QueryOptions = {}): Promise<readonly Row[]> {
    const limitMs = options.maxExecutionTimeMs ?? DEFAULT_MAX_EXECUTION_TIME_MS;
    const deadline = AbortSignal.timeout(limitMs + 15_000);
    try {
      const result = await this.#client.query({
        query: sql,
        format: 'JSONCompactEachRow',
        clickhouse_settings: { ...querySettings(options), max_query_size: '4194304' },
        abort_signal: options.signal ? AbortSignal.any([options.signal, deadline]) : deadline,
      });
      return parseRows(Buffer.from(await result.text(), 'utf8'));
    } catch (error) {
      options.signal?.throwIfAborted();
      throw toFailure(error, 'cannot run a query');
    }
  }

  async command(sql: string): Promise<void> {
    try {
      await this.#client.command({ query: sql });
    } catch (error) {
      throw toFailure(error, 'cannot run a statement');
    }
  }

  /** The same block chDB takes from a file goes here as the body of each insert. */
  async insertNative(insert: NativeInsert): Promise<void> {
    const names = columnList(insert.columns.map(({ name }) => name));
    const structure = insert.columns.map(({ name, type }) => `\`${name}\` ${type}`).join(', ');
    const token = insert.token ?? randomUUID();
    if (!insert.as) await this.#insert(`INSERT INTO ${insert.table} (${names})`, insert.block, token);
    const derived = [...(insert.as ? [insert.as] : []), ...(insert.derived ?? [])];
    for (const { table, columns, select } of derived)
      await this.#insert(
        `INSERT INTO ${table} (${columnList(columns)}) ${select(`input(${sqlString(structure)})`)}`,
        insert.block,
        token,
      );
  }

  async #insert(statement: string, block: Buffer, token: string): Promise<void> {
    try {
      const { stream } = await this.#client.exec({
        query: `${statement} FORMAT Native`,
        values: Readable.from([block], { objectMode: false }),
        clickhouse_settings: {
          async_insert: 0,
          throw_on_max_partitions_per_insert_block: 0,
          insert_deduplication_token: token,
          wait_end_of_query: 1,
        },
      });
      stream.resume();
    } catch (error) {
      throw toFailure(error, 'cannot insert');
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.close();
  }
}

function toFailure(error: unknown, what: string): Failure {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof ClickHouseError) {
    const overloaded = /TIMEOUT_EXCEEDED|MEMORY_LIMIT_EXCEEDED|TOO_MANY/.test(error.type ?? '');
    return new Failure('store', overloaded ? 'overloaded' : 'internal', `${what}: ${message}`, {
      cause: error,
    });
  }
  return new Failure('store', 'unavailable', `${what}: ${message}`, { cause: error });
}
