/**
 * The function platform beside its peers: how long a first request waits, what a warm one costs.
 *
 *     node bench/platform.ts [PART...] [--rounds 3] [--seconds 3] [--connections 20] [--runs 20] [--only ROAD,...]
 *
 * | part | what |
 * |---|---|
 * | `warm` (default) | requests per second, latency, and µs of CPU for each request by process, and how long it was ready and had no core; the router's own share of the latency, and the p99 that it sees, in which the generator has no part; every road in turn, round by round |
 * | `cold` (default) | request sent to first byte of the answer, a new function each time: pool hit, and empty pool; Node, and Python when its environment is there; and CPU until that byte |
 * | `burst` | that many (`--runs`) new functions asked for at once |
 * | `sweep` | 10 to 500 connections |
 * | `overload` | 500 connections against the best of fewer: throughput as a share of the peak, and what was not a 200; once with room for all of them in the function, once with half of it (429 is the honest answer then) |
 * | `payload` | bodies of 1 KiB to 1 MiB, echoed |
 * | `routes` | ten thousand triggers: what one more costs, and what a request costs among them |
 *
 * Roads: `spoor` (platform and agent as `spoor up` starts them, tracing on, a collector that only acknowledges), the bare
 * `environment` server, Google's `functions-framework`, a plain `http-proxy` before a plain server, and that `plain node` alone.
 * The load generator shares the machine with what it measures. Figures are medians over the rounds with their range; on a busy
 * machine trust CPU per request more than requests per second. `SPOOR_BENCH_PROFILE=DIR` leaves a CPU profile of the platform.
 */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { parseArgs } from 'node:util';
import { readJournal } from '../function/span/read-journal.ts';
import { latencyShare } from './platform/latency-share.ts';
import { childrenOf, cpuNs, measure, type Measured } from './platform/processes.ts';
import {
  HELLO,
  HELLO_PYTHON,
  ROADS,
  startPlatform,
  type Platform,
  type Road,
  type RoadOptions,
} from './platform/roads.ts';

const PARTS = { warm, cold, burst, sweep, overload, payload, routes } as const;
const DEFAULT_PARTS = ['warm', 'cold'];
const WARM_UP_MS = 1_500;
/** Between two cold starts: the pool is full again by then. */
const REFILL_MS = 500;
const ROUTES = 10_000;
const OVERLOAD = 500;
const WIDTH = 36;

const { positionals, values: flags } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '20' },
    runs: { type: 'string', default: '20' },
    'requests-per-pod': { type: 'string', default: '100' },
    only: { type: 'string' },
  },
});
const rounds = Number(flags.rounds);
const durationMs = Number(flags.seconds) * 1_000;
const connections = Number(flags.connections);
const runs = Number(flags.runs);
const options = { requestsPerPod: Number(flags['requests-per-pod']) };
const roadNames = flags.only?.split(',') ?? Object.keys(ROADS);

for (const part of positionals.length > 0 ? positionals : DEFAULT_PARTS) {
  if (!(part in PARTS)) throw new Error(`cannot run [${part}]: there are ${Object.keys(PARTS).join(', ')}`);
  console.log(
    `\n## ${part} (Node ${process.version}, load ${readFileSync('/proc/loadavg', 'utf8').slice(0, 14)})`,
  );
  await PARTS[part as keyof typeof PARTS]();
}

async function warm(): Promise<void> {
  const results = new Map<string, Measured[]>(roadNames.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, list] of results) list.push(await measureRoad(name, { connections, bodyBytes: 0 }));
  }
  for (const [name, list] of results) printLoad(name, list);
}

async function sweep(): Promise<void> {
  for (const name of flags.only ? roadNames : ['spoor']) {
    await using road = await openRoad(name);
    for (const count of [10, 20, 50, 100, 200, 500])
      printLoad(
        `${name}, ${count} connections`,
        await repeated(() => load(road, { connections: count, bodyBytes: 0 })),
      );
  }
}

