import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { describe, test } from 'node:test';
import { readJournal } from '../../span/read-journal.ts';
import { pythonProgram } from './program.ts';
import { journalOf, startWith } from './test/start-with.ts';

const SEGMENT_BYTES = 65_536;
/** docs/journal.md, "File". */
const DRAINED_AT = 2048;

/** Writes as it is told, a line each: `spans N THREADS`, `logs N`, `sizes`; says what it counted as dropped. */
const WRITER = `
import sys, threading
sys.path.insert(0, sys.argv[1])
from spoor_environment.journal_file import JournalFile
from spoor_environment.journal_writer import JournalWriter
from spoor_environment.tracer import JournalTracer
from spoor_environment.tracing_env import read_tracing_env

env = read_tracing_env({})
file = JournalFile(sys.argv[2], ${SEGMENT_BYTES}, int(sys.argv[3]))
writer = JournalWriter(file, env.limits.attribute_value_length)
writer.set_resource({'service.name': 'stress'})
tracer = JournalTracer(writer, env.limits, env.sampler, 'stress', '1')

def spans(count, first):
    for i in range(first, first + count):
        span = tracer.start_span('span', attributes={'i': i, 'text': 'x' * (i % 300), 'same': 'same', 'flag': i % 2 == 0})
        span.set_attribute(f'key {i % 50}', 'ü' * (i % 7))
        span.end()

for line in sys.stdin:
    what, *numbers = line.split()
    numbers = [int(number) for number in numbers]
    if what == 'spans':
        count, threads = numbers
        all = [threading.Thread(target=spans, args=(count // threads, t * count)) for t in range(threads)]
        [thread.start() for thread in all]
        [thread.join() for thread in all]
    if what == 'logs':
        for i in range(numbers[0]):
            writer.log(None, None, 0.0, 9, 1, f'line {i}', {})
    if what == 'sizes':
        for size in range(0, 40_000, 997):
            tracer.start_span('size', attributes={'size': size, 'text': 'y' * size}).end()
    print(writer.dropped_spans, writer.dropped_logs, flush=True)
`;

void describe('the Python writer', () => {
  void test('4,000 spans of eight threads are all there, across segments', async () => {
    await using writer = await Writer.start(64);
    assert.deepEqual(await writer.tell('spans 4000 8'), [0, 0]);
    const { spans, open, orphans, problems, header } = writer.read();
    assert.deepEqual([open.length, orphans, problems], [0, 0, []]);
    assert.equal(new Set(spans.map(({ spanId }) => spanId)).size, 4_000);
    assert.ok(header.sequences.filter((sequence) => sequence !== 0).length > 8, 'it turned often');
    for (const { attributes } of spans) {
      const i = Number(attributes['i']);
      assert.deepEqual(attributes, {
        i: BigInt(i),
        text: 'x'.repeat(i % 300),
        same: 'same',
        flag: i % 2 === 0,
        [`key ${i % 50}`]: 'ü'.repeat(i % 7),
      });
    }
  });

  void test('texts of every length fit, wherever a segment ends', async () => {
    await using writer = await Writer.start(64);
    assert.deepEqual(await writer.tell('sizes'), [0, 0]);
    const { spans, problems } = writer.read();
    assert.deepEqual(problems, []);
    for (const { attributes } of spans) {
      // Longer than the limit is cut to it.
      const length = Math.min(Number(attributes['size']), 32_768);
      assert.equal(attributes['text'], 'y'.repeat(length));
    }
    assert.equal(spans.length, Math.ceil(40_000 / 997));
  });

  void test('a full journal drops, counts exactly, and goes on once there is room', async () => {
    await using writer = await Writer.start(4);
    const [droppedSpans = 0] = await writer.tell('spans 4000 4');
    const full = writer.read();
    assert.ok(droppedSpans > 0);
    assert.equal(full.droppedSpans, droppedSpans);
    // A span whose end found no room is counted and stays open; every other one is there, or counted.
    assert.equal(full.spans.length + droppedSpans, 4_000);
    assert.ok(full.open.length <= 4, `${full.open.length} open`);
    assert.deepEqual(full.problems, []);
    const [, droppedLogs = 0] = await writer.tell('logs 100');
    assert.equal(writer.read().droppedLogs, droppedLogs);
    assert.ok(droppedLogs > 0);

    writer.drain(3);
    assert.deepEqual(await writer.tell('spans 100 1'), [droppedSpans, droppedLogs]);
    const after = writer.read();
    assert.equal(
      after.spans.length -
        full.spans.filter(({ spanId }) => after.spans.some((span) => span.spanId === spanId)).length,
      100,
    );
    assert.deepEqual([after.droppedSpans, after.droppedLogs], [droppedSpans, droppedLogs]);
    assert.deepEqual(after.problems, []);
  });

  void test('ten times around four segments nothing is lost, while who drains keeps up', async () => {
    await using writer = await Writer.start(4);
    const seen = new Set<string>();
    for (let round = 0; round < 40; round += 1) {
      assert.deepEqual(await writer.tell('spans 200 2'), [0, 0]);
      const { spans, problems } = writer.read();
      assert.deepEqual(problems, []);
      for (const { spanId } of spans) seen.add(spanId);
      writer.drain(3);
    }
    assert.equal(seen.size, 8_000);
    assert.ok(writer.read().header.sequences.some((sequence) => sequence > 12));
  });
});

