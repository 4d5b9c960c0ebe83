import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../server/failure.ts';
import type { Engine } from './engine.ts';
import { sqlString } from './sql-literal.ts';

/**
 * Brings the tables to this version: `sql/NNN-name.sql` in order of number, each once, forward only. A migration that was
 * cut off is run again, so its statements must bear that (IF NOT EXISTS).
 */
export async function migrate(engine: Engine, layout: Layout = SINGLE_NODE): Promise<void> {
  await engine.command(
    fill(
      `CREATE TABLE IF NOT EXISTS migrations {on_cluster} (version UInt32, name String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3)) ENGINE = {engine:MergeTree} ORDER BY version`,
      layout,
    ),
  );
  const rows = await engine.rows('SELECT max(version) FROM migrations');
  const applied = Number(rows[0]?.[0] ?? 0);
  const migrations = await readMigrations();
  const newest = migrations.at(-1)?.version ?? 0;
  if (applied > newest)
    throw new Failure(
      'store',
      'conflict',
      `cannot open the store: its tables are of version ${applied}, and this program knows ${newest}. Use the newer program`,
    );
  for (const { version, name, sql } of migrations) {
    if (version <= applied) continue;
    for (const statement of statements(fill(sql, layout))) await engine.command(statement);
    await engine.command(`INSERT INTO migrations (version, name) SELECT ${version}, ${sqlString(name)}`);
  }
}

/** What differs between one node and a cluster in the DDL. */
export interface Layout {
  readonly onCluster: string;
  readonly engine: (family: string) => string;
}

export const SINGLE_NODE: Layout = { onCluster: '', engine: (family) => family };

export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
}

export async function readMigrations(): Promise<readonly Migration[]> {
  const folder = join(import.meta.dirname, 'sql');
  const files = (await readdir(folder)).filter((file) => /^\d{3}-.*\.sql$/.test(file)).sort();
  return await Promise.all(
    files.map(async (file) => ({
      version: Number(file.slice(0, 3)),
      name: file.slice(4, -4),
      sql: await readFile(join(folder, file), 'utf8'),
    })),
  );
}

/** `{on_cluster}` and `{engine:Family}` filled in. */
export function fill(sql: string, layout: Layout): string {
  return sql
    .replaceAll('{on_cluster}', layout.onCluster)
    .replaceAll(/\{engine:(\w+)\}/g, (_, family: string) => layout.engine(family));
}

/** A file's statements, without comments and blank lines. */
export function statements(sql: string): readonly string[] {
  return sql
    .split('\n')
    .map((line) => line.replace(/--.*$/, '').trimEnd())
    .filter((line) => line !== '')
    .join('\n')
    .split(/;(?:\n|$)/)
    .filter((statement) => statement.trim() !== '');
}
