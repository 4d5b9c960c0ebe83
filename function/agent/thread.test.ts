import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { startTracing } from '../span/tracing.ts';
import { start } from './agent.ts';
import { OtlpSink } from './test/otlp-sink.ts';
import { Rig } from './test/rig.ts';

const LIMIT_MS = 20_000;

void test(
  'a thread that ended is closed at once, though its process lives on',
  { timeout: LIMIT_MS },
  async () => {
    await using rig = new Rig();
    await using sink = await OtlpSink.start();
    await using agent = await start({
      journalDirs: [rig.journalDir],
      spoolDir: rig.spoolDir,
      collectorUrl: sink.url,
    });
    using tracing = startTracing({ journal: rig.journal('i-1.thread-1'), resource: { 'service.name': 's' } });
    tracing.tracer().startSpan('open');
    const endFile = rig.journal('i-1.thread-1').replace(/journal$/, 'end');
    writeFileSync(endFile, JSON.stringify({ reason: 'oom', message: 'heap is full', thread: true }));
    await sink.until(() => sink.spans.length === 1);
    assert.equal(sink.spans[0]?.attributes['spoor.end.reason'], 'oom');
    assert.equal(sink.spans[0]?.status.message, 'heap is full');
    await agent.drained();
    await sink.until(() => !existsSync(rig.journal('i-1.thread-1')) && !existsSync(endFile));
  },
);

void test('the threads of a process that was killed end as it did', { timeout: LIMIT_MS }, async () => {
  await using rig = new Rig();
  await using sink = await OtlpSink.start();
  const writer = rig.run('writer.ts', rig.journal('i-1'), 'kill');
  const other = rig.run('writer.ts', rig.journal('i-1.thread-1'), 'kill');
  await Promise.all([writer.exited, other.exited]);
  writeFileSync(
    rig.journal('i-1').replace(/journal$/, 'end'),
    JSON.stringify({ reason: 'timeout', signal: 'SIGKILL', message: 'function timeout' }),
  );
  await using agent = await start({
    journalDirs: [rig.journalDir],
    spoolDir: rig.spoolDir,
    collectorUrl: sink.url,
  });
  const unfinished = () => sink.spans.filter((span) => span.attributes['spoor.unfinished'] === true);
  await sink.until(() => unfinished().length === 4 && agent.status().journals === 0);
  assert.deepEqual(
    unfinished().map((span) => span.attributes['spoor.end.reason']),
    ['timeout', 'timeout', 'timeout', 'timeout'],
  );
  assert.ok(!existsSync(rig.journal('i-1')) && !existsSync(rig.journal('i-1.thread-1')));
});
