import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildFlow } from '../../../backend/diagnosis/flow.ts';
import { baselineOf, healthyTwin } from '../../../backend/diagnosis/healthy-twin.ts';
import { runOfTrace, type Run } from '../../../backend/diagnosis/run.ts';
import { verdict } from '../../../backend/diagnosis/verdict.ts';
import type { SpanData } from '../../span/span-data.ts';
import { journalOf, startWith } from './test/start-with.ts';

/** `compute` uses 200 ms of CPU, however long that takes. */
const SOURCE = `
import threading, time
from concurrent.futures import ThreadPoolExecutor
from flask import request

def compute():
    until = time.thread_time() + 0.2
    while time.thread_time() < until:
        pass

def in_a_thread():
    thread = threading.Thread(target=compute)
    thread.start()
    thread.join()

def in_a_pool():
    # A pool's own thread is over with it, and the task within that thread is counted once.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(compute)

kept = ThreadPoolExecutor(1)
ways = {
    'compute': compute,
    'thread': in_a_thread,
    'pool': in_a_pool,
    'kept': lambda: kept.submit(compute).result(),
    'wait': lambda: time.sleep(0.3),
    'nothing': lambda: None,
}

def main():
    ways[request.args['it']]()
    return ''
`;

async function spansOf(...ways: readonly string[]): Promise<readonly SpanData[]> {
  await using environment = await startWith(SOURCE);
  for (const way of ways) await environment.ask({ path: `/?it=${way}` });
  return (await journalOf(environment)).spans;
}

const cpuOf = (span: SpanData | undefined) => Number(span?.attributes['spoor.cpu.ms']);

void test('what a function has computed by threads and pools is counted, once', async () => {
  const ways = ['compute', 'thread', 'pool', 'kept', 'kept'];
  const spans = await spansOf(...ways);
  for (const [i, way] of ways.entries()) {
    const ms = cpuOf(spans[i]);
    assert.ok(ms >= 199 && ms < 300, `${way}: ${ms}`);
  }
});

void test('a neighbour that computes is not counted to who waits', async () => {
  await using environment = await startWith(SOURCE);
  await Promise.all(['wait', 'compute'].map((way) => environment.ask({ path: `/?it=${way}` })));
  const { spans } = await journalOf(environment);
  assert.equal(spans.length, 2);
  assert.equal(spans.filter((span) => cpuOf(span) >= 199).length, 1);
});

void test('a short invocation says nothing of it', async () => {
  for (const span of await spansOf(...Array.from({ length: 10 }, () => 'nothing'))) {
    const ms = Number(span.endTimeUnixNano - span.startTimeUnixNano) / 1e6;
    // Its times were rounded on the way.
    if (Math.abs(ms - 5) > 0.01) assert.equal('spoor.cpu.ms' in span.attributes, ms >= 5, `after ${ms} ms`);
  }
});

void test('the verdict names a Python function that computes, and not one that waits', async () => {
  const healthy = Array.from({ length: 5 }, () => 'nothing');
  const spans = await spansOf(...healthy, 'compute', 'wait');
  const runs = spans.map((span) => toRun(withACoreToItself(span)));
  const causeOf = (run: Run | undefined) => {
    assert.ok(run);
    const others = runs.slice(0, healthy.length);
    const [first] = verdict(
      {
        run,
        others,
        baseline: baselineOf(run, others),
        twin: healthyTwin(run, others),
        strays: [],
        neighbours: [],
        arrivalLagNano: undefined,
        nowUnixNano: 0n,
      },
      { settled: true, waitingFor: [] },
    ).causes;
    return [first?.kind, first?.owner];
  };
  assert.deepEqual(causeOf(runs.at(-2)), ['CPU burn', 'greeter']);
  assert.deepEqual(causeOf(runs.at(-1)), ['slow handler', 'greeter']);
});

/** A machine with much else to do makes any function wait: as it would have lasted without. */
function withACoreToItself(span: SpanData): SpanData {
  const cpuMs = cpuOf(span);
  if (!(cpuMs >= 199)) return span;
  return { ...span, endTimeUnixNano: span.startTimeUnixNano + BigInt(Math.round(cpuMs * 1.1e6)) };
}

function toRun(span: SpanData): Run {
  return runOfTrace(span.traceId, buildFlow([span]));
}
