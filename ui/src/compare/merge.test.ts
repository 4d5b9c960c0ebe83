import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readTrace, type Trace } from '../model/trace.ts';
import { mergeTraces } from './merge.ts';

const trace = (
  id: string,
  spans: readonly (readonly [id: string, parent: string, name: string, ms: number])[],
): Trace => {
  const read = readTrace(id, {
    resourceSpans: [
      {
        resource: { attributes: [{ key: 'service.name', value: { stringValue: 's' } }] },
        scopeSpans: [
          {
            scope: {},
            spans: spans.map(([spanId, parentSpanId, name, ms], i) => ({
              traceId: id,
              spanId,
              parentSpanId,
              name,
              kind: 1,
              startTimeUnixNano: String(1_000_000 + i),
              endTimeUnixNano: String(1_000_000 + i + ms * 1_000_000),
              status: {},
            })),
          },
        ],
      },
    ],
  });
  assert.ok(read);
  return read;
};

void test('the same names from the root down are one row; what one of them lacks is missing on its side', () => {
  const a = trace('a', [
    ['1', '', 'root', 9],
    ['2', '1', 'try', 2],
    ['3', '1', 'end', 1],
  ]);
  const b = trace('b', [
    ['1', '', 'root', 20],
    ['2', '1', 'try', 2],
    ['3', '1', 'try', 6],
    ['4', '3', 'inner', 1],
  ]);
  assert.deepEqual(
    mergeTraces(a, b).map((row) => [row.depth, row.name, row.a?.count, row.b?.count, row.b?.total]),
    [
      [0, 'root', 1, 1, 20e6],
      [1, 'try', 1, 2, 8e6],
      [2, 'inner', undefined, 1, 1e6],
      [1, 'end', 1, undefined, undefined],
    ],
  );
});
