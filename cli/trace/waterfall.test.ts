import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { SPAN_KIND, STATUS_CODE, type SpanData } from '../../function/span/span-data.ts';
import { drawBar, drawWaterfall } from './waterfall.ts';

const PLAIN = { width: 100, colour: false };

describe('a trace in the terminal', () => {
  test('is a tree on one time axis: children below their parents, bars where time puts them', () => {
    const lines = drawWaterfall(
      [
        span({ spanId: 'a', name: 'POST /greetings', service: 'router', from: 0, to: 100 }),
        span({ spanId: 'b', parent: 'a', name: 'greeter', service: 'greeter', from: 50, to: 100 }),
        span({ spanId: 'c', parent: 'a', name: 'load function', service: 'executor', from: 10, to: 40 }),
      ],
      PLAIN,
    );
    const rows = lines.slice(2);
    assert.deepEqual(
      rows.map((row) => row.split(/\s{2,}/)[1]?.trim()),
      ['POST /greetings', '├─ load function', '└─ greeter'],
    );
    const bars = rows.map((row) => [row.search(/[█▏▎▍▌▋▊▉]/), row.length] as const);
    assert.ok(bars[0] && bars[1] && bars[2]);
    assert.ok(bars[0][0] < bars[1][0] && bars[1][0] < bars[2][0], 'bars begin in the order of time');
    assert.equal(bars[2][1], bars[0][1], 'the last child ends with its parent');
    assert.ok(
      rows.every((row) => row.length <= 100),
      'no line is wider than the terminal',
    );
  });

  test('says what failed, with the exception, and which span its process never ended', () => {
    const text = drawWaterfall(
      [
        span({
          spanId: 'a',
          name: 'image',
          service: 'image',
          from: 0,
          to: 10,
          error: 'killed by SIGKILL',
          attributes: { 'spoor.unfinished': true },
        }),
        span({
          spanId: 'b',
          parent: 'a',
          name: 'draw',
          service: 'image',
          from: 1,
          to: 2,
          error: 'x',
          exception: ['TypeError', 'no font'],
        }),
      ],
      PLAIN,
    ).join('\n');
    assert.match(text, /2 errors/);
    assert.match(text, /image +† /);
    assert.match(text, /killed by SIGKILL/);
    assert.match(text, /draw +✗ /);
    assert.match(text, /TypeError: no font/);
    assert.match(text, /† its process died/);
  });

  test('nothing in a name can move the cursor or turn the text round', () => {
    const text = drawWaterfall(
      [span({ spanId: 'a', name: 'a\u001b[2Jb\u202ec\nd', service: 's\u0007', from: 0, to: 1 })],
      PLAIN,
    ).join('\n');
    assert.equal(text, stripVTControlCharacters(text));
    for (const character of ['\u202e', '\u0007']) assert.ok(!text.includes(character));
    assert.match(text, /a \[2Jb c d/);
  });

  test('a span outside the axis, or ending before it began, still shows as a sliver inside', () => {
    const odd = span({ spanId: 'a', name: 'odd', service: 's', from: 90, to: 20 });
    const bar = drawBar(odd, nano(0), nano(100), 40);
    assert.ok(bar.offset < 40);
    assert.equal(bar.text.length, 1);
  });

  test('an empty trace and a parent that is not there are said', () => {
    assert.deepEqual(drawWaterfall([], PLAIN), ['no spans']);
    assert.match(
      drawWaterfall(
        [span({ spanId: 'a', parent: 'zz', name: 'n', service: 's', from: 0, to: 1 })],
        PLAIN,
      )[0] ?? '',
      /1 span with an unknown parent/,
    );
  });
});

function nano(ms: number): bigint {
  return 1_700_000_000_000_000_000n + BigInt(ms) * 1_000_000n;
}

function span(given: {
  spanId: string;
  parent?: string;
  name: string;
  service: string;
  from: number;
  to: number;
  error?: string;
  exception?: [type: string, message: string];
  attributes?: SpanData['attributes'];
}): SpanData {
  return {
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: given.spanId,
    parentSpanId: given.parent ?? '',
    name: given.name,
    kind: SPAN_KIND.internal,
    startTimeUnixNano: nano(given.from),
    endTimeUnixNano: nano(given.to),
    status: {
      code: given.error === undefined ? STATUS_CODE.unset : STATUS_CODE.error,
      message: given.error ?? '',
    },
    attributes: given.attributes ?? {},
    events: given.exception
      ? [
          {
            timeUnixNano: nano(given.from),
            name: 'exception',
            attributes: { 'exception.type': given.exception[0], 'exception.message': given.exception[1] },
            droppedAttributesCount: 0,
          },
        ]
      : [],
    links: [],
    traceState: '',
    flags: 1,
    resource: { 'service.name': given.service },
    scope: { name: '', version: '' },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}
