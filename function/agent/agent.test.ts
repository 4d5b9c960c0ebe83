import assert from 'node:assert/strict';
import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import { readJournal } from '../span/read-journal.ts';
import { startTracing } from '../span/tracing.ts';
import { start } from './agent.ts';
import { OtlpSink } from './test/otlp-sink.ts';
import { Rig } from './test/rig.ts';

for (const transport of ['map', 'write'] as const) {
  void test(`what a journal says arrives as OTLP, every type kept (${transport})`, async () => {
    await using rig = new Rig();
    await using sink = await OtlpSink.start();
    await using agent = await start({
      journalDirs: [rig.journalDir],
      spoolDir: rig.spoolDir,
      collectorUrl: sink.url,
    });
    using tracing = startTracing({
      journal: rig.journal('i-1'),
      resource: { 'service.name': 'greeter', 'process.pid': 7, ok: true },
      transport,
    });
    const tracer = tracing.tracer('lib', '1.2.3');
    const span = tracer.startSpan('first name', {
      kind: SpanKind.PRODUCER,
      attributes: { 'at.start': 'yes', same: 1, negative: -5, big: 2 ** 52, text: 'grüße '.repeat(30) },
      links: [
        {
          context: { traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8), traceFlags: 1, isRemote: true },
          attributes: { why: 'retry' },
        },
      ],
    });
    span.setAttribute('same', 2).setAttributes({ list: ['a', 'b'], numbers: [1, 2.5], ratio: 0.5, ok: true });
    span.addEvent('cache.miss', { key: 'k' });
    span.recordException(new TypeError('no such card'));
    span.updateName('second name');
    await agent.drained(); // from here on the span is more than one piece of journal long
    span
      .setAttribute('same', 3)
      .addEvent('late')
      .setStatus({ code: SpanStatusCode.ERROR, message: 'broken' });
    span.end();
    tracing.tracer('other').startSpan('short').end();
    tracing.tracer().startSpan('bare').end();
    tracing.log({ severityNumber: 17, source: 'stderr', body: 'a line', attributes: { n: 1 } });
    await agent.drained();
    await agent.delivered(AbortSignal.timeout(10_000));

    const truth = readJournal(rig.journal('i-1'));
    assert.equal(sink.spans.length, 3);
    const byId = (a: { spanId: string }, b: { spanId: string }) => (a.spanId < b.spanId ? -1 : 1);
    assert.deepEqual(sink.spans.sort(byId), [...truth.spans].sort(byId));
    assert.equal(sink.logs[0]?.body, 'a line');
    assert.equal(sink.logs[0]?.severityText, 'ERROR');
    assert.equal(sink.logs[0]?.attributes['log.iostream'], 'stderr');
    const status = agent.status();
    assert.deepEqual(status.acknowledged, { spans: 3, logs: 1 });
    assert.deepEqual(status.waiting, { spans: 0, logs: 0 });
    assert.equal(status.damagedRecords, 0);
  });
}

