import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { RECORD, VALUE } from '../span/journal-format.ts';
import { startTracing } from '../span/tracing.ts';
import { start } from './agent.ts';
import { OtlpSink } from './test/otlp-sink.ts';
import { Rig } from './test/rig.ts';

const SEGMENT_BYTES = 65_536;

/** A journal with this in its first segment; its process is unknown. */
function journalOf(segment: Buffer, change: (header: Buffer) => void = () => undefined): Buffer {
  const header = Buffer.alloc(4096);
  header.write('SPOORJNL');
  header.writeUInt32LE(1, 8);
  header.writeUInt32LE(4096, 12);
  header.writeUInt32LE(SEGMENT_BYTES, 16);
  header.writeUInt32LE(4, 20);
  header.writeUInt32LE(1, 1024);
  change(header);
  return Buffer.concat([header, segment, Buffer.alloc(SEGMENT_BYTES * 4 - segment.length)]);
}

function record(type: number, body: Buffer): Buffer {
  const size = (4 + body.length + 7) & ~7;
  const bytes = Buffer.alloc(size);
  bytes.writeUInt32LE(((size << 8) | type) >>> 0);
  body.copy(bytes, 4);
  return bytes;
}

function words(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, i) => bytes.writeUInt32LE(value >>> 0, i * 4));
  return bytes;
}

const string = (id: number, text: Buffer) =>
  record(RECORD.string, Buffer.concat([words(id, text.length, 0), text]));
const startSpan = (id: number, attributes: Buffer, count: number) =>
  record(RECORD.start, Buffer.concat([words(1, 0, 0, 7, 7, 7, 7, id, id, 0, 0, 2, 0, 0, count), attributes]));
const endSpan = (id: number) => record(RECORD.end, words(0, id, id, 0, 0, 1, 0));

const HOSTILE: Readonly<Record<string, Buffer>> = {
  empty: Buffer.alloc(0),
  zeros: Buffer.alloc(100_000),
  'random bytes': randomBytes(300_000),
  'a wrong magic': journalOf(Buffer.alloc(0), (header) => header.write('NOTOURS!')),
  'a version of the future': journalOf(Buffer.alloc(0), (header) => header.writeUInt32LE(2, 8)),
  'segments of 4 GiB': journalOf(Buffer.alloc(0), (header) => header.writeUInt32LE(0xffffffff, 16)),
  'a million segments': journalOf(Buffer.alloc(0), (header) => header.writeUInt32LE(1_000_000, 20)),
  'a header and random records': journalOf(randomBytes(SEGMENT_BYTES)),
  'a record of no length': journalOf(words(0x04, 0)),
  'a record past its segment': journalOf(words(0xffffff04, 0)),
  'a record of an odd length': journalOf(words((9 << 8) | 4, 0, 0, 0)),
  'a string longer than its record': journalOf(record(RECORD.string, words(1, 0xffffffff, 0))),
  'a string with an absurd id': journalOf(record(RECORD.string, words(0xfffffff0, 4, 0, 0))),
  'four billion attributes': journalOf(startSpan(5, words(1, (4 << 8) | VALUE.string, 0, 0), 0xffffffff)),
  'an attribute longer than its record': journalOf(startSpan(5, words(1, 0xffffff00, 0, 0), 1)),
  'an end without a start': journalOf(endSpan(9)),
  'an event of no span': journalOf(record(RECORD.event, words(1, 1, 1, 0, 0, 0, 0))),
  'a time that is no number': journalOf(
    Buffer.concat([
      record(RECORD.anchor, words(0, 0, 0x7ff80000, 5, 5)),
      startSpan(3, Buffer.alloc(0), 0),
      endSpan(3),
    ]),
  ),
  'sequences out of the blue': journalOf(Buffer.alloc(0), (header) => {
    header.writeUInt32LE(0xffffffff, 1024);
    header.writeUInt32LE(17, 1028);
  }),
  'arrays within arrays': journalOf(nested()),
  'text that is not utf-8': journalOf(
    Buffer.concat([
      string(1, Buffer.from([0xff, 0xfe, 0x41])),
      startSpan(4, words(1, (4 << 8) | VALUE.string, 0x80ff80ff, 0), 1),
      endSpan(4),
    ]),
  ),
  'an interned value told ten thousand times': journalOf(
    Buffer.concat([
      string(1, Buffer.alloc(32_000, 'x')),
      startSpan(6, words(...Array.from({ length: 4000 }, () => [1, (1 << 8) | VALUE.interned]).flat()), 4000),
      endSpan(6),
    ]),
  ),
  'the same of a span that never ends, under two keys': journalOf(
    Buffer.concat([
      string(1, Buffer.alloc(32_000, 'x')),
      string(2, Buffer.from('k')),
      startSpan(
        10,
        words(...Array.from({ length: 3000 }, (_, i) => [1 + (i & 1), (1 << 8) | VALUE.interned]).flat()),
        3000,
      ),
    ]),
  ),
};

