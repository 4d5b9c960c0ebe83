import type { SpanData } from '../../function/span/span-data.ts';
import type { Engine } from './engine.ts';
import { BY_PLACE, inTraces, PLACE, readAtPlaces } from './span-places.ts';
import { RowReader, SPAN_FIELDS, SPAN_FIELDS_PAST_TRACE_ID } from './span-row.ts';
import { checkRange, sqlTraceId, within } from './sql-literal.ts';
import type { TimeRange } from './store.ts';

/** Traces larger than this are cut, so that one answer cannot fill the memory. */
const MAX_SPANS_PER_ANSWER = 500_000;
/** In so short a range there is little to pass by, and one question is quicker than two: 20 and 25 CPU ms. */
const SHORT_NANO = 600_000_000_000n;

/** The spans of these traces, in no order, each once; with a range those that start in it. */
export async function readTraceSpans(
  engine: Engine,
  traceIds: readonly string[],
  range?: TimeRange,
): Promise<readonly SpanData[]> {
  if (range) checkRange(range);
  const reader = new RowReader();
  const byId = `SELECT ${SPAN_FIELDS} FROM spans WHERE ${inTraces(traceIds)}`;
  if (range && range.endUnixNano - range.startUnixNano <= SHORT_NANO) {
    const rows = await engine.rows(`${byId} AND ${within('start', range)} LIMIT ${MAX_SPANS_PER_ANSWER}`);
    return once(rows.map((row) => reader.toSpan(row)));
  }
  return await readAtPlaces(engine, traceIds, range, async (places) => {
    if (places?.rows === 0) return { answer: [], rows: 0 };
    const rows = places
      ? await engine.rows(places.select(`${PLACE}, ${SPAN_FIELDS_PAST_TRACE_ID}`), { settings: BY_PLACE })
      : await engine.rows(`${byId} LIMIT ${MAX_SPANS_PER_ANSWER}`);
    const spans = rows.map((row) =>
      reader.toSpan(places ? row.with(0, places.traceIds.get(row[0] as string)) : row),
    );
    return { answer: once(range ? spans.filter((span) => startsIn(span, range)) : spans), rows: rows.length };
  });
}

/** As `readTraceSpans`, of one trace that somebody keeps. */
export async function readArchivedSpans(
  engine: Engine,
  traceId: string,
  range?: TimeRange,
): Promise<readonly SpanData[]> {
  const time = range ? ` AND ${within('start', range)}` : '';
  const rows = await engine.rows(
    `SELECT ${SPAN_FIELDS} FROM archive WHERE trace_id = ${sqlTraceId(traceId)}${time} LIMIT ${MAX_SPANS_PER_ANSWER}`,
  );
  const reader = new RowReader();
  return once(rows.map((row) => reader.toSpan(row)));
}

function startsIn({ startTimeUnixNano }: SpanData, range: TimeRange): boolean {
  return startTimeUnixNano >= range.startUnixNano && startTimeUnixNano <= range.endUnixNano;
}

/** Zipkin's client and server halves of a call share one id: two spans of different kinds are no repeat of each other. */
function once(spans: readonly SpanData[]): readonly SpanData[] {
  const seen = new Set<string>();
  return spans.filter(({ traceId, spanId, kind }) => {
    const id = `${traceId}${spanId}${kind}`;
    return !seen.has(id) && seen.add(id);
  });
}
