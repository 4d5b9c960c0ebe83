import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TraceSummaryJson } from '../../../backend/query/shapes.ts';
import { slowerThanUsual } from './slower.ts';

const trace = (
  rootOperationName: string,
  durationMs: number,
  startMs = 0,
  errorSpanCount = 0,
): TraceSummaryJson => ({
  traceId: `${rootOperationName} ${durationMs}`,
  rootServiceName: 'router',
  rootOperationName,
  minStartTimeUnixNano: String(startMs * 1e6),
  maxEndTimeUnixNano: String((startMs + durationMs) * 1e6),
  spanCount: 1,
  errorSpanCount,
  orphanSpanCount: 0,
  services: [],
});

void test('slow is slow against what began alike, the newest first; what failed is told elsewhere', () => {
  const found = slowerThanUsual(
    [
      ...[20, 22, 25].map((ms) => trace('POST /greetings', ms)),
      trace('POST /greetings', 900, 5),
      trace('POST /greetings', 800, 9),
      trace('POST /greetings', 700, 9, 1),
      ...[900, 910, 940].map((ms) => trace('GET /report', ms)),
      ...[1, 1, 60].map((ms) => trace('GET /fast', ms)),
      trace('GET /once', 5_000),
      trace('GET /once', 1),
    ],
    5,
  );
  assert.deepEqual(
    found.map(({ summary, usualNano, times }) => [summary.traceId, usualNano / 1e6, Math.round(times)]),
    [
      ['POST /greetings 800', 25, 32],
      ['POST /greetings 900', 25, 36],
    ],
  );
  assert.equal(
    slowerThanUsual(
      found.map(({ summary }) => summary),
      5,
    ).length,
    0,
  );
});
