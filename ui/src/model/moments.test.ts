import assert from 'node:assert/strict';
import { test } from 'node:test';
import { momentsOf } from './moments.ts';
import { readTrace } from './trace.ts';

const ID = 'a'.repeat(32);
const text = (key: string, value: string) => ({ key, value: { stringValue: value } });

void test('lines, events, starts and ends stand in order of time, each with its span', () => {
  const trace = readTrace(ID, {
    resourceSpans: [
      {
        resource: { attributes: [text('service.name', 'image')] },
        scopeSpans: [
          {
            scope: {},
            spans: [
              {
                traceId: ID,
                spanId: 'r',
                name: 'draw',
                kind: 2,
                startTimeUnixNano: '1000',
                endTimeUnixNano: '2000',
                status: { code: 2 },
                events: [
                  {
                    timeUnixNano: '1500',
                    name: 'exception',
                    attributes: [text('exception.type', 'TypeError'), text('exception.message', 'no font')],
                  },
                  { timeUnixNano: '1000', name: 'asked', attributes: [text('a', 'b'), text('c', 'd')] },
                ],
              },
            ],
          },
        ],
      },
    ],
  });
  assert.ok(trace);
  const log = (timeUnixNano: string, spanId: string, severityNumber: number) => ({
    timeUnixNano,
    spanId,
    severityNumber,
    severityText: '',
    body: `line at ${timeUnixNano}`,
    traceId: ID,
    service: 'image',
    attributes: [],
  });
  assert.deepEqual(
    momentsOf(trace, [log('2000', 'r', 17), log('900', 'gone', 9)]).map((moment) => [
      moment.at,
      moment.kind,
      moment.label,
      moment.text,
      moment.isError,
      moment.span?.id,
    ]),
    [
      [-100, 'log', 'info', 'line at 900', false, undefined],
      [0, 'start', 'starts', '', false, 'r'],
      [0, 'event', 'asked', 'a=b c=d', false, 'r'],
      [500, 'event', 'exception', 'TypeError: no font', true, 'r'],
      [1_000, 'log', 'error', 'line at 2000', true, 'r'],
      [1_000, 'end', 'fails', 'after 1.00 µs', true, 'r'],
    ],
  );
});
