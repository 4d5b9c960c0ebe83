/**
 * Messages per second through a Node echo function and their latency, tracing on and off, on the embedded log and on Kafka.
 *
 *     node bench/queue.ts [--messages 12000] [--rounds 3] [--maker embedded|kafka] [--client local|http|both] [--no-whole]
 *
 * Router, executor, queue and trigger run in this process, as in `spoor platform`; the function is an instance of its own. With
 * tracing on everybody writes journals (the agent that drains them is measured in bench/agent.ts). Off: no journal, and the
 * function samples nothing. The two live side by side, warmed up, and drain a share of the messages in turn, as they differ by less
 * than the machine does within a minute; medians of such pairs count. Latency is from produce to the answer's record, one message at a
 * time. CPU is user and system time for a message of each process; where rate × the busiest of them comes to 1 s, that process
 * is what limits, and where their sum comes to the number of cores, the machine is.
 *
 * `--client both` runs each round also with the trigger calling the router over HTTP, as another process would (`http`),
 * instead of by its client within the process (`local`). SPOOR_BENCH_PROFILE=DIR leaves a CPU profile of the last round there.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Session } from 'node:inspector/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { applyDirectory } from '../cli/verbs/spec.ts';
import { startKafka } from '../e2e/kafka/brokers.ts';
import { environmentProgram } from '../function/environment/node/bundle.ts';
import { createSampler } from '../function/span/sampler.ts';
import { startTracing } from '../function/span/tracing.ts';
import type { ExecutorClient } from '../platform/executor/client.ts';
import { startExecutor } from '../platform/executor/executor.ts';
import { openEmbeddedLog } from '../platform/queue/embedded-log.ts';
import { openKafka } from '../platform/queue/kafka.ts';
import type { Queue } from '../platform/queue/queue.ts';
import { createRouterClient } from '../platform/router/client.ts';
import { startRouter } from '../platform/router/router.ts';
import { controlHandler } from '../platform/spec/control.ts';
import { openRegistry } from '../platform/spec/registry.ts';
import { startTriggers } from '../platform/trigger/triggers.ts';
import { letRequestsDieYoung } from '../server/die-young.ts';
import { silentLog } from '../server/log.ts';
import { cpuMicros } from './queue/cpu.ts';
import { writeEcho, writeTrigger } from './queue/echo.ts';
import { runWhole } from './queue/whole.ts';

const PARTITIONS = 12;
const PARALLELISM = 4;
const LATENCY_MESSAGES = 50;
/** How often each of both drains its share in a round. */
const TURNS = 6;
/** Each round has a function process of its own, which first has to compile what it runs. */
const WARM_UP = 5_000;
const WHOLE_MESSAGES = 20_000;
const WHOLE_ROUNDS = 2;

interface Round {
  readonly perSecond: number;
  /** µs a message, by process. */
  readonly cpu: Readonly<Record<'platform' | 'function' | 'broker', number>>;
  readonly latenciesMs: readonly number[];
}

type Client = 'local' | 'http';

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '12000' },
    rounds: { type: 'string', default: '3' },
    maker: { type: 'string' },
    client: { type: 'string', default: 'local' },
    whole: { type: 'boolean', default: true },
  },
  allowNegative: true,
});
letRequestsDieYoung();
const messages = Number(values.messages);
const rounds = Number(values.rounds);
const clients: readonly Client[] = values.client === 'both' ? ['http', 'local'] : [values.client as Client];
const makers = values.maker === undefined ? (['embedded', 'kafka'] as const) : [values.maker];

