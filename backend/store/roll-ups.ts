import type { NativeInsert } from './engine.ts';
import type { SpanColumns } from './span-columns.ts';
import {
  ArrayColumn,
  encodeBlock,
  FixedColumn,
  LowCardinalityColumn,
  StringColumn,
  TupleColumn,
  type NamedColumn,
} from './native-columns.ts';

/**
 * What is counted per block while its columns are still at hand, where service and name are small numbers: rate, errors and
 * durations by the minute (`red`), and the operations and resources not seen lately.
 */
export class RollUps {
  /** What the tables already have, by the hour. */
  readonly #operations = new RecentlySeen();
  readonly #resources = new RecentlySeen();

  /** `written` is to be called once the blocks are durable. */
  of(spans: SpanColumns): { readonly blocks: readonly NativeInsert[]; readonly written: () => void } {
    const red = countRed(spans);
    const blocks = [encodeRed(spans, red)];
    const operations = this.#operations.news(
      red.operations.map(({ service, name, kind, lastMinute }) => ({
        texts: [spans.service.keyText(service), spans.name.keyText(name)],
        kind,
        lastMinute,
      })),
    );
    if (operations.length > 0) blocks.push(encodeOperations(operations));
    const resources = this.#resources.news(countResources(spans));
    if (resources.length > 0) blocks.push(encodeResources(resources));
    return {
      blocks,
      written: () => {
        this.#operations.add(operations);
        this.#resources.add(resources);
      },
    };
  }
}

interface Seen {
  readonly texts: readonly string[];
  readonly kind: number;
  readonly lastMinute: number;
}

const MAX_REMEMBERED = 100_000;

/** Which of the given were written within the hour they are of: those need no new row. */
class RecentlySeen {
  #hours = new Map<string, number>();