const DEATHS = [
  {
    mode: 'kill',
    end: { reason: 'signal', signal: 'SIGKILL', exitCode: null },
    attributes: { 'spoor.end.reason': 'signal', 'spoor.end.signal': 'SIGKILL', 'error.type': 'SIGKILL' },
    message: 'killed by SIGKILL',
  },
  {
    mode: 'exit',
    end: { reason: 'exit', signal: null, exitCode: 3 },
    attributes: { 'spoor.end.reason': 'exit', 'spoor.end.exit_code': 3n, 'error.type': 'exit' },
    message: 'exited with code 3',
  },
  {
    mode: 'throw',
    end: { reason: 'exit', signal: null, exitCode: 7 },
    attributes: { 'spoor.end.reason': 'exit', 'spoor.end.exit_code': 7n, 'error.type': 'TypeError' },
    message: 'exited with code 7: TypeError: no such card',
  },
  {
    mode: 'kill',
    end: { reason: 'oom', signal: 'SIGKILL', exitCode: null },
    attributes: { 'spoor.end.reason': 'oom', 'spoor.end.signal': 'SIGKILL', 'error.type': 'oom' },
    message: 'out of memory',
  },
  {
    mode: 'kill',
    end: { reason: 'timeout', signal: 'SIGKILL', exitCode: null, message: 'function timeout after 5000 ms' },
    attributes: { 'spoor.end.reason': 'timeout', 'error.type': 'timeout' },
    message: 'function timeout after 5000 ms',
  },
  {
    mode: 'throw',
    end: undefined,
    attributes: { 'spoor.end.reason': 'exit', 'spoor.end.exit_code': 7n, 'error.type': 'TypeError' },
    message: 'exited with code 7: TypeError: no such card',
  },
  {
    mode: 'kill',
    end: undefined,
    attributes: { 'spoor.end.reason': 'lost', 'error.type': 'lost' },
    message: 'the process is gone and nobody saw how it ended',
  },
] as const;

for (const [number, { mode, end, attributes, message }] of DEATHS.entries()) {
  const seen = end === undefined ? 'nobody saw it' : `end file says ${end.reason}`;
  void test(`open spans of a process that ended by ${mode} are closed: ${message} (${seen})`, async () => {
    await using rig = new Rig();
    await using sink = await OtlpSink.start();
    await using agent = await start({
      journalDirs: [rig.journalDir],
      spoolDir: rig.spoolDir,
      collectorUrl: sink.url,
    });
    const journal = rig.journal(`i-${number}`);
    const child = rig.run('writer.ts', journal, mode);
    await child.exited;
    const timeUnixNano = BigInt(Date.now()) * 1_000_000n + 77n;
    if (end !== undefined) {
      const path = journal.replace(/journal$/, 'end');
      writeFileSync(
        `${path}.new`,
        JSON.stringify({
          message: '',
          ...end,
          timeUnixNano: String(timeUnixNano),
          lastLines: ['one', 'two'],
        }),
      );
      renameSync(`${path}.new`, path);
    }
    // Spans and logs leave side by side, in requests of their own.
    await sink.until(() => sink.spans.length >= 83 && sink.logs.length >= 1);
    await sink.until(() => !existsSync(journal));
    assert.equal(existsSync(journal.replace(/journal$/, 'end')), false);
    assert.equal(sink.spans.length, 83); // 20 × 4, and the interrupted root with its two children
    assert.equal(sink.distinct.size, 83);
    const unfinished = sink.spans.filter((span) => span.attributes['spoor.unfinished'] === true);
    assert.deepEqual(unfinished.map((span) => span.name).sort(), ['interrupted root', 'open child']);
    const root = unfinished.find((span) => span.name === 'interrupted root');
    const open = unfinished.find((span) => span.name === 'open child');
    assert.ok(root && open);
    assert.equal(open.parentSpanId, root.spanId);
    assert.equal(open.attributes['step'], 'waiting');
    assert.equal(root.attributes['number'], -1n);
    for (const span of unfinished) {
      assert.deepEqual(span.status, { code: 2, message });
      for (const [key, value] of Object.entries(attributes)) assert.equal(span.attributes[key], value, key);
      if (end !== undefined) assert.equal(span.endTimeUnixNano, timeUnixNano);
      else assert.equal(span.endTimeUnixNano, root.endTimeUnixNano);
    }
    assert.equal(root.attributes['spoor.end.log'], end === undefined ? 'the last line' : 'one\ntwo');
    const exceptions = root.events.filter((event) => event.name === 'exception');
    assert.equal(exceptions.length, mode === 'throw' ? 1 : 0);
    if (mode === 'throw') assert.equal(exceptions[0]?.attributes['exception.message'], 'no such card');
    assert.equal(sink.logs[0]?.body, 'the last line');
    assert.equal(sink.logs[0]?.spanId, open.spanId);
    assert.equal(agent.status().unfinishedSpans, 2);
    assert.equal(agent.status().journals, 0);
  });
}

