import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { context, SpanStatusCode, trace, type Span } from '@opentelemetry/api';
import { readJournal } from '../span/read-journal.ts';
import type { SpanData } from '../span/span-data.ts';
import { startTracing } from '../span/tracing.ts';
import { Chunk } from './attribute-writer.ts';
import { FRAME_HEADER_BYTES } from './frame.ts';
import { Instance } from './instance.ts';
import { JournalReader } from './journal-reader.ts';
import { OtlpBatch } from './otlp-batch.ts';
import { decodeTraces } from './test/otlp-decoder.ts';

/** Few keys and few values, so that what was remembered of a key is right as often as it is wrong. */
const KEYS = ['a', 'b', 'key', 'http.route', 'faas.invocation_id'];
const VALUES = [
  '',
  'x',
  'same',
  'grün',
  'grüße',
  'plain text of 36 characters, exactly.',
  'long '.repeat(100),
  0,
  7,
  127,
  128,
  200,
  404,
  -1,
  2 ** 40,
  0.5,
  -0.25,
  true,
  false,
  ['x', 1, true],
  { inner: 'y', a: 2 },
  new Uint8Array([1, 200]),
];

void test('whatever comes before it, an attribute leaves as the journal has it', () => {
  const dir = mkdtempSync(join(tmpdir(), 'spoor-transcoder-'));
  try {
    for (let seed = 1; seed <= 20; seed++) compare(join(dir, `${seed}.journal`), dir, randomFrom(seed));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

/** Spans at random, some nested, some open over several reads, against the reader that keeps values as values. */
function compare(path: string, dir: string, random: (below: number) => number): void {
  using tracing = startTracing({ journal: path, resource: { 'service.name': 's' }, segmentBytes: 65_536 });
  const tracer = tracing.tracer('lib', '1');
  const opened = JournalReader.open(path);
  assert.ok(opened.kind === 'journal');
  const instance = new Instance({
    id: 'i-1',
    path,
    spoolDir: dir,
    reader: opened.reader,
    sharesPids: true,
    abandonedAfterMs: 60_000,
  });
  const sent: SpanData[] = [];
  const batch = new OtlpBatch((frame, kind) => {
    if (kind === 'traces') sent.push(...decodeTraces(Buffer.from(frame.slice(FRAME_HEADER_BYTES))));
  });
  const chunk = new Chunk(4 * 1024 * 1024);
  const attribute = () =>
    [KEYS[random(KEYS.length)] as string, VALUES[random(VALUES.length)] as string] as const;
  const open: Span[] = [];
  for (let step = 0; step < 400; step++) {
    const parent = open.at(-1);
    const around = parent === undefined ? context.active() : trace.setSpan(context.active(), parent);
    switch (random(6)) {
      case 0:
      case 1: {
        const attributes = Object.fromEntries(Array.from({ length: random(5) }, attribute));
        open.push(tracer.startSpan(random(2) === 0 ? 'one' : 'another', { attributes }, around));
        break;
      }
      case 2:
        open[random(open.length)]?.setAttribute(...attribute());
        break;
      case 3:
        open[random(open.length)]?.addEvent('event', Object.fromEntries([attribute()]));
        break;
      case 4:
        open.splice(random(open.length), 1)[0]?.end();
        break;
      case 5:
        if (random(4) === 0) while (instance.drain(chunk, batch) > 0) batch.finish();
    }
  }
  for (const span of open) span.setStatus({ code: SpanStatusCode.ERROR, message: 'late' }).end();
  while (instance.drain(chunk, batch) > 0) batch.finish();
  const truth = readJournal(path);
  instance.close();
  assert.equal(instance.transcoder.damaged, 0);
  const byId = (a: SpanData, b: SpanData) => (a.spanId < b.spanId ? -1 : 1);
  assert.deepEqual(sent.sort(byId), [...truth.spans].sort(byId));
}

/** mulberry32: the same run for the same seed. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % Math.max(below, 1);
  };
}