  news(seen: readonly Seen[]): readonly Seen[] {
    return seen.filter((one) => (this.#hours.get(keyOf(one)) ?? -1) < hourOf(one));
  }

  add(seen: readonly Seen[]): void {
    if (this.#hours.size + seen.length > MAX_REMEMBERED) this.#hours = new Map();
    for (const one of seen) this.#hours.set(keyOf(one), hourOf(one));
  }
}

function keyOf(seen: Seen): string {
  return `${seen.kind} ${seen.texts.join('\0')}`;
}

function hourOf(seen: Seen): number {
  return Math.floor(seen.lastMinute / 60);
}

interface Operation {
  readonly service: number;
  readonly name: number;
  readonly kind: number;
  lastMinute: number;
}

interface Cell {
  readonly operation: number;
  readonly minute: number;
  spans: number;
  errors: number;
  readonly buckets: number[];
}

function countRed(spans: SpanColumns): { readonly operations: readonly Operation[]; readonly cells: Cell[] } {
  const operations: Operation[] = [];
  const operationIds = new Map<number, number>();
  const cells = new Map<number, Cell>();
  const names = spans.name.keys;
  const { buffer: starts } = spans.start.sink;
  const { buffer: durations } = spans.duration.sink;
  const { buffer: kinds } = spans.kind.sink;
  const { buffer: statuses } = spans.status.sink;
  for (let row = 0; row < spans.rows; row += 1) {
    const service = spans.service.idAt(row);
    const name = spans.name.idAt(row);
    const kind = kinds[row] as number;
    const minute = Math.floor(u64At(starts, row * 8) / 60e9);
    const key = (service * names + name) * 8 + kind;
    let operation = operationIds.get(key);
    if (operation === undefined) {
      operation = operations.length;
      operationIds.set(key, operation);
      operations.push({ service, name, kind, lastMinute: minute });
    }
    const of = operations[operation] as Operation;
    if (minute > of.lastMinute) of.lastMinute = minute;
    // Minutes end in 2106 below 2^27, operations of one block below its rows.
    const place = operation * 0x800_0000 + minute;
    let cell = cells.get(place);
    if (!cell) {
      cell = { operation, minute, spans: 0, errors: 0, buckets: [] };
      cells.set(place, cell);
    }
    cell.spans += 1;
    if (statuses[row] === 2) cell.errors += 1;
    cell.buckets.push(bucketOf(u64At(durations, row * 8)));
  }
  return { operations, cells: [...cells.values()] };
}

/** floor(16 * log2(ns)), as sql/006-roll-ups.sql says. */
function bucketOf(durationNano: number): number {
  return Math.floor(16 * Math.log2(Math.max(durationNano, 1)));
}

/** Precise to 2^53, which is finer than a minute or a bucket asks for. */
function u64At(buffer: Buffer, at: number): number {
  return buffer.readUInt32LE(at) + buffer.readUInt32LE(at + 4) * 0x1_0000_0000;
}

function encodeRed(
  spans: SpanColumns,
  red: { readonly operations: readonly Operation[]; readonly cells: readonly Cell[] },
): NativeInsert {
  const minute = new FixedColumn("DateTime('UTC')", 4);
  const service = new LowCardinalityColumn();
  const name = new LowCardinalityColumn();
  const kind = new FixedColumn('UInt8', 1);
  const count = new FixedColumn('UInt64', 8);
  const errors = new FixedColumn('UInt64', 8);
  const buckets = new ArrayColumn(new FixedColumn('UInt16', 2));
  const counts = new ArrayColumn(new FixedColumn('UInt64', 8));
  for (const cell of red.cells) {
    const operation = red.operations[cell.operation] as Operation;
    minute.u32(cell.minute * 60);
    service.text(spans.service.keyText(operation.service));
    name.text(spans.name.keyText(operation.name));
    kind.u8(operation.kind);
    count.u64(cell.spans, 0);
    errors.u64(cell.errors, 0);
    cell.buckets.sort((a, b) => a - b);
    let distinct = 0;
    for (let at = 0; at < cell.buckets.length; distinct += 1) {
      const bucket = cell.buckets[at] as number;
      const from = at;
      while (cell.buckets[at] === bucket) at += 1;
      buckets.item.u8(bucket);
      buckets.item.u8(bucket >>> 8);
      counts.item.u64(at - from, 0);
    }
    buckets.closeRow(distinct);
    counts.closeRow(distinct);
  }
  return sideBlock('red', red.cells.length, [
    { name: 'minute', column: minute },
    { name: 'service', column: service },
    { name: 'name', column: name },
    { name: 'kind', column: kind },
    { name: 'spans', column: count },
    { name: 'errors', column: errors },
    { name: 'durations', column: new TupleColumn(buckets, counts) },
  ]);
}

/** The distinct (service, resource) of the block. */
function countResources(spans: SpanColumns): readonly Seen[] {
  const found = new Map<number, Seen>();
  const resources = spans.resource.keys;
  for (let row = 0; row < spans.rows; row += 1) {
    const service = spans.service.idAt(row);
    const resource = spans.resource.idAt(row);
    const key = service * resources + resource;
    if (found.has(key)) continue;
    const minute = Math.floor(u64At(spans.start.sink.buffer, row * 8) / 60e9);
    found.set(key, {
      texts: [spans.service.keyText(service), spans.resource.keyText(resource)],
      kind: 0,
      lastMinute: minute,
    });
  }
  return [...found.values()];
}

function encodeOperations(seen: readonly Seen[]): NativeInsert {
  const kind = new FixedColumn('UInt8', 1);
  for (const one of seen) kind.u8(one.kind);
  return sideBlock('operations', seen.length, [
    ...textColumns(seen, 'service', 'name'),
    { name: 'kind', column: kind },
    lastSeen(seen),
  ]);
}

function encodeResources(seen: readonly Seen[]): NativeInsert {
  return sideBlock('resources', seen.length, [...textColumns(seen, 'service', 'resource'), lastSeen(seen)]);
}

function textColumns(seen: readonly Seen[], ...names: readonly string[]): readonly NamedColumn[] {
  return names.map((name, index) => {
    const column = new StringColumn();
    for (const one of seen) column.text(one.texts[index] as string);
    return { name, column };
  });
}

function lastSeen(seen: readonly Seen[]): NamedColumn {
  const column = new FixedColumn("DateTime('UTC')", 4);
  for (const one of seen) column.u32(one.lastMinute * 60);
  return { name: 'last_seen', column };
}

function sideBlock(table: string, rows: number, columns: readonly NamedColumn[]): NativeInsert {
  return {
    table,
    columns: columns.map(({ name, column }) => ({ name, type: column.type })),
    block: encodeBlock(rows, columns),
  };
}
