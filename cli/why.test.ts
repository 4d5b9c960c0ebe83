import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WhyJson } from '../backend/query/shapes.ts';
import { drawWhy } from './why.ts';

const SPAN = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) };
const WHY = {
  traceId: SPAN.traceId,
  outcome: 'failed',
  summary: 'GET /quote (router) failed, 4.1 ms end to end',
  determined: true,
  notDetermined: '',
  causes: [
    {
      kind: 'thrown',
      title: "quote threw TypeError: Cannot read properties of undefined (reading 'net')",
      score: 0.9,
      confident: true,
      stage: 'handler',
      owner: 'quote',
      spans: [SPAN],
      sentences: [
        {
          text: "quote threw: TypeError: Cannot read properties of undefined (reading 'net')",
          spans: [SPAN],
          figures: [],
        },
        { text: 'It comes from module.exports (quote.js:3).', spans: [SPAN], figures: [] },
      ],
      next: ['Open module.exports (quote.js:3).'],
    },
  ],
  account: {
    traceId: SPAN.traceId,
    reading: 'end-to-end',
    root: SPAN,
    startUnixNano: '0',
    endUnixNano: '4140000',
    wallNano: '4140000',
    stages: [
      { stage: 'handler', owner: 'quote', nano: '3140000', share: 0.76, spans: [SPAN] },
      { stage: 'transfer', owner: '挨拶', nano: '1000000', share: 0.24, spans: [SPAN] },
    ],
    segments: [],
  },
  twin: null,
  traceIds: [SPAN.traceId],
  settled: true,
} as unknown as WhyJson;

void test('the answer to why says each thing once, and its columns stand below each other', () => {
  assert.deepEqual(drawWhy(WHY, { width: 100, colour: false }), [
    'GET /quote (router) failed, 4.1 ms end to end',
    '',
    "1  thrown: quote threw TypeError: Cannot read properties of undefined (reading 'net')",
    '   It comes from module.exports (quote.js:3).',
    '   span bbbbbbbbbbbbbbbb',
    '   try  Open module.exports (quote.js:3).',
    '',
    'Where the time went',
    '  handler  quote   3.14 ms   76 %  ██████████████████',
    '  transfer  挨拶   1.00 ms   24 %  ██████',
  ]);
});

void test('it fits a narrow terminal', () => {
  for (const line of drawWhy(WHY, { width: 60, colour: false }).filter((line) => !line.includes('█')))
    assert.ok(line.length <= 60, line);
});
