import { decodeTraces } from '../../backend/collector/otlp-traces.ts';
import { spansOf } from '../../backend/store/derived.ts';
import { columnList } from '../../backend/store/engine.ts';
import type { OpenStore } from '../../backend/store/open-store.ts';
import { SpanColumns } from '../../backend/store/span-columns.ts';
import { makeBodies, type Shape } from '../ingest/otlp-bodies.ts';

/** Ten million spans stand for six hours, as in the other benches. */
export const NANO_PER_SPAN = (6 * 3600 * 1e9) / 10_000_000;
const SLICE = 250_000;
const ROWS_PER_INSERT = 50_000;

/** As `Filler`, all at once, Jaeger's shape. */
export async function fill(store: OpenStore, spans: number, startNano: number): Promise<void> {
  await new Filler(store, 'jaeger', startNano, spans).to(spans);
}

/**
 * Fills a store with spans from `startNano` on, a slice at a time, and farther whenever it is asked to: the first slice goes the road
 * of every span, decoder, writer and roll-ups; each further one is made from it by the engine, with ids of its own, later by a slice,
 * and with what the first lacks: `user.id` on each root, one of 100,000, and on every tenth root a link to a trace of the slice before.
 */
export class Filler {
  readonly #store: OpenStore;
  readonly #shape: Shape;
  readonly startNano: number;
  readonly #slice: number;
  #slices = 0;
  #columns: readonly string[] = [];

  /** `least`: how many spans it will be at the first. */
  constructor(store: OpenStore, shape: Shape, startNano: number, least: number) {
    this.#store = store;
    this.#shape = shape;
    this.startNano = startNano;
    // The first slice lacks what questions ask for.
    this.#slice = Math.min(SLICE, Math.ceil(least / 4));
  }

  async to(spans: number): Promise<void> {
    if (this.#slices === 0) await this.#first();
    for (; this.#slices * this.#slice < spans; this.#slices += 1) await this.#copy(this.#slices);
  }

  async #first(): Promise<void> {
    const rows = Math.min(ROWS_PER_INSERT, this.#slice);
    const bodies = makeBodies(this.#shape, Math.ceil(this.#slice / rows), rows);
    const columns = new SpanColumns();
    for (const [at, body] of bodies.entries()) {
      const spread = rows * NANO_PER_SPAN;
      body.refresh(at, this.startNano + at * spread, spread);
      columns.clear();
      decodeTraces(body.bytes, columns);
      await this.#store.writer.writeSpanColumns(columns);
    }
    this.#columns = spansOf(columns).columns;
    this.#slices = 1;
  }

  async #copy(number: number): Promise<void> {
    const shiftNano = number * this.#slice * NANO_PER_SPAN;
    const end = timeOf(this.startNano + this.#slice * NANO_PER_SPAN);
    const select = this.#columns.map(
      (name) => `${CHANGED[name]?.(number, shiftNano) ?? `\`${name}\``} AS \`new.${name}\``,
    );
    const { engine } = this.#store;
    await engine.command(
      `INSERT INTO spans (${columnList(this.#columns)}) SELECT ${select.join(', ')} FROM spans WHERE start < ${end} SETTINGS max_threads = 2`,
    );
    await engine.command(
      `INSERT INTO links (to_trace_id, to_span_id, from_trace_id, from_span_id, from_service, from_start)
       SELECT ${traceIdOf(number - 1)}, ${spanIdOf('span_id', number - 1)}, ${traceIdOf(number)}, ${spanIdOf('span_id', number)}, service, ${startOf(shiftNano)}
       FROM spans WHERE start < ${end} AND ${LINKED}`,
    );
    await engine.command(
      `INSERT INTO red SELECT minute + ${Math.round(shiftNano / 1e9)} AS minute, * EXCEPT minute FROM red WHERE minute < ${end}`,
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
