import type { Engine } from './engine.ts';
import { sqlSpanId, sqlTraceId } from './sql-literal.ts';
import type { FlowLimits, FlowTraceIds, LinkEdge } from './store.ts';
import { toAttributes } from './value-text.ts';

const MAX_LINKS = 10_000;
/** Trace ids in one statement. */
const MAX_IDS = 1_000;
const DEFAULT_MAX_TRACES = 1_000;
const DEFAULT_MAX_DEPTH = 50;

/** Links by one of their ends. */
export async function readLinks(
  engine: Engine,
  end: 'from' | 'to',
  traceIds: readonly string[],
  spanId?: string,
): Promise<readonly LinkEdge[]> {
  const edges: LinkEdge[] = [];
  for (let at = 0; at < traceIds.length; at += MAX_IDS) {
    const ids = traceIds.slice(at, at + MAX_IDS).map((id) => `toFixedString(${sqlTraceId(id)}, 16)`);
    const span = spanId === undefined ? '' : ` AND ${end}_span_id = ${sqlSpanId(spanId)}`;
    const rows = await engine.rows(
      `SELECT lower(hex(from_trace_id)), lower(hex(from_span_id)), lower(hex(to_trace_id)), lower(hex(to_span_id)),
        mapKeys(attributes), mapValues(attributes), attribute_types
       FROM links WHERE ${end}_trace_id IN (${ids.join(', ')})${span}
       ORDER BY from_start, from_span_id
       LIMIT 1 BY from_trace_id, from_span_id, to_trace_id, to_span_id LIMIT ${MAX_LINKS}`,
    );
    for (const row of rows) edges.push(toEdge(row));
  }
  return edges;
}

/** Breadth first over links, both ways at once: one question to the engine per direction and step, whatever the breadth. */
export async function readFlowTraceIds(
  engine: Engine,
  traceId: string,
  limits: FlowLimits = {},
): Promise<FlowTraceIds> {
  const maxTraces = limits.maxTraces ?? DEFAULT_MAX_TRACES;
  const maxDepth = limits.maxDepth ?? DEFAULT_MAX_DEPTH;
  const found = new Set([traceId]);
  let border: readonly string[] = [traceId];
  for (let depth = 0; border.length > 0; depth += 1) {
    const next = new Set<string>();
    for (const id of await neighbours(engine, border)) if (!found.has(id)) next.add(id);
    if (next.size === 0) break;
    if (depth === maxDepth) return { traceIds: [...found], truncated: true };
    for (const id of next) {
      if (found.size >= maxTraces) return { traceIds: [...found], truncated: true };
      found.add(id);
    }
    border = [...next];
  }
  return { traceIds: [...found], truncated: false };
}

async function neighbours(engine: Engine, traceIds: readonly string[]): Promise<readonly string[]> {
  const found: string[] = [];
  for (let at = 0; at < traceIds.length; at += MAX_IDS) {
    const ids = traceIds.slice(at, at + MAX_IDS).map((id) => `toFixedString(${sqlTraceId(id)}, 16)`);
    const rows = await engine.rows(
      `SELECT DISTINCT lower(hex(other)) FROM (
        SELECT to_trace_id AS other FROM links WHERE from_trace_id IN (${ids.join(', ')})
        UNION ALL
        SELECT from_trace_id AS other FROM links WHERE to_trace_id IN (${ids.join(', ')})
       ) ORDER BY other LIMIT ${MAX_LINKS}`,
    );
    for (const [id] of rows) found.push(id as string);
  }
  return found;
}

function toEdge(row: readonly unknown[]): LinkEdge {
  const [fromTraceId, fromSpanId, toTraceId, toSpanId] = row as readonly [string, string, string, string];
  const [keys, values, types] = row.slice(4) as [string[], string[], string];
  return { fromTraceId, fromSpanId, toTraceId, toSpanId, attributes: toAttributes(keys, values, types) };
}