async function overload(): Promise<void> {
  for (const [what, room] of [
    ['room for all', 1_000],
    ['room for half', 250],
  ] as const) {
    // One instance, so that what is asked too much is asked of the platform and not of the machine's memory.
    await using road = await openRoad('spoor', { requestsPerPod: room, concurrency: 1 });
    // In turn, so that the machine's better and worse minutes are everybody's.
    const byCount = new Map<number, Measured[]>([20, 50, 100, OVERLOAD].map((count) => [count, []]));
    for (let round = 0; round < rounds; round++)
      for (const [count, list] of byCount) list.push(await load(road, { connections: count, bodyBytes: 0 }));
    for (const [count, list] of byCount) printLoad(`${what}, ${count} connections`, list);
    const perSecond = (list: readonly Measured[]) => median(list.map((each) => each.perSecond));
    const peak = Math.max(...byCount.values().map(perSecond));
    const list = byCount.get(OVERLOAD) ?? [];
    const statuses: Record<string, number> = {};
    for (const each of list)
      for (const [status, n] of Object.entries(each.statuses)) statuses[status] = (statuses[status] ?? 0) + n;
    const failures = Object.entries(statuses)
      .filter(([status]) => status !== '200' && status !== '429')
      .reduce((sum, [, n]) => sum + n, 0);
    console.log(
      `${what.padEnd(WIDTH)} ${((100 * perSecond(list)) / peak).toFixed(0)} % of the peak (target 80)   failures other than 429: ${failures}   ${JSON.stringify(statuses)}`,
    );
  }
}

async function payload(): Promise<void> {
  for (const name of flags.only ? roadNames : ['spoor', 'http-proxy']) {
    await using road = await openRoad(name);
    for (const bodyBytes of [1_024, 16 * 1_024, 128 * 1_024, 1_024 * 1_024])
      printLoad(
        `${name}, ${bodyBytes / 1_024} KiB`,
        await repeated(() => load(road, { connections, bodyBytes })),
      );
  }
}

async function routes(): Promise<void> {
  await using platform = await startPlatform();
  await platform.deploy('hello', HELLO);
  await platform.route('hello', '/hello');
  const among = (path: string) => repeated(() => load({ ...platform, path }, { connections, bodyBytes: 0 }));
  printLoad('1 trigger', await among('/hello'));
  const started = performance.now();
  await platform.routes('hello', ROUTES);
  console.log(`${ROUTES} triggers applied in ${Math.round(performance.now() - started)} ms`);
  const times: number[] = [];
  for (let i = 0; i < runs; i++) {
    const from = performance.now();
    await platform.route('hello', `/one/more/${i}`, `more${i}`);
    times.push(performance.now() - from);
  }
  printTimes('one more trigger, put over HTTP and kept on disk', times);
  printLoad(`${ROUTES} triggers`, await among(`/many/${ROUTES / 2}/x`));
}

async function cold(): Promise<void> {
  await using platform = await startPlatform();
  await coldStarts(platform, 'Node, pool hit', 'node', HELLO);
  await platform.environment('none', 'ghcr.io/fission/node-env', 0);
  await coldStarts(platform, 'Node, empty pool', 'none', HELLO);
  await platform.environment('python', 'ghcr.io/fission/python-env', 3);
  await coldStarts(platform, 'Python, pool hit', 'python', HELLO_PYTHON, 2 * REFILL_MS);
}

async function burst(): Promise<void> {
  await using platform = await startPlatform();
  const names = Array.from({ length: runs }, (_, i) => `burst${i}`);
  for (const name of names) {
    await platform.deploy(name, HELLO);
    await platform.route(name, `/${name}`);
  }
  await sleep(REFILL_MS);
  const times = await Promise.all(names.map((name) => firstByteMs(platform, `/${name}`)));
  printTimes(`Node, ${runs} at once, pool of 3`, times);
}

/** One new function after the other, each the first time; then where the time went, by the platform's own spans. */
async function coldStarts(
  platform: Platform,
  title: string,
  env: string,
  code: string,
  refillMs = REFILL_MS,
): Promise<void> {
  const times: number[] = [];
  const cpu = { platform: [] as number[], instance: [] as number[] };
  for (let i = -1; i < runs; i++) {
    const name = `${env}${i + 1}`;
    await platform.deploy(name, code, { env });
    await platform.route(name, `/${name}`);
    await sleep(refillMs);
    try {
      const instances = childrenOf(platform.pid);
      const before = [platform.pid, ...instances].map(cpuNs);
      const ms = await firstByteMs(platform, `/${name}`);
      const [ofPlatform = 0, ...ofInstances] = [platform.pid, ...instances].map(
        (pid, n) => (cpuNs(pid) - (before[n] ?? 0)) / 1e6,
      );
      // The first of all warms the platform's own code.
      if (i >= 0) {
        times.push(ms);
        cpu.platform.push(ofPlatform);
        cpu.instance.push(Math.max(0, ...ofInstances));
      }
    } catch (error) {
      console.log(`${title.padEnd(WIDTH)} not measured: ${(error as Error).message}`);
      return;
    }
    await platform.remove(name);
  }
  printTimes(title, times);
  printTimes('  CPU of the platform', cpu.platform);
  // One that is started for the request is not among those that were there before it.
  if (Math.max(...cpu.instance) > 1) printTimes('  CPU of the instance', cpu.instance);
  const phases = Map.groupBy(
    readJournal(platform.journal('executor')).spans.slice(-4 * runs),
    (span) => span.name,
  );
  for (const [name, spans] of phases) {
    const ms = spans.map((span) => Number(span.endTimeUnixNano - span.startTimeUnixNano) / 1e6);
    printTimes(`  of it ${name}`, ms);
  }
}

