import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { decodeHeader, SegmentDecoder, type JournalRecord } from './journal-decoder.ts';
import { HEADER, HEADER_BYTES } from './journal-format.ts';
import { SpanTable } from './span-table.ts';
import { startTemporaryTracing } from './test/temporary-journal.ts';

const TRANSPORTS = ['map', 'write'] as const;

const scalar = fc.oneof(
  fc.string({ unit: 'binary' }).map((text) => text.toWellFormed()),
  fc.string({ minLength: 10, maxLength: 300 }),
  fc.boolean(),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.uint8Array(),
);
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    scalar,
    fc.array(fc.oneof(tie('value'), fc.constant(null)), { maxLength: 5 }),
    fc.dictionary(fc.string(), tie('value'), { maxKeys: 5 }),
  ),
}));
const key = fc.string({ unit: 'binary', minLength: 1 }).map((text) => text.toWellFormed());

for (const transport of TRANSPORTS) {
  void test(`an attribute of any type comes out as it went in (${transport})`, () => {
    fc.assert(
      fc.property(fc.dictionary(key, value, { maxKeys: 8 }), key, value, (atStart, lateKey, late) => {
        using temporary = startTemporaryTracing({ transport, segmentBytes: 65_536, segmentCount: 2 });
        const span = temporary.tracing.tracer().startSpan('s', { attributes: atStart });
        span.setAttribute(lateKey, late);
        span.addEvent('e', atStart);
        span.end();
        const read = temporary.read();
        assert.deepEqual(read.problems, []);
        const expected = Object.fromEntries(Object.entries(atStart).map(([name, v]) => [name, asOtlp(v)]));
        assert.deepEqual(read.spans[0]?.events[0]?.attributes, expected);
        assert.deepEqual(own(read.spans[0]?.attributes), own({ ...expected, [lateKey]: asOtlp(late) }));
      }),
      { numRuns: 150 },
    );
  });

  void test(`10,000 spans in one tick are all there, across segments (${transport})`, () => {
    using temporary = startTemporaryTracing({ transport });
    const tracer = temporary.tracing.tracer();
    for (let i = 0; i < 10_000; i++) {
      const span = tracer.startSpan(`op ${i % 7}`, { attributes: { i, text: `number ${i}` } });
      span.setAttribute('late', i);
      span.end();
    }
    const { spans, open, problems, orphans, header } = temporary.read();
    assert.deepEqual([open.length, problems, orphans], [0, [], 0]);
    assert.equal(spans.length, 10_000);
    assert.ok(header.sequences.filter((sequence) => sequence > 0).length > 1, 'more than one segment');
    for (const [i, span] of spans.entries()) {
      assert.equal(span.name, `op ${i % 7}`);
      assert.deepEqual(span.attributes, { i: BigInt(i), text: `number ${i}`, late: BigInt(i) });
      assert.deepEqual(span.resource, { 'service.name': 'greeter' });
    }
  });

  void test(`values that repeat, change and come back are what they were (${transport})`, () => {
    using temporary = startTemporaryTracing({ transport, segmentBytes: 65_536 });
    const tracer = temporary.tracing.tracer();
    const texts = ['same', 'same', 'same', 'é', 'é', 'x'.repeat(300), 'x'.repeat(300), 'same', 'same', ''];
    const of = (i: number) => ({
      always: 'the very same text',
      pattern: texts[i % texts.length] as string,
      slow: `value ${i >> 6}`,
      unique: `value ${i}`,
    });
    for (let i = 0; i < 3_000; i++) tracer.startSpan('op', { attributes: of(i) }).end();
    const { spans, problems } = temporary.read();
    assert.deepEqual(problems, []);
    assert.deepEqual(
      spans.map((span) => span.attributes),
      Array.from({ length: 3_000 }, (_, i) => of(i)),
    );
  });

  void test(`an attribute without a name is left out (${transport})`, () => {
    using temporary = startTemporaryTracing({ transport });
    const span = temporary.tracing.tracer().startSpan('op', { attributes: { '': 'nothing', a: 1 } });
    span.setAttribute('', 'nothing');
    span.end();
    const [read] = temporary.read().spans;
    assert.deepEqual(read?.attributes, { a: 1n });
    assert.equal(read?.droppedAttributesCount, 2);
  });

  void test(`a full journal drops, counts, and says so once a segment is drained (${transport})`, () => {
    using temporary = startTemporaryTracing({ transport, segmentBytes: 65_536, segmentCount: 2 });
    const { tracing } = temporary;
    const tracer = tracing.tracer();
    const write = (count: number) => {
      let recorded = 0;
      for (let i = 0; i < count; i++) {
        const span = tracer.startSpan('op', { attributes: { text: `${i}`.padEnd(200, 'x') } });
        if (span.isRecording()) recorded += 1;
        span.end();
      }
      return recorded;
    };
    const recorded = write(1000);
    assert.ok(recorded > 200 && recorded < 1000);
    const full = temporary.read();
    // A span whose START found room and whose END did not is dropped too, and stays open.
    assert.equal(full.spans.length + full.droppedSpans, 1000);
    assert.equal(tracing.dropped.spans, full.droppedSpans);
    tracing.log({ severityNumber: 9, source: 'console', body: 'y'.repeat(500) });
    assert.equal(temporary.read().droppedLogs, 1);

    drain(temporary.journal, 0, 1);
    assert.ok(write(50) >= 49);
    const after = temporary.read();
    assert.deepEqual(after.problems, []);
    assert.deepEqual([...after.header.sequences], [3, 2]);
    assert.equal(after.droppedSpans, full.droppedSpans);
    const told = records(temporary.journal, 0).find((record) => record.type === 'dropped');
    assert.deepEqual(told, { type: 'dropped', spans: BigInt(full.droppedSpans), logs: 1n });
  });

  void test(`a record too big for a segment loses attributes, not the span (${transport})`, () => {
    using temporary = startTemporaryTracing({ transport, segmentBytes: 65_536, segmentCount: 4 });
    const attributes = Object.fromEntries(
      Array.from({ length: 5 }, (_, i) => [`big${i}`, 'z'.repeat(30_000)]),
    );
    temporary.tracing.tracer().startSpan('big', { attributes }).end();
    temporary.tracing
      .tracer()
      .startSpan('keys', {
        attributes: Object.fromEntries(Array.from({ length: 128 }, (_, i) => [`${i}${'k'.repeat(2000)}`, 1])),
      })
      .end();
    temporary.tracing.tracer().startSpan('small').end();
    const { spans, problems, droppedSpans } = temporary.read();
    assert.deepEqual(problems, []);
    assert.deepEqual(
      spans.map((span) => span.name),
      ['big', 'small'],
    );
    assert.equal(droppedSpans, 1, 'keys that fill a segment by themselves');
    assert.equal(Object.keys(spans[0]?.attributes ?? {}).length, 2);
    assert.equal(spans[0]?.droppedAttributesCount, 3);
  });
}