void test('a span outlives its segment, and the segments are used again', async () => {
  await using rig = new Rig();
  await using sink = await OtlpSink.start();
  await using agent = await start({
    journalDirs: [rig.journalDir],
    spoolDir: rig.spoolDir,
    collectorUrl: sink.url,
  });
  using tracing = startTracing({
    journal: rig.journal('i-1'),
    resource: { 'service.name': 'long' },
    segmentBytes: 65_536,
    segmentCount: 2,
  });
  const tracer = tracing.tracer();
  const long = tracer.startSpan('long', { attributes: { first: 1 } });
  let count = 1;
  for (let round = 0; round < 20; round++) {
    for (let i = 0; i < 200; i++, count++)
      tracer.startSpan('short', { attributes: { count, text: 'x'.repeat(50) } }).end();
    await agent.drained();
  }
  long.setAttribute('last', 2);
  long.end();
  await agent.drained();
  await agent.delivered(AbortSignal.timeout(10_000));
  assert.deepEqual(tracing.dropped, { spans: 0, logs: 0 });
  assert.equal(sink.distinct.size, count);
  assert.equal(sink.spans.length, count);
  assert.deepEqual(
    sink.spans.filter((span) => span.name === 'short').map((span) => span.attributes['count']),
    Array.from({ length: count - 1 }, (_, i) => BigInt(i + 1)),
    'in the order in which the instance wrote them',
  );
  assert.deepEqual(sink.spans.find((span) => span.name === 'long')?.attributes, { first: 1n, last: 2n });
});

void test('what a full journal dropped is counted exactly: in the trace, in a log record, in the metrics', async () => {
  await using rig = new Rig();
  await using sink = await OtlpSink.start();
  using tracing = startTracing({
    journal: rig.journal('i-1'),
    resource: { 'service.name': 'flood' },
    segmentBytes: 65_536,
    segmentCount: 2,
  });
  const tracer = tracing.tracer();
  for (let i = 0; i < 5_000; i++) tracer.startSpan('flood', { attributes: { i } }).end();
  const { dropped } = tracing;
  assert.ok(dropped.spans > 0);
  await using agent = await start({
    journalDirs: [rig.journalDir],
    spoolDir: rig.spoolDir,
    collectorUrl: sink.url,
    statusPort: 0,
  });
  await agent.drained();
  for (let i = 0; i < 10; i++) tracer.startSpan('after').end();
  await agent.drained();
  await agent.delivered(AbortSignal.timeout(10_000));
  const lost = tracing.dropped.spans;
  assert.equal(agent.status().journalDropped.spans, lost);
  const said = sink.spans.map((span) => span.attributes['spoor.journal.dropped'] ?? 0n) as bigint[];
  assert.equal(
    said.reduce((sum, count) => sum + count, 0n),
    BigInt(lost),
  );
  assert.match(sink.logs[0]?.body as string, /the journal was full/);
  const metrics = await (await fetch(`${agent.url}/metrics`)).text();
  assert.ok(metrics.includes(`spoor_agent_journal_dropped_total{signal="spans"} ${lost}\n`), metrics);
  const status = (await (await fetch(`${agent.url}/status`)).json()) as { journalDropped: unknown };
  assert.deepEqual(status.journalDropped, { spans: lost, logs: 0 });
});

void test('a second agent on the same spool is refused, and a wrong collector URL', async () => {
  await using rig = new Rig();
  const options = {
    journalDirs: [rig.journalDir],
    spoolDir: rig.spoolDir,
    collectorUrl: 'http://127.0.0.1:9',
    stopTimeoutMs: 0,
  };
  await using _agent = await start(options);
  await assert.rejects(start(options), /cannot use the spool/);
  await assert.rejects(
    start({ ...options, collectorUrl: 'collector' }),
    /cannot ship to collectorUrl \[collector\]/,
  );
});
