import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OutlierJson } from '../../../backend/query/shapes.ts';
import { sayTrouble } from './say-trouble.ts';
import type { Trouble } from './trouble.ts';

const trouble: Trouble = {
  functionName: 'image',
  kind: 'errors',
  size: 0.12,
  sinceMs: new Date(2026, 0, 15, 14, 2).getTime(),
  isFromEdge: false,
  untilMs: undefined,
  errors: 40,
  calls: 333,
  p99Nano: 900e6,
};
const errors = (...types: string[]) =>
  types.map((type) => ({ type, count: 5, example: { traceId: '', spanId: '' } }));
const outlier = (over: Partial<OutlierJson> = {}): OutlierJson => ({
  key: 'faas.version',
  value: '7',
  of: 'failed',
  badShare: 1,
  goodShare: 0.02,
  pValue: 1e-9,
  ...over,
});

const CASES: readonly (readonly [string, Trouble, Parameters<typeof sayTrouble>[1]])[] = [
  ['12 % failed since 14:02', trouble, undefined],
  ['12 % timeouts since 14:02, v7', trouble, { errors: errors('timeout'), outliers: [outlier()] }],
  // Of two kinds neither is said of all.
  ['12 % failed since 14:02', trouble, { errors: errors('timeout', 'oom'), outliers: [] }],
  ['12 % killed by SIGKILL since 14:02', trouble, { errors: errors('SIGKILL'), outliers: [] }],
  ['12 % answered 503 since 14:02', trouble, { errors: errors('503'), outliers: [] }],
  ['12 % failed with TypeError since 14:02', trouble, { errors: errors('TypeError'), outliers: [] }],
  ['12 % failed since 14:02', trouble, { errors: errors('error'), outliers: [] }],
  [
    '12 % failed since 14:02, 93 % of them tenant acme',
    trouble,
    { errors: [], outliers: [outlier({ key: 'tenant', value: 'acme', badShare: 0.93 })] },
  ],
  // What sets the slow apart says nothing of the failed, and what few of them have little.
  [
    '12 % failed since 14:02',
    trouble,
    { errors: [], outliers: [outlier({ of: 'slow' }), outlier({ badShare: 0.2 })] },
  ],
  ['12 % failed since 14:02 or before', { ...trouble, isFromEdge: true }, undefined],
  ['12 % failed', { ...trouble, sinceMs: undefined }, undefined],
  [
    '9.0 times slower since 14:02, version beta',
    { ...trouble, kind: 'slow', size: 9 },
    { errors: errors('timeout'), outliers: [outlier({ of: 'slow', value: 'beta' })] },
  ],
];
for (const [headline, of, detail] of CASES)
  void test(headline, () => assert.equal(sayTrouble(of, detail).headline, headline));

void test('what it was counted of stands beside it', () => {
  assert.equal(sayTrouble(trouble, undefined).counted, '40 of 333 calls');
  assert.equal(
    sayTrouble({ ...trouble, kind: 'slow', size: 9 }, undefined).counted,
    'p99 900 ms, usually 100 ms',
  );
});
