import type { Engine } from './engine.ts';
import { columnList } from './engine.ts';
import { sqlTraceId } from './sql-literal.ts';

/** Copies what is kept of the trace and not yet archived; false when there is nothing of it in either place. */
export async function archiveTrace(engine: Engine, traceId: string): Promise<boolean> {
  const trace = `trace_id = ${sqlTraceId(traceId)}`;
  const [counts] = await engine.rows(
    `SELECT (SELECT count() FROM spans WHERE ${trace}), (SELECT count() FROM archive WHERE ${trace})`,
  );
  const [kept, archived] = (counts ?? []).map(Number);
  if (!kept) return Boolean(archived);
  const rows = await engine.rows(
    `SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'archive' ORDER BY position`,
  );
  const names = columnList(rows.map(([name]) => name as string));
  await engine.command(
    `INSERT INTO archive (${names}) SELECT ${names} FROM spans
     WHERE ${trace} AND (span_id, kind) NOT IN (SELECT span_id, kind FROM archive WHERE ${trace})`,
  );
  return true;
}
