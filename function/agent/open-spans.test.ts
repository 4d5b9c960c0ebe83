import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Span } from '@opentelemetry/api';
import type { SpanData } from '../span/span-data.ts';
import { DEFAULT_LIMITS } from '../span/tracing-env.ts';
import { startTracing } from '../span/tracing.ts';
import { Chunk, MAX_ENCODED_BYTES } from './attribute-writer.ts';
import { FRAME_HEADER_BYTES } from './frame.ts';
import { Instance } from './instance.ts';
import { JournalReader } from './journal-reader.ts';
import { OtlpBatch } from './otlp-batch.ts';
import { decodeTraces } from './test/otlp-decoder.ts';

void test('with many spans open at a time, an agent that is killed again and again hands on each span once, and whole', () => {
  using rig = new Rig();
  using tracing = startTracing({
    journal: rig.path,
    resource: { 'service.name': 's' },
    segmentBytes: 65_536,
  });
  const tracer = tracing.tracer();
  const open: Span[] = [];
  const total = 6_000;
  for (let i = 0; i < total; i++) {
    open.push(tracer.startSpan('request', { attributes: { number: i, path: `/requests/${i}` } }));
    // Open for as long as another 300 take to begin, many pieces of journal.
    const late = open.length > 300 ? open.shift() : undefined;
    late?.setAttribute('number', i - 300).addEvent('answered', { i });
    late?.setAttribute('status', 200).end();
    if (i % 50 === 0) rig.drain();
    // Between two looks, as SIGKILL would: what was drained is in the spool, and nothing else is known.
    if (i % 700 === 699) rig.restart();
  }
  for (const span of open) span.end();
  rig.drain();
  assert.equal(tracing.dropped.spans, 0);
  assert.equal(rig.instance.transcoder.damaged, 0);
  assert.equal(rig.instance.transcoder.open.size, 0);
  const numbers = rig.sent.map((span) => Number(span.attributes['number']));
  assert.deepEqual(
    numbers.toSorted((a, b) => a - b),
    Array.from({ length: total }, (_, i) => i),
  );
  for (const span of rig.sent) {
    const number = Number(span.attributes['number']);
    assert.equal(span.attributes['path'], `/requests/${number}`);
    if (number < total - 300) {
      assert.equal(span.attributes['status'], 200n);
      assert.deepEqual(
        span.events.map(({ attributes }) => attributes['i']),
        [BigInt(number + 300)],
      );
    }
  }
});

void test('what is said again and again of a span that stays open is one attribute, the last; and of too many keys the first ones stay', () => {
  using rig = new Rig();
  using tracing = startTracing({
    journal: rig.path,
    resource: { 'service.name': 's' },
    limits: { ...DEFAULT_LIMITS, attributeCount: 100_000 },
  });
  const span = tracing.tracer().startSpan('long', { attributes: { first: 'a' } });
  rig.drain();
  for (let i = 0; i < 5_000; i++) {
    span.setAttribute('progress', progress(i));
    if (i % 100 === 0) rig.drain();
  }
  for (let i = 0; i < 2_000; i++) {
    span.setAttribute(`key.${i}`, i);
    if (i % 100 === 0) rig.drain();
  }
  span.setAttribute('first', 'b').setAttribute('key.7', 'seven').end();
  rig.drain();
  const [sent] = rig.sent;
  assert.equal(sent?.attributes['first'], 'b');
  assert.equal(sent.attributes['key.7'], 'seven');
  assert.equal(sent.attributes['progress'], progress(4_999));
  assert.equal(Object.keys(sent.attributes).length, 1_024);
  assert.equal(sent.attributes['key.1021'], 1021n);
  assert.equal(sent.droppedAttributesCount, 2_002 - 1_024);
  assert.ok(rig.largestFrame < MAX_ENCODED_BYTES);
});

function progress(i: number): string {
  return `${i} of 5000, in words that take some room: ${'x'.repeat(200)}`;
}

/** One journal and the agent's side of it, by hand. */
class Rig implements Disposable {
  readonly #dir = mkdtempSync(join(tmpdir(), 'spoor-open-'));
  readonly path = join(this.#dir, 'i-1.journal');
  readonly sent: SpanData[] = [];
  largestFrame = 0;
  readonly #chunk = new Chunk(4 * 1024 * 1024);
  #batch = this.#newBatch();
  #instance: Instance | undefined;

  get instance(): Instance {
    return (this.#instance ??= this.#open());
  }

  drain(): void {
    const { instance } = this;
    while (instance.drain(this.#chunk, this.#batch) > 0) {
      this.#batch.finish();
      instance.commit();
    }
  }

  restart(): void {
    this.#instance?.close();
    this.#instance = undefined;
    this.#batch = this.#newBatch();
  }

  #newBatch(): OtlpBatch {
    return new OtlpBatch((frame, kind) => {
      this.largestFrame = Math.max(this.largestFrame, frame.length);
      if (kind === 'traces') this.sent.push(...decodeTraces(Buffer.from(frame.slice(FRAME_HEADER_BYTES))));
    });
  }

  #open(): Instance {
    const opened = JournalReader.open(this.path);
    assert.ok(opened.kind === 'journal');
    return new Instance({
      id: 'i-1',
      path: this.path,
      spoolDir: this.#dir,
      reader: opened.reader,
      sharesPids: true,
      abandonedAfterMs: 60_000,
    });
  }

  [Symbol.dispose](): void {
    this.restart();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
