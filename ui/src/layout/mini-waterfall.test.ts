import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JaegerSpan } from '../../../backend/query/shapes.ts';
import { miniWaterfall } from './mini-waterfall.ts';

const span = (
  spanID: string,
  parent: string,
  startTime: number,
  duration: number,
  error = false,
): JaegerSpan => ({
  traceID: 'a',
  spanID,
  operationName: spanID,
  references: parent === '' ? [] : [{ refType: 'CHILD_OF', traceID: 'a', spanID: parent }],
  startTime,
  duration,
  tags: error ? [{ key: 'error', type: 'bool', value: true }] : [],
  logs: [],
  processID: 'p1',
  warnings: null,
});

void test('strokes stand where time puts them, errors in a path of their own', () => {
  const { paths, errors } = miniWaterfall(
    {
      traceID: 'a',
      spans: [span('2', '1', 150, 50, true), span('1', '', 100, 100)],
      processes: { p1: { serviceName: 'greeter', tags: [] } },
      warnings: null,
    },
    100,
    10,
  );
  assert.deepEqual(paths, [{ service: 'greeter', path: 'M0 0.5h100v3.6h-100z' }]);
  assert.equal(errors, 'M50 5.5h50v3.6h-50z');
});
