import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { placesOf } from '../../cli/settings.ts';
import { applyDirectory } from '../../cli/verbs/spec.ts';
import { spoorUp, type SpoorUp } from '../../e2e/support/spoor.ts';
import { openEmbeddedLog } from '../../platform/queue/embedded-log.ts';
import { openKafka } from '../../platform/queue/kafka.ts';
import type { TopicDescription } from '../../platform/queue/queue.ts';
import { cpuMicros } from './cpu.ts';
import { writeEcho, writeTrigger } from './echo.ts';

export interface WholeRun {
  readonly perSecond: number;
  /** µs a message, by process. */
  readonly cpu: Readonly<Record<string, number>>;
}

const WARM_UP = 500;
const TIMEOUT_MS = 120_000;
const POLL_MS = 25;

/**
 * `spoor up` as it is, with agent, collector, store and engine at work beside it: the messages are in their topic before the
 * trigger is declared; what counts is from its first commit to its last, each after the answer is in the response topic.
 */
export async function runWhole(options: {
  readonly messages: number;
  readonly partitions: number;
  readonly parallelism: number;
  readonly brokers: readonly string[] | undefined;
}): Promise<WholeRun> {
  const { messages, partitions, parallelism, brokers } = options;
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'spoor-bench-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const data = join(folder, 'data');
  const places = placesOf(data);
  for (const dir of [places.journals, places.run])
    stack.defer(() => rm(dir, { recursive: true, force: true }));
  const at = Date.now();
  const topics = { warm: `warm-${at}`, bulk: `bulk-${at}`, answers: `answers-${at}` };
  await mkdir(places.platform, { recursive: true });
  {
    await using queue = brokers
      ? await openKafka({ brokers })
      : await openEmbeddedLog({ path: join(places.platform, 'topics.db') });
    for (const name of Object.values(topics)) await queue.createTopic(name, { partitions });
    const value = Buffer.from(JSON.stringify({ hello: 'world' }));
    const record = { key: null, value, headers: [] };
    await queue.produce(
      topics.warm,
      Array.from({ length: WARM_UP }, () => record),
    );
    for (let left = messages; left > 0; left -= 500)
      await queue.produce(
        topics.bulk,
        Array.from({ length: Math.min(left, 500) }, () => record),
      );
  }
  const up = stack.use(await spoorUp({ data, args: brokers ? ['--kafka', brokers.join(',')] : [] }));
  const specs = await writeEcho(folder, { isTraced: true });
  await writeTrigger(specs, { name: 'warm', topic: topics.warm, answers: topics.answers, parallelism });
  await applyDirectory(up.internal, specs, { wait: true });
  await untilCommitted(up, topics.warm, WARM_UP);
  await writeTrigger(specs, { name: 'bulk', topic: topics.bulk, answers: topics.answers, parallelism });
  await applyDirectory(up.internal, specs, { wait: true });
  const first = await untilCommitted(up, topics.bulk, 1);
  const before = await cpuMicros(up.pid, nameOf);
  const started = performance.now();
  const last = await untilCommitted(up, topics.bulk, messages);
  const seconds = (performance.now() - started) / 1_000;
  const after = await cpuMicros(up.pid, nameOf);
  const count = last - first;
  const cpu = Object.fromEntries(
    Object.entries(after).map(([name, micros]) => [name, (micros - (before[name] ?? 0)) / count]),
  );
  return { perSecond: count / seconds, cpu };
}

function nameOf(commandLine: string): string {
  const part = /main\.ts (platform|backend|agent|up)\b/.exec(commandLine)?.[1];
  if (part) return part === 'up' ? 'supervisor' : part;
  return commandLine.includes('environment-node') || commandLine.includes('environment/node')
    ? 'function'
    : 'engine';
}

/** Resolves with how many are, once it is `count`. */
async function untilCommitted(up: SpoorUp, topic: string, count: number): Promise<number> {
  const deadline = Date.now() + TIMEOUT_MS;
  for (;;) {
    const topics = (await (await fetch(`${up.internal}/topics`)).json()) as TopicDescription[];
    const groups = topics.find(({ name }) => name === topic)?.groups ?? [];
    const committed = groups
      .flatMap(({ partitions }) => partitions)
      .reduce((sum, each) => sum + Number(each.committed), 0);
    if (committed >= count) return committed;
    if (Date.now() > deadline)
      throw new Error(`only ${committed} of ${count} messages of ${topic} came through:\n${up.stderr()}`);
    await sleep(POLL_MS);
  }
}
