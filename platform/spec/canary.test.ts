import assert from 'node:assert/strict';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLog } from '../../server/log.ts';
import { judge, startCanaries, type FailureRate } from './canary.ts';
import { fromManifest } from './manifest.ts';
import { openRegistry, type Registry } from './registry.ts';
import type { CanaryConfig, HTTPTrigger } from './resources.ts';

const VERDICTS: readonly (readonly [
  what: string,
  weight: number,
  rate: FailureRate | undefined,
  outcome: string,
  next: number | undefined,
])[] = [
  ['the first step is taken unchecked', 0, undefined, 'advanced', 20],
  ['a function that does well gets more', 20, { calls: 50, failures: 1 }, 'advanced', 40],
  ['exactly the threshold is still well', 40, { calls: 100, failures: 10 }, 'advanced', 60],
  ['above the threshold everything goes back', 60, { calls: 100, failures: 11 }, 'rolled back', 0],
  ['without calls it waits', 20, { calls: 0, failures: 0 }, 'waiting', undefined],
  ['when nobody can tell it waits', 20, undefined, 'waiting', undefined],
  ['the last step ends it', 80, { calls: 1, failures: 0 }, 'done', 100],
  ['a step never goes past 100 %', 95, { calls: 1, failures: 0 }, 'done', 100],
];

for (const [what, weight, rate, outcome, next] of VERDICTS)
  void test(what, () => {
    const verdict = judge(config(1000), route({ old: 100 - weight, new: weight }), rate);
    assert.deepEqual([verdict.outcome, verdict.weight], [outcome, next]);
  });

void test('a route that is gone, or knows one function only, ends it', () => {
  assert.equal(judge(config(1000), undefined, undefined).outcome, 'aborted');
  assert.equal(judge(config(1000), route({ old: 100 }), undefined).outcome, 'aborted');
});

void test('a new function that does well has every call in the end, one increment at a time', async () => {
  await using rig = await startRig(() => Promise.resolve({ calls: 10, failures: 0 }));
  await rig.settled();
  assert.deepEqual(rig.weights, [20, 40, 60, 80, 100]);
  assert.equal(rig.status(), 'succeeded');
});

void test('a new function that fails has none in the end, and the canary stays ended', async () => {
  await using rig = await startRig(() => Promise.resolve({ calls: 10, failures: 5 }));
  await rig.settled();
  assert.deepEqual(rig.weights, [20, 0]);
  assert.equal(rig.status(), 'failed');
});

void test('while the query fails it waits, and goes on when it answers', async () => {
  let asked = 0;
  await using rig = await startRig(() => {
    asked += 1;
    return asked < 4 ? Promise.reject(new Error('no answer')) : Promise.resolve({ calls: 1, failures: 0 });
  });
  await rig.settled();
  assert.equal(rig.status(), 'succeeded');
  assert.equal(asked, 7, 'five steps and two waits: the first step is taken unchecked');
});

interface Rig extends AsyncDisposable {
  /** Of the new function, in order. */
  readonly weights: readonly number[];
  status(): string | undefined;
  /** The canary has ended. */
  settled(): Promise<void>;
}

async function startRig(failureRate: () => Promise<FailureRate | undefined>): Promise<Rig> {
  await using starting = new AsyncDisposableStack();
  const dir = starting.use(await mkdtempDisposable(join(tmpdir(), 'spoor-canary-')));
  const registry: Registry = starting.use(await openRegistry({ dataDir: join(dir.path, 'data') }));
  await registry.put(route({ old: 100, new: 0 }));
  const weights: number[] = [];
  const ended = Promise.withResolvers<void>();
  registry.onChange(({ resource }) => {
    if (resource.kind === 'HTTPTrigger' && resource.spec.functionref.type === 'function-weights')
      weights.push(resource.spec.functionref.functionweights['new'] ?? 0);
    if (resource.kind === 'CanaryConfig' && resource.status.status !== 'pending') ended.resolve();
  });
  starting.use(startCanaries({ registry, failureRate, log: silentLog() }));
  await registry.put(config(15));
  // The timer alone does not keep a process alive.
  const alive = setInterval(() => {}, 1_000);
  starting.defer(() => clearInterval(alive));
  const started = starting.move();
  return {
    weights,
    status: () => registry.get('CanaryConfig', { name: 'c', namespace: 'default' })?.status.status,
    settled: () => ended.promise,
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}

function config(intervalMs: number): CanaryConfig {
  return fromManifest({
    kind: 'CanaryConfig',
    metadata: { name: 'c' },
    spec: { trigger: 'r', newfunction: 'new', oldfunction: 'old', duration: `${intervalMs}ms` },
  }) as CanaryConfig;
}

function route(functionweights: Record<string, number>): HTTPTrigger {
  return fromManifest({
    kind: 'HTTPTrigger',
    metadata: { name: 'r' },
    spec: { relativeurl: '/r', functionref: { type: 'function-weights', functionweights } },
  }) as HTTPTrigger;
}
