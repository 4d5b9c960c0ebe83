import type { Engine } from './engine.ts';
import { BY_PLACE, inTraces, readAtPlaces } from './span-places.ts';
import type { TraceSummary } from './store.ts';

/** What stands in a list of traces, in the order asked; a trace that is not there is left out. */
export async function readSummaries(
  engine: Engine,
  traceIds: readonly string[],
): Promise<readonly TraceSummary[]> {
  if (traceIds.length === 0) return [];
  const rows = await readAtPlaces(engine, traceIds, undefined, async (places) => {
    if (places?.rows === 0) return { answer: [], rows: 0 };
    const spans = places
      ? places.select(COLUMNS)
      : `SELECT ${COLUMNS} FROM spans WHERE ${inTraces(traceIds)}`;
    const read = await engine.rows(
      `SELECT lower(hex(trace_id)), argMin(service, (not_root, start)), argMin(name, (not_root, start)),
        toUnixTimestamp64Nano(min(start)), max(toUnixTimestamp64Nano(start) + duration), count(), countIf(status = 2),
        length(arrayExcept(groupArrayIf(parent_span_id, not_root), groupUniqArray(span_id))),
        sumMap(map(toString(service), toUInt32(1))), sumMap(map(toString(service), toUInt32(status = 2))), sum(rows)
       FROM (${ONCE} FROM (${spans}) AS s GROUP BY trace_id, span_id, kind)
       GROUP BY trace_id`,
      places ? { settings: BY_PLACE } : {},
    );
    return { answer: read, rows: read.reduce((sum, row) => sum + Number(row[10]), 0) };
  });
  const summaries = new Map(rows.map((row) => [row[0] as string, toSummary(row)]));
  return traceIds.flatMap((traceId) => summaries.get(traceId) ?? []);
}

const COLUMNS = 'trace_id, span_id, parent_span_id, service, name, kind, status, start, duration';

/** A span that came twice, once. */
const ONCE = `SELECT trace_id, span_id, any(s.parent_span_id) AS parent_span_id, any(s.service) AS service, any(s.name) AS name,
 any(s.status) AS status, any(s.start) AS start, any(s.duration) AS duration,
 parent_span_id != toFixedString('', 8) AS not_root, count() AS rows`;

function toSummary(row: readonly unknown[]): TraceSummary {
  const [traceId, rootService, rootOperation, start, end, spans, errors, orphans, perService, perError] =
    row as readonly [
      string,
      string,
      string,
      string,
      string,
      string,
      string,
      string,
      Record<string, string>,
      Record<string, string>,
    ];
  return {
    traceId,
    rootService,
    rootOperation,
    startUnixNano: BigInt(start),
    endUnixNano: BigInt(end),
    spanCount: Number(spans),
    errorSpanCount: Number(errors),
    orphanSpanCount: Number(orphans),
    services: Object.keys(perService)
      .sort()
      .map((name) => ({
        name,
        spanCount: Number(perService[name]),
        errorSpanCount: Number(perError[name] ?? 0),
      })),
  };
}