void test('a journal begun with writes goes on in shared memory', () => {
  using temporary = startTemporaryTracing({ transport: 'write' });
  const { tracing } = temporary;
  const tracer = tracing.tracer();
  const open = tracer.startSpan('before');
  open.setAttribute('waits', 'to be written');
  assert.equal(tracing.upgradeTransport(), true);
  assert.equal(tracing.transport, 'map');
  open.setAttribute('after', 1);
  open.end();
  tracer.startSpan('later').end();
  const { spans, header, problems } = temporary.read();
  assert.deepEqual(problems, []);
  assert.equal(header.transport, 'map');
  assert.equal(header.pid, process.pid);
  assert.ok(header.startTicks > 0n);
  assert.deepEqual(
    spans.map((span) => span.name),
    ['before', 'later'],
  );
  assert.deepEqual(spans[0]?.attributes, { waits: 'to be written', after: 1n });
});

void test('a torn tail is no record: the reader stops before it and goes on there once it is whole', () => {
  using temporary = startTemporaryTracing();
  const tracer = temporary.tracing.tracer();
  tracer.startSpan('whole').end();
  const whole = segment(temporary.journal, 0);
  const { offset } = new SegmentDecoder().decode(whole, 0, () => undefined);
  const torn = Buffer.from(whole);
  torn.fill(0xee, offset + 4, offset + 60); // everything but the header word
  const names: string[] = [];
  const decoder = new SegmentDecoder();
  const visit = (record: JournalRecord) => {
    if (record.type === 'start') names.push(record.name);
  };
  assert.deepEqual(decoder.decode(torn, 0, visit), { offset, state: 'tail' });
  tracer.startSpan('next').end();
  assert.equal(decoder.decode(segment(temporary.journal, 0), offset, visit).state, 'tail');
  assert.deepEqual(names, ['whole', 'next']);
});

