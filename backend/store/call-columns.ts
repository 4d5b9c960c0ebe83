import type { CallEdge } from './call-join.ts';
import type { NativeInsert } from './engine.ts';
import { ArrayColumn, encodeBlock, FixedColumn, LowCardinalityColumn } from './native-columns.ts';

/** A row of `calls` (sql/011-calls.sql). */
export interface CallRow {
  readonly minute: number;
  readonly seen: number;
  /** Undefined where the minute's own calls are not counted. */
  readonly edges: readonly CallEdge[] | undefined;
}

export function encodeCalls(rows: readonly CallRow[], version: bigint): NativeInsert {
  const minute = new FixedColumn("DateTime('UTC')", 4);
  const versions = new FixedColumn('UInt64', 8);
  const seen = new FixedColumn('UInt64', 8);
  const counted = new FixedColumn('UInt8', 1);
  const parent = new ArrayColumn(new LowCardinalityColumn());
  const child = new ArrayColumn(new LowCardinalityColumn(), parent.offsets);
  const topic = new ArrayColumn(new FixedColumn('UInt8', 1), parent.offsets);
  const calls = new ArrayColumn(new FixedColumn('UInt64', 8), parent.offsets);
  const direct = new ArrayColumn(new FixedColumn('UInt64', 8), parent.offsets);
  for (const row of rows) {
    const edges = row.edges ?? [];
    minute.u32(row.minute * 60);
    versions.u64(Number(version & 0xffff_ffffn), Number(version >> 32n));
    seen.sink.u64(row.seen);
    counted.u8(row.edges === undefined ? 0 : 1);
    for (const edge of edges) {
      parent.item.text(edge.parent);
      child.item.text(edge.child);
      topic.item.u8(edge.topic);
      calls.item.sink.u64(edge.calls);
      direct.item.sink.u64(edge.direct);
    }
    parent.closeRow(edges.length);
  }
  const columns = [
    { name: 'minute', column: minute },
    { name: 'version', column: versions },
    { name: 'seen', column: seen },
    { name: 'counted', column: counted },
    { name: 'parent', column: parent },
    { name: 'child', column: child },
    { name: 'topic', column: topic },
    { name: 'calls', column: calls },
    { name: 'direct', column: direct },
  ];
  return {
    table: 'calls',
    columns: columns.map(({ name, column }) => ({ name, type: column.type })),
    block: encodeBlock(rows.length, columns),
  };
}