void test('10,000 spans that a function makes in one go are all there', async () => {
  await using environment = await startWith(`from opentelemetry import trace
def main():
    tracer = trace.get_tracer('mine')
    for i in range(10_000):
        with tracer.start_as_current_span('burst', attributes={'i': i}):
            pass
    return 'done'
`);
  assert.equal((await environment.ask()).text, 'done');
  const { spans, open, header, problems } = await journalOf(environment);
  assert.deepEqual([open.length, header.droppedSpans, problems], [0, 0n, []]);
  const burst = spans.filter(({ name }) => name === 'burst');
  assert.deepEqual(
    burst.map(({ attributes }) => Number(attributes['i'])).sort((a, b) => a - b),
    Array.from({ length: 10_000 }, (_, i) => i),
  );
  const root = spans.find(({ name }) => name === 'greeter');
  assert.ok(burst.every(({ parentSpanId }) => parentSpanId === root?.spanId));
});

class Writer implements AsyncDisposable {
  readonly #folder: string;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: Interface;
  readonly #died: Promise<undefined>;
  stderr = '';

  static async start(segments: number): Promise<Writer> {
    const { command } = await pythonProgram();
    return new Writer(command, segments);
  }

  private constructor(command: string, segments: number) {
    this.#folder = mkdtempSync(join(tmpdir(), 'spoor-python-writer-'));
    const args = ['-c', WRITER, import.meta.dirname, this.#path, String(segments)];
    this.#child = spawn(command, args);
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.#lines = createInterface({ input: this.#child.stdout });
    this.#died = new Promise((resolve) => this.#lines.once('close', () => resolve(undefined)));
  }

  /** What it has dropped so far: spans and log records. */
  async tell(order: string): Promise<number[]> {
    const answered = once(this.#lines, 'line') as Promise<[string]>;
    this.#child.stdin.write(`${order}\n`);
    const line = await Promise.race([answered, this.#died]);
    if (line === undefined) throw new Error(`the writer died of [${order}]: ${this.stderr}`);
    return line[0].split(' ').map(Number);
  }

  read(): ReturnType<typeof readJournal> {
    return readJournal(this.#path);
  }

  /** As the agent does: whoever is done with a segment notes the number it was used under. All but the one in use. */
  drain(most: number): void {
    const { sequences } = this.read().header;
    const current = Math.max(...sequences);
    const fd = openSync(this.#path, 'r+');
    let left = most;
    for (const [index, sequence] of sequences.entries()) {
      if (sequence === 0 || sequence === current || left-- <= 0) continue;
      const word = Buffer.alloc(4);
      word.writeUInt32LE(sequence);
      writeSync(fd, word, 0, 4, DRAINED_AT + 4 * index);
    }
    closeSync(fd);
  }

  get #path(): string {
    return join(this.#folder, 'stress.journal');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    if (this.#child.exitCode === null && this.#child.signalCode === null) await exited;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