void test('no bytes, however hostile, make the decoder throw or hang', () => {
  using temporary = startTemporaryTracing({ segmentBytes: 65_536 });
  const span = temporary.tracing.tracer('scope').startSpan('s', {
    attributes: { text: 'abc', list: [1, 'two', null as never], nested: { deep: [{ er: true }] } },
    links: [{ context: { traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8), traceFlags: 1 } }],
  });
  span.addEvent('event', { a: 1.5 });
  temporary.tracing.log({ severityNumber: 9, source: 'stdout', body: 'line' });
  span.end();
  temporary.tracing.goodbye({ x: 'y' });
  const good = segment(temporary.journal, 0);
  const used = new SegmentDecoder().decode(good, 0, () => undefined).offset;
  const mutation = fc.tuple(
    fc.nat(used - 1),
    fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 8, 255, 254, 127, 128)),
  );
  fc.assert(
    fc.property(fc.array(mutation, { minLength: 1, maxLength: 12 }), (mutations) => {
      const bytes = Buffer.from(good);
      for (const [at, byte] of mutations) bytes[at] = byte;
      decodeAll(bytes);
    }),
    { numRuns: 3000 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 8, maxLength: 4096 }), (bytes) => decodeAll(bytes)),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: HEADER_BYTES, maxLength: HEADER_BYTES }),
      fc.nat(),
      (page, size) => {
        page.set(Buffer.from('SPOORJNL'), 0);
        const header = decodeHeader(page, size);
        if (typeof header !== 'string') assert.ok(header.segmentCount <= 256);
      },
    ),
    { numRuns: 200 },
  );
});

void test('a key named __proto__ is an attribute like any other', () => {
  using temporary = startTemporaryTracing();
  const span = temporary.tracing.tracer().startSpan('s');
  span.setAttribute('__proto__', { polluted: true });
  span.end();
  const attributes = temporary.read().spans[0]?.attributes;
  assert.deepEqual(Object.keys(attributes ?? {}), ['__proto__']);
  assert.equal((attributes as { polluted?: unknown }).polluted, undefined);
});

function decodeAll(bytes: Uint8Array): void {
  const table = new SpanTable();
  const { offset } = new SegmentDecoder().decode(bytes, 0, (record) => {
    table.apply(record);
  });
  assert.ok(offset <= bytes.length);
}

function segment(path: string, index: number): Buffer {
  const file = readFileSync(path);
  const size = file.readUInt32LE(HEADER.segmentBytes);
  return file.subarray(HEADER_BYTES + index * size, HEADER_BYTES + (index + 1) * size);
}

function records(path: string, index: number): JournalRecord[] {
  const found: JournalRecord[] = [];
  new SegmentDecoder().decode(segment(path, index), 0, (record) => found.push(record));
  return found;
}

/** What the agent does when it has all of a segment. */
function drain(path: string, index: number, sequence: number): void {
  const fd = openSync(path, 'r+');
  writeSync(fd, Uint32Array.of(sequence), 0, 4, HEADER.drained + 4 * index);
  closeSync(fd);
}

/** What the journal makes of a JavaScript value: whole numbers are int64, other numbers double, bytes bytes. */
function asOtlp(given: unknown): unknown {
  if (typeof given === 'number') {
    if (!Number.isSafeInteger(given)) return given;
    return BigInt(given);
  }
  if (Array.isArray(given)) return given.map(asOtlp);
  if (given instanceof Uint8Array) return Uint8Array.from(given);
  if (typeof given === 'object' && given !== null)
    return own(Object.fromEntries(Object.entries(given).map(([name, v]) => [name, asOtlp(v)])));
  return given;
}

/** With Object's own prototype: fast-check also makes objects without one. */
function own(given: object | undefined): object {
  return Object.fromEntries(Object.entries(given ?? {}));
}
