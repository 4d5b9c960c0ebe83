import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readTraceFile } from './trace-file.ts';

const ID = '0af7651916cd43dd8448eb211c80319c';
const otlp = {
  resourceSpans: [
    {
      resource: { attributes: [{ key: 'service.name', value: { stringValue: 'greeter' } }] },
      scopeSpans: [
        {
          scope: { name: 'lib' },
          spans: [
            {
              traceId: ID,
              spanId: 'b7ad6b7169203331',
              name: 'root',
              kind: 'SPAN_KIND_SERVER',
              startTimeUnixNano: '1000000000000000001',
              endTimeUnixNano: 1_000_000_000_000_000_512,
              status: { code: 'STATUS_CODE_ERROR', message: 'no' },
              attributes: [{ key: 'n', value: { intValue: 5 } }],
            },
            {
              traceId: 'CvdlGRbNQ92ESOshHIAxnA==',
              spanId: 'AAAAAAAAAAE=',
              parentSpanId: 'b7ad6b7169203331',
              name: 'child',
              startTimeUnixNano: '1000000000000000100',
              endTimeUnixNano: '1000000000000000200',
            },
          ],
        },
      ],
    },
  ],
};

void test('OTLP: ids in hex or base64, enums by name or number, times as text or number', () => {
  const [trace] = readTraceFile(JSON.stringify(otlp));
  assert.equal(trace?.id, ID);
  assert.equal(trace?.startUnixNano, 1_000_000_000_000_000_001n);
  assert.deepEqual(
    trace?.spans.map((span) => [span.name, span.service, span.kind, span.depth, span.isError]),
    [
      ['root', 'greeter', 2, 0, true],
      ['child', 'greeter', 0, 1, false],
    ],
  );
});

void test('OTLP: one a line, in a list, or as our download wraps it', () => {
  const line = JSON.stringify(otlp);
  for (const text of [`${line}\n${line}\n`, `[${line}]`, JSON.stringify({ result: otlp })])
    assert.equal(readTraceFile(text)[0]?.spans.length, 2);
});

void test('Jaeger: tags become fields again, references parents and links, microseconds nanoseconds', () => {
  const span = (spanID: string, over: object) => ({
    traceID: 'abc',
    spanID,
    operationName: spanID,
    references: [],
    startTime: 1_700_000_000_000_000,
    duration: 12.5,
    tags: [],
    logs: [],
    processID: 'p1',
    ...over,
  });
  const file = {
    data: [
      {
        traceID: 'abc',
        spans: [
          span('1', {
            tags: [
              { key: 'span.kind', type: 'string', value: 'server' },
              { key: 'error', type: 'bool', value: true },
            ],
          }),
          span('2', {
            references: [
              { refType: 'CHILD_OF', traceID: 'abc', spanID: '1' },
              { refType: 'FOLLOWS_FROM', traceID: 'def', spanID: '9' },
            ],
            logs: [
              {
                timestamp: 1_700_000_000_000_003,
                fields: [{ key: 'event', type: 'string', value: 'retry' }],
              },
            ],
          }),
        ],
        processes: { p1: { serviceName: 'image', tags: [] } },
      },
    ],
  };
  const [trace] = readTraceFile(JSON.stringify(file));
  assert.equal(trace?.id, 'abc'.padStart(32, '0'));
  const [root, child] = trace?.spans ?? [];
  assert.deepEqual([root?.service, root?.kind, root?.isError, root?.duration], ['image', 2, true, 12_500]);
  assert.deepEqual([child?.depth, child?.source.events?.[0]?.name], [1, 'retry']);
  assert.equal(child?.source.links?.[0]?.traceId, 'def'.padStart(32, '0'));
});

for (const [text, words] of [
  ['', /cannot read it as JSON/],
  ['{"a":1}', /cannot find a span/],
  ['[null, 3]', /cannot find a span/],
  ['{"data":[{"traceID":"xyz","spans":[{}]}]}', /cannot read the id \[xyz\]/],
  [
    '{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"n","traceId":"!"}]}]}]}',
    /the trace id of span \[n\]: \[!\]/,
  ],
  [
    `{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"n","traceId":"${ID}","spanId":"1","startTimeUnixNano":"x"}]}]}]}`,
    /the start of span \[n\]: \[x\]/,
  ],
] as const)
  void test(`what is no trace is said: ${text.slice(0, 60)}`, () =>
    assert.throws(() => readTraceFile(text), words));
