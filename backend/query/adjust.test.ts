import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SpanData } from '../../function/span/span-data.ts';
import { adjust } from './adjust.ts';

const MS = 1_000_000n;
const TEN_SECONDS = 10_000n * MS;

void test("a child on a host whose clock is behind is centred in its parent, and its host's spans move with it", () => {
  const spans = [
    span('a', '', 1_000, 1_100, 'one'),
    span('b', 'a', 500, 520, 'two'),
    span('c', 'b', 505, 510, 'two'),
  ];
  const adjusted = adjust(spans, { maxClockSkewNano: TEN_SECONDS });
  assert.deepEqual(times(adjusted), { a: [1_000, 1_100], b: [1_040, 1_060], c: [1_045, 1_050] });
  const moved = adjusted.find(({ span }) => span.spanId === 'b');
  assert.deepEqual(moved?.warnings, ["This span's timestamps were adjusted by 540ms"]);
});

void test('a consumer is never moved into its producer, however late or early it is', () => {
  const spans = [
    span('p', '', 1_000, 1_100, 'one', 4),
    span('late', 'p', 5_000, 5_020, 'two', 5),
    span('early', 'p', 500, 520, 'three', 5),
  ];
  const adjusted = adjust(spans, { maxClockSkewNano: TEN_SECONDS });
  assert.deepEqual(times(adjusted), { p: [1_000, 1_100], late: [5_000, 5_020], early: [500, 520] });
  assert.ok(adjusted.every(({ warnings }) => warnings.length === 0));
});

void test('a child longer than its parent only has its start moved up', () => {
  const spans = [span('a', '', 1_000, 1_100, 'one'), span('b', 'a', 900, 1_500, 'two')];
  assert.deepEqual(times(adjust(spans, { maxClockSkewNano: TEN_SECONDS }))['b'], [1_000, 1_600]);
});

void test('beyond the largest correction a span stays and says by how much it was off', () => {
  const spans = [span('a', '', 1_000, 1_100, 'one'), span('b', 'a', 500, 520, 'two')];
  const capped = adjust(spans, { maxClockSkewNano: 100n * MS });
  assert.deepEqual(times(capped)['b'], [500, 520]);
  assert.match(capped.find(({ span }) => span.spanId === 'b')?.warnings[0] ?? '', /100ms exceeded.*540ms/);
  const off = adjust(spans);
  assert.match(off.find(({ span }) => span.spanId === 'b')?.warnings[0] ?? '', /disabled.*540ms/);
});

void test('work that goes on after its parent on one machine is no wrong clock', () => {
  const spans = [span('a', '', 1_000, 1_100, ''), span('b', 'a', 1_090, 1_130, '')];
  assert.ok(adjust(spans).every(({ warnings }) => warnings.length === 0));
});

void test('a server span that shares its id with its client gets its own, with what was below it', () => {
  const spans = [
    span('0a', '', 0, 100, '', 3),
    span('0a', '', 10, 90, '', 2),
    span('0c', '0a', 20, 80, '', 1),
  ];
  const [client, server, inner] = adjust(spans).map(({ span }) => span);
  assert.equal(server?.parentSpanId, client?.spanId);
  assert.notEqual(server?.spanId, client?.spanId);
  assert.equal(inner?.parentSpanId, server?.spanId);
});

void test('attributes and events are sorted, library attributes move to the resource, an ip is dotted, empty links go', () => {
  const [adjusted] = adjust([
    {
      ...span('a', '', 0, 10, ''),
      attributes: { z: 1n, 'peer.ipv4': 2_130_706_433n, 'telemetry.sdk.name': 'spoor', b: 'x' },
      events: [5n, 2n].map((timeUnixNano) => ({
        timeUnixNano,
        name: '',
        attributes: { b: 1n, a: 2n },
        droppedAttributesCount: 0,
      })),
      links: [
        {
          traceId: '0'.repeat(32),
          spanId: '',
          traceState: '',
          flags: 0,
          attributes: {},
          droppedAttributesCount: 0,
        },
      ],
    },
  ]);
  assert.deepEqual(Object.entries(adjusted?.span.attributes ?? {}), [
    ['b', 'x'],
    ['peer.ipv4', '127.0.0.1'],
    ['z', 1n],
  ]);
  assert.equal(adjusted?.span.resource['telemetry.sdk.name'], 'spoor');
  assert.deepEqual(
    adjusted?.span.events.map((event) => [event.timeUnixNano, Object.keys(event.attributes)]),
    [
      [2n, ['a', 'b']],
      [5n, ['a', 'b']],
    ],
  );
  assert.deepEqual(adjusted?.span.links, []);
});

function times(adjusted: ReturnType<typeof adjust>): Record<string, number[]> {
  return Object.fromEntries(
    adjusted.map(({ span }) => [
      span.spanId,
      [Number(span.startTimeUnixNano / MS), Number(span.endTimeUnixNano / MS)],
    ]),
  );
}

function span(
  spanId: string,
  parentSpanId: string,
  fromMs: number,
  toMs: number,
  host: string,
  kind: SpanData['kind'] = 1,
): SpanData {
  return {
    traceId: 'a'.repeat(32),
    spanId,
    parentSpanId,
    name: spanId,
    kind,
    startTimeUnixNano: BigInt(fromMs) * MS,
    endTimeUnixNano: BigInt(toMs) * MS,
    status: { code: 0, message: '' },
    attributes: {},
    events: [],
    links: [],
    traceState: '',
    flags: 1,
    resource: host === '' ? {} : { 'host.name': host },
    scope: { name: '', version: '' },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}