for (const maker of makers) {
  await using kafka = maker === 'kafka' ? await startKafka() : undefined;
  const variants = clients.flatMap((client) =>
    (['off', 'on'] as const).map((tracing) => ({ client, tracing, results: [] as Round[] })),
  );
  for (let round = 0; round < rounds; round += 1)
    for (const client of clients) {
      await using off = await open(false, client, kafka?.brokers);
      await using on = await open(true, client, kafka?.brokers);
      const both = variants
        .filter((each) => each.client === client)
        .map(({ tracing, results }) => ({ results, bench: tracing === 'on' ? on : off }));
      for (const { bench } of both) await bench.drain(WARM_UP);
      for (let turn = 0; turn < TURNS; turn += 1)
        for (const { bench, results } of turn % 2 === 0 ? both : both.toReversed())
          results.push(await bench.drain(Math.ceil(messages / TURNS)));
    }
  for (const { client, tracing, results } of variants)
    tell(`${maker}, ${client} client, tracing ${tracing}`, results);
  if (values.whole) await tellWhole(maker, kafka?.brokers);
  for (const client of clients) {
    const [off, on] = variants.filter((each) => each.client === client).map(({ results }) => results);
    tellRatio(`${maker}, ${client} client: messages/s on/off`, on, off, ({ perSecond }) => perSecond);
    tellRatio(
      `${maker}, ${client} client: CPU of platform and function on/off`,
      on,
      off,
      ({ cpu }) => cpu.platform + cpu.function,
    );
  }
}

async function tellWhole(maker: string, brokers: readonly string[] | undefined): Promise<void> {
  for (let round = 0; round < WHOLE_ROUNDS; round += 1) {
    const options = { messages: WHOLE_MESSAGES, partitions: PARTITIONS, parallelism: PARALLELISM, brokers };
    const { perSecond, cpu } = await runWhole(options);
    const spent = Object.entries(cpu)
      .filter(([, micros]) => micros >= 0.5)
      .map(([name, micros]) => `${name} ${micros.toFixed(0)}`);
    console.log(
      `${maker}, all of spoor up: ${perSecond.toFixed(0)} messages/s, CPU µs a message: ${spent.join(', ')}`,
    );
  }
}

function tell(what: string, results: readonly Round[]): void {
  const latencies = results.flatMap(({ latenciesMs }) => latenciesMs).sort((a, b) => a - b);
  const cpu = (name: keyof Round['cpu']) => median(results.map((result) => result.cpu[name])).toFixed(0);
  console.log(
    `${what}: ${median(results.map(({ perSecond }) => perSecond)).toFixed(0)} messages/s, ` +
      `latency p50 ${quantile(latencies, 0.5).toFixed(2)} ms, p99 ${quantile(latencies, 0.99).toFixed(2)} ms, ` +
      `CPU µs a message: platform ${cpu('platform')}, function ${cpu('function')}, broker ${cpu('broker')}`,
  );
}

function tellRatio(
  what: string,
  on: readonly Round[] | undefined,
  off: readonly Round[] | undefined,
  of: (round: Round) => number,
): void {
  const ratios = (on ?? []).map((round, i) => of(round) / of((off as readonly Round[])[i] as Round));
  console.log(`${what} ${median(ratios).toFixed(3)} (pairs ${ratios.map((r) => r.toFixed(3)).join(' ')})`);
}

interface Bench extends AsyncDisposable {
  /** Puts so many messages into the topic and waits for their answers; then some one by one. */
  drain(count: number): Promise<Round>;
}