function nested(): Buffer {
  let inner: Buffer = words(0, (1 << 8) | VALUE.bool);
  for (let i = 0; i < 500; i++) inner = Buffer.concat([words(0, (inner.length << 8) | VALUE.array), inner]);
  inner.writeUInt32LE(1);
  return Buffer.concat([string(1, Buffer.from('k')), startSpan(8, inner, 1), endSpan(8)]);
}

void test('a hundred kinds of nonsense in the journals do not keep the agent from an honest one', async () => {
  await using rig = new Rig();
  await using sink = await OtlpSink.start();
  let files = 0;
  for (const [name, bytes] of Object.entries(HOSTILE)) {
    writeFileSync(rig.journal(`hostile-${files++}`), bytes);
    // And the same with an end file: it is read to its end, closed and removed.
    writeFileSync(rig.journal(`ended-${name.replaceAll(' ', '-')}`), bytes);
    writeFileSync(
      rig.journal(`ended-${name.replaceAll(' ', '-')}`).replace(/journal$/, 'end'),
      '{"reason":7,"lastLines":9}',
    );
  }
  for (let i = 0; i < 60; i++) writeFileSync(rig.journal(`random-${i}`), mutate());
  symlinkSync('/dev/zero', rig.journal('link'));
  await using agent = await start({
    journalDirs: [rig.journalDir],
    spoolDir: rig.spoolDir,
    collectorUrl: sink.url,
  });
  using tracing = startTracing({ journal: rig.journal('honest'), resource: { 'service.name': 'honest' } });
  tracing.tracer().startSpan('honest').end();
  await agent.drained();
  await agent.delivered(AbortSignal.timeout(60_000));
  // The sink decodes strictly: utf-8, lengths, no attribute twice.
  assert.ok(sink.spans.some((span) => span.name === 'honest'));
  await sink.until(() => agent.status().deadInstances === 0);
  assert.deepEqual(sink.faults, []);
  const status = agent.status();
  assert.ok(Object.keys(status.unreadable).length >= 5);
  assert.ok(status.damagedRecords > 0);

  truncateSync(rig.journal('honest'), 0); // its owner cuts it off under us
  await agent.drained();
  assert.equal(agent.status().collector.state, 'up');

  /** An honest journal with some bytes changed. */
  function mutate(): Buffer {
    const path = rig.journal('seed').replace(/journal$/, 'seed');
    const tracing = startTracing({
      journal: path,
      resource: { a: 'b' },
      segmentBytes: SEGMENT_BYTES,
      segmentCount: 2,
    });
    for (let i = 0; i < 20; i++) {
      const span = tracing
        .tracer('s')
        .startSpan('n', { attributes: { text: 'some text', list: [1, 'x'], i } });
      span.addEvent('e', { k: 1 });
      span.end();
    }
    tracing[Symbol.dispose]();
    const bytes = readFileSync(path);
    const noise = randomBytes(90);
    for (let i = 0; i < 30; i++) {
      bytes[4096 + (noise.readUInt16LE(i * 3) % 6000)] = noise[i * 3 + 2] as number;
    }
    return bytes;
  }
});
