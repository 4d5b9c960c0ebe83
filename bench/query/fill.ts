import { decodeTraces } from '../../backend/collector/otlp-traces.ts';
import { spansOf } from '../../backend/store/derived.ts';
import type { OpenStore } from '../../backend/store/open-store.ts';
import { SpanColumns } from '../../backend/store/span-columns.ts';
import { makeBodies } from '../ingest/otlp-bodies.ts';

/** Ten million spans stand for six hours, as in the other benches. */
export const NANO_PER_SPAN = (6 * 3600 * 1e9) / 10_000_000;
const SLICE = 250_000;
const ROWS_PER_INSERT = 50_000;

/**
 * Fills the store with `spans` spans of the Jaeger shape from `startNano` on, a slice at a time: the first goes the road of every
 * span, decoder, writer and roll-ups; each further one is made from it by the engine, with ids of its own, later by a slice, and
 * with what the first lacks: `user.id` on each root, one of 100,000, and on every tenth root a link to a trace of the slice before.
 */
export async function fill(store: OpenStore, spans: number, startNano: number): Promise<void> {
  const slice = Math.min(SLICE, spans);
  const bodies = makeBodies('jaeger', slice / ROWS_PER_INSERT, ROWS_PER_INSERT);
  const columns = new SpanColumns();
  for (const [at, body] of bodies.entries()) {
    body.refresh(at, startNano + at * ROWS_PER_INSERT * NANO_PER_SPAN, ROWS_PER_INSERT * NANO_PER_SPAN);
    columns.clear();
    decodeTraces(body.bytes, columns);
    await store.writer.writeSpanColumns(columns);
  }
  const names = spansOf(columns).columns;
  const seed = `start < ${timeOf(startNano + slice * NANO_PER_SPAN)}`;
  for (let number = 1; number * slice < spans; number += 1) {
    const shiftNano = number * slice * NANO_PER_SPAN;
    const select = names.map(
      (name) => `${CHANGED[name]?.(number, shiftNano) ?? `\`${name}\``} AS \`new.${name}\``,
    );
    await store.engine.command(
      `INSERT INTO spans (${names.map((name) => `\`${name}\``).join(', ')}) SELECT ${select.join(', ')} FROM spans WHERE ${seed} SETTINGS max_threads = 2`,
    );
    await store.engine.command(
      `INSERT INTO links (to_trace_id, to_span_id, from_trace_id, from_span_id, from_service, from_start)
       SELECT ${traceIdOf(number - 1)}, ${spanIdOf('span_id', number - 1)}, ${traceIdOf(number)}, ${spanIdOf('span_id', number)}, service, ${startOf(shiftNano)}
       FROM spans WHERE ${seed} AND ${LINKED}`,
    );
    await store.engine.command(
      `INSERT INTO red SELECT minute + ${Math.round(shiftNano / 1e9)} AS minute, * EXCEPT minute FROM red
       WHERE minute < ${timeOf(startNano + slice * NANO_PER_SPAN)}`,
    );
  }
}

const ROOT = `parent_span_id = toFixedString('', 8)`;
const LINKED = `${ROOT} AND cityHash64(trace_id) % 10 = 0`;

/** What a slice has otherwise than the first one. */
const CHANGED: Readonly<Record<string, (slice: number, shiftNano: number) => string>> = {
  trace_id: (slice) => traceIdOf(slice),
  span_id: (slice) => spanIdOf('span_id', slice),
  parent_span_id: (slice) => `if(${ROOT}, parent_span_id, ${spanIdOf('parent_span_id', slice)})`,
  start: (_slice, shiftNano) => startOf(shiftNano),
  attributes: (slice) =>
    `if(${ROOT}, mapUpdate(attributes, map(toLowCardinality('user.id'), toLowCardinality(concat('user-', toString(cityHash64(trace_id, ${slice}) % 100000))))), attributes)`,
  attribute_types: () => `''`,
  // One link, as sql/013-rare-fields-together.sql has it.
  more: (slice) =>
    `if(${LINKED}, concat('[[],[],[],[],[],[],["', lower(hex(${traceIdOf(slice - 1)})), '"],["', lower(hex(${spanIdOf('span_id', slice - 1)})), '"],[""],[0],[[]],[[]],[""],[0],"","",0,0,0]'), '')`,
};

function traceIdOf(slice: number): string {
  return slice === 0 ? 'trace_id' : `sipHash128(trace_id, ${slice})`;
}

function spanIdOf(column: string, slice: number): string {
  return slice === 0 ? column : `reinterpretAsFixedString(cityHash64(${column}, ${slice}))`;
}

function startOf(shiftNano: number): string {
  return `addNanoseconds(start, ${Math.round(shiftNano)})`;
}

function timeOf(nano: number): string {
  return `fromUnixTimestamp64Nano(toInt64(${BigInt(Math.round(nano))}), 'UTC')`;
}