async function open(
  isTraced: boolean,
  client: Client,
  brokers: readonly string[] | undefined,
): Promise<Bench> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'spoor-bench-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const log = silentLog();
  const queue: Queue = stack.use(
    brokers ? await openKafka({ brokers }) : await openEmbeddedLog({ path: join(folder, 'topics.db') }),
  );
  // In memory, as everywhere: pages of a file on disk are written back while they are written to.
  const journals = await mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'spoor-bench-'));
  stack.defer(() => rm(journals, { recursive: true, force: true }));
  const tracingOf = (service: string) =>
    stack.use(
      startTracing({
        journal: isTraced ? join(journals, `${service}.journal`) : undefined,
        segmentCount: 256,
        ...(isTraced ? {} : { sampler: createSampler('always_off') }),
        resource: { 'service.name': service },
      }),
    );
  const registry = stack.use(await openRegistry({ dataDir: folder, log }));
  const executorReady = Promise.withResolvers<ExecutorClient>();
  const router = stack.use(
    await startRouter({
      catalog: registry,
      executor: { acquire: async (fn, lease) => (await executorReady.promise).acquire(fn, lease) },
      tracing: tracingOf('router'),
      host: '127.0.0.1',
      port: 0,
      internalPort: 0,
      internalHandlers: [{ prefix: '/control/', handle: controlHandler(registry) }],
      log,
    }),
  );
  executorReady.resolve(
    stack.use(
      await startExecutor({
        catalog: registry,
        tracing: tracingOf('executor'),
        journalDir: journals,
        runDir: join(folder, 'run'),
        programs: { node: async () => ({ command: process.execPath, args: [await environmentProgram()] }) },
        instanceEnv: () => ({ SPOOR_INTERNAL_URL: router.internalUrl, SPOOR_ROUTER_URL: router.url }),
        nodePath: resolve(import.meta.dirname, '../node_modules'),
        log,
      }),
    ),
  );
  const topic = `in-${randomUUID()}`;
  const answers = `out-${randomUUID()}`;
  for (const name of [topic, answers]) await queue.createTopic(name, { partitions: PARTITIONS });
  const specs = await writeEcho(folder, { isTraced });
  await writeTrigger(specs, {
    name: isTraced ? 'echo-traced' : 'echo',
    topic,
    answers,
    parallelism: PARALLELISM,
  });
  await applyDirectory(router.internalUrl, specs, { wait: true });
  stack.use(
    await startTriggers({
      catalog: registry,
      queue,
      invoker:
        client === 'local'
          ? router.client
          : stack.use(createRouterClient({ internalUrl: router.internalUrl })),
      tracing: tracingOf('trigger'),
      dataDir: folder,
      log,
    }),
  );
  const answered = await countAnswers(queue, answers);
  stack.use(answered.subscription);

  const drain = async (count: number): Promise<Round> => {
    const from = answered.seen();
    const stopProfile = await startProfile();
    const before = await cpuMicros(process.pid, nameOf);
    const started = performance.now();
    await produce(queue, topic, count);
    await answered.reach(from + count);
    const seconds = (performance.now() - started) / 1_000;
    const after = await cpuMicros(process.pid, nameOf);
    await stopProfile();
    const latenciesMs: number[] = [];
    for (let i = 1; i <= LATENCY_MESSAGES; i += 1) {
      const at = performance.now();
      await produce(queue, topic, 1);
      await answered.reach(from + count + i);
      latenciesMs.push(performance.now() - at);
    }
    const spent = (name: keyof Round['cpu']) => ((after[name] ?? 0) - (before[name] ?? 0)) / count;
    return {
      perSecond: count / seconds,
      cpu: { platform: spent('platform'), function: spent('function'), broker: spent('broker') },
      latenciesMs,
    };
  };
  const owned = stack.move();
  return { drain, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

function nameOf(commandLine: string, pid: number): keyof Round['cpu'] {
  if (pid === process.pid) return 'platform';
  return commandLine.startsWith('java') ? 'broker' : 'function';
}

async function startProfile(): Promise<() => Promise<void>> {
  const folder = process.env['SPOOR_BENCH_PROFILE'];
  if (!folder) return async () => {};
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.start');
  return async () => {
    const { profile } = await session.post('Profiler.stop');
    session.disconnect();
    await writeFile(join(folder, 'queue.cpuprofile'), JSON.stringify(profile));
  };
}

async function produce(queue: Queue, topic: string, count: number): Promise<void> {
  const value = Buffer.from(JSON.stringify({ hello: 'world' }));
  for (let left = count; left > 0; left -= 500) {
    const records = Array.from({ length: Math.min(left, 500) }, () => ({ key: null, value, headers: [] }));
    await queue.produce(topic, records);
  }
}

async function countAnswers(queue: Queue, topic: string) {
  const seen = { count: 0 };
  const more = new EventTarget();
  const subscription = await queue.subscribe({
    topic,
    group: `bench-${topic}`,
    offsetReset: 'earliest',
    maxBatchSize: 1_000,
    onRecords: async (records) => {
      seen.count += records.length;
      more.dispatchEvent(new Event('more'));
    },
    onError: (error) => {
      throw error;
    },
  });
  return {
    subscription,
    seen: () => seen.count,
    async reach(wanted: number) {
      while (seen.count < wanted) await once(more, 'more');
    },
  };
}

function median(numbers: readonly number[]): number {
  return quantile(
    numbers.toSorted((a, b) => a - b),
    0.5,
  );
}

/** Of sorted numbers. */
function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}
