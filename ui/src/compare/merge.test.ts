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

void test('what only the second has stands where it stood there, also before all others', () => {
  const a = trace('a', [
    ['1', '', 'root', 9],
    ['2', '1', 'image', 2],
    ['3', '1', 'end', 1],
  ]);
  const b = trace('b', [
    ['1', '', 'root', 9],
    ['2', '1', 'start', 2],
    ['3', '1', 'image', 2],
    ['4', '1', 'retry', 2],
    ['5', '1', 'end', 1],
  ]);
  assert.deepEqual(
    mergeTraces(a, b).map(({ name }) => name),
    ['root', 'start', 'image', 'retry', 'end'],
  );
});

void test('a fan of 50,000 names and a chain of 5,000 are merged without a deep stack', () => {
  const fan = trace(
    'a',
    Array.from({ length: 50_000 }, (_, i) => [`${i}`, i === 0 ? '' : '0', `n${i}`, 1] as const),
  );
  assert.equal(mergeTraces(fan, fan).length, 50_000);
  const chain = trace(
    'a',
    Array.from({ length: 5_000 }, (_, i) => [`${i}`, i === 0 ? '' : `${i - 1}`, 'n', 1] as const),
  );
  assert.equal(mergeTraces(chain, undefined).at(-1)?.depth, 4_999);
});