/** From the first byte of a request written to the first byte of a 200 read, on a connection that is open already. */
function firstByteMs(road: Road, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: road.host, port: road.port, noDelay: true });
    let from = 0;
    socket.once('connect', () => {
      from = performance.now();
      socket.write(`GET ${path} HTTP/1.1\r\nHost: bench\r\n\r\n`);
    });
    socket.once('data', (chunk: Buffer) => {
      const ms = performance.now() - from;
      socket.destroy();
      const answer = chunk.toString('latin1');
      if (answer.startsWith('HTTP/1.1 200')) resolve(ms);
      else reject(new Error(answer.slice(0, 600)));
    });
    socket.once('error', reject);
  });
}

async function openRoad(name: string, of: RoadOptions = options): Promise<Road> {
  const open = ROADS[name];
  if (!open) throw new Error(`cannot take the road [${name}]: there are ${Object.keys(ROADS).join(', ')}`);
  return open(of);
}

async function measureRoad(
  name: string,
  what: { connections: number; bodyBytes: number },
): Promise<Measured> {
  await using road = await openRoad(name);
  const measured = await load(road, what);
  if ('journals' in road) printShare(road as Platform);
  return measured;
}

function printShare(platform: Platform): void {
  const { requests, router, way, fn, p99 } = latencyShare(platform.journals());
  const total = router + way + fn;
  const share = (us: number) => `${us.toFixed(0)} µs (${((100 * us) / total).toFixed(0)} %)`;
  console.log(
    `${'  of the time in the router'.padEnd(WIDTH)} its own ${share(router)}, on the way to the function and back ${share(way)}, function ${share(fn)}   (medians of ${requests} requests); p99 as the router sees it ${(p99 / 1_000).toFixed(2)} ms`,
  );
}

function load(road: Road, what: { connections: number; bodyBytes: number }): Promise<Measured> {
  const { host, port, path } = road;
  return measure({ host, port, path, ...what, warmUpMs: WARM_UP_MS, durationMs }, road.pids);
}

async function repeated(run: () => Promise<Measured>): Promise<Measured[]> {
  const list: Measured[] = [];
  for (let round = 0; round < rounds; round++) list.push(await run());
  return list;
}

function printLoad(title: string, list: readonly Measured[]): void {
  const perSecond = spread(
    list.map((each) => each.perSecond),
    0,
  );
  const ms = (['p50Ms', 'p95Ms', 'p99Ms'] as const).map((key) =>
    median(list.map((each) => each[key])).toFixed(2),
  );
  const perRequest = (clock: 'cpuUs' | 'waitUs') =>
    Object.keys(list[0]?.[clock] ?? {})
      .map((name) => `${name} ${median(list.map((each) => each[clock][name] ?? 0)).toFixed(0)}`)
      .join(', ');
  const odd = list.flatMap((each) => Object.entries(each.statuses).filter(([status]) => status !== '200'));
  console.log(
    `${title.padEnd(WIDTH)} ${perSecond.padEnd(24)} req/s   p50 p95 p99 ${ms.join(' ')} ms   CPU µs/req: ${perRequest('cpuUs')}; waited for a core: ${perRequest('waitUs')}` +
      (odd.length > 0
        ? `   NOT 200: ${odd.map(([status, count]) => `${status} × ${count}`).join(', ')}`
        : ''),
  );
}

function printTimes(title: string, times: readonly number[]): void {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(1);
  console.log(
    `${title.padEnd(WIDTH)} p50 ${at(0.5)} ms   p95 ${at(0.95)} ms   max ${at(1)} ms   (n = ${sorted.length})`,
  );
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function spread(values: readonly number[], digits: number): string {
  return `${median(values).toFixed(digits)} [${Math.min(...values).toFixed(digits)}..${Math.max(...values).toFixed(digits)}]`;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
