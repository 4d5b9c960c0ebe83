/**
 * What tracing adds to a server, in CPU of the function's process per request: our environment with tracing off and on, a bare
 * node:http server and functions-framework without tracing and with OpenTelemetry's http instrumentation, batch and OTLP.
 *
 *     node bench/overhead.ts [rounds] [requests a second] [part of a name]       default 5 rounds, 12,000
 *
 * Every variant in a process of its own, in turn within each round: as many requests as it takes from 32 connections, then a fixed
 * rate. The load, the sink and the agent share the other core. Round by round a variant is held against what it adds to. Our own
 * differ by less than the machine does from one minute to the next, so they live side by side, warmed up for longer, and are asked
 * in turn for half a second at a time; their figures are medians of such turns. With them lives a second one with tracing off: what it
 * differs by from the first is noise. Five rounds take eight minutes.
 *
 * Where a variant keeps its core less than 95 % busy at most, its requests a second are those of the load and the agent beside it; then
 * what a core of its own could serve is what its CPU a request says.
 *
 * Last it says of each target whether it was reached. Absolute ones hold for a machine where two clock reads take 75 ns, and are
 * scaled by what they take here.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, get } from 'node:http';
import { createServer as createNetServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { start as startAgent } from '../function/agent/agent.ts';
import { environmentProgram } from '../function/environment/node/bundle.ts';
import { load, type Answers, type Load } from './overhead/load.ts';
import {
  CODE_CPU,
  conditions,
  cpuNsOf,
  median,
  messageOf,
  pinned,
  REFERENCE_YARDSTICK_NS,
  spawnBeside,
  spread,
  table,
  yardstickNs,
} from './side-by-side.ts';

const HELLO = join(import.meta.dirname, 'overhead/hello.cjs');
const OTEL = join(import.meta.dirname, 'overhead/otel.cjs');
const FRAMEWORK = resolve(
  import.meta.dirname,
  '../node_modules/@google-cloud/functions-framework/build/src/main.js',
);
const OFF = 'environment, tracing off';
const ON = 'environment, tracing on';
const OFF_AGAIN = 'environment, tracing off, again';
const HTTP = 'node:http';
const HTTP_OTEL = 'node:http, OpenTelemetry';
const GOOGLE = 'functions-framework';
const CONNECTIONS = 32;
const SECONDS = 2.5;
const WARM_UP_SECONDS = 1.5;
/** Of those side by side, how long each is warmed up, and for how long and how often it is asked in turn. */
const SIDE_BY_SIDE = [OFF, ON, OFF_AGAIN];
const TURN_WARM_UP_SECONDS = 3;
const TURN_SECONDS = 0.5;
const TURNS = 10;
const START_TIMEOUT_MS = 20_000;

interface Variant {
  readonly args: readonly string[];
  /** The variant this one adds to. */
  readonly over?: string;
  /** Fission's environment: it is given its function before it serves. */
  readonly isEnvironment?: boolean;
  readonly isTraced?: boolean;
}

interface Cost {
  readonly saturated: Answers;
  readonly saturatedCpuUs: number;
  readonly steady: Answers;
  readonly steadyCpuUs: number;
}

const [role, ...args] = process.argv.slice(2);
if (role === 'load') await generate();
else if (role === 'beside') await standBeside(args[0] as string, args[1] as string);
else await compare(Number(role ?? 5), Number(args[0] ?? 12_000), args[1] ?? '');

async function compare(rounds: number, rate: number, only: string): Promise<void> {
  const program = await environmentProgram();
  const variants: Readonly<Record<string, Variant>> = {
    [OFF]: { args: [program], isEnvironment: true },
    [ON]: { args: [program], isEnvironment: true, isTraced: true, over: OFF },
    [OFF_AGAIN]: { args: [program], isEnvironment: true, over: OFF },
    [HTTP]: { args: [HELLO] },
    [HTTP_OTEL]: { args: ['--require', OTEL, HELLO], over: HTTP },
    [GOOGLE]: { args: [FRAMEWORK, '--target=hello', `--source=${HELLO}`] },
    'functions-framework, OpenTelemetry': {
      args: ['--require', OTEL, FRAMEWORK, '--target=hello', `--source=${HELLO}`],
      over: GOOGLE,
    },
  };
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'spoor-bench-'));
  const spool = mkdtempSync(join(tmpdir(), 'spoor-bench-'));
  const beside = spawnBeside(import.meta.filename, ['beside', folder, spool]);
  const loader = spawnBeside(import.meta.filename, ['load']);
  const costs = new Map<string, Cost[]>(
    Object.keys(variants)
      .filter((name) => name.includes(only))
      .map((name) => [name, []]),
  );
  const yardsticks: number[] = [];
  try {
    const collector = await messageOf<string>(beside);
    for (let round = 0; round < rounds; round++) {
      yardsticks.push(yardstickNs());
      const around = { folder, collector, loader, rate };
      const ours = SIDE_BY_SIDE.filter((name) => costs.has(name));
      const turns = await measureInTurn(
        ours.map((name) => variants[name] as Variant),
        around,
      );
      ours.forEach((name, i) => costs.get(name)?.push(...(turns[i] as Cost[])));
      for (const [name, list] of costs)
        if (!ours.includes(name)) list.push(await measure(variants[name] as Variant, around));
    }
  } finally {
    beside.kill('SIGKILL');
    loader.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
    rmSync(spool, { recursive: true, force: true });
  }
  print(variants, costs, yardsticks, rate);
  judge(costs, median(yardsticks), rate);
}

function print(
  variants: Readonly<Record<string, Variant>>,
  costs: ReadonlyMap<string, Cost[]>,
  yardsticks: readonly number[],
  rate: number,
): void {
  const rows = [
    [
      'median [min..max]',
      'req/s at most',
      'of its core',
      'CPU µs/req',
      'added',
      `CPU µs/req at ${rate}/s`,
      'added',
      'p50 ms',
      'p99 ms',
      'failed',
    ],
  ];
  for (const [name, list] of costs) {
    const over = costs.get(variants[name]?.over ?? '');
    const added = (what: 'saturatedCpuUs' | 'steadyCpuUs') =>
      over
        ? spread(
            list.map((cost, round) => cost[what] - (over[round] as Cost)[what]),
            1,
          )
        : '';
    rows.push([
      name,
      spread(list.map((cost) => cost.saturated.perSecond)),
      `${median(list.map(busyShare)).toFixed(0)} %`,
      spread(
        list.map((cost) => cost.saturatedCpuUs),
        1,
      ),
      added('saturatedCpuUs'),
      spread(
        list.map((cost) => cost.steadyCpuUs),
        1,
      ),
      added('steadyCpuUs'),
      median(list.map((cost) => cost.steady.p50Ms)).toFixed(2),
      median(list.map((cost) => cost.steady.p99Ms)).toFixed(2),
      String(list.reduce((sum, cost) => sum + cost.saturated.failed + cost.steady.failed, 0)),
    ]);
  }
  console.log(`${conditions()}; two clock reads ${spread(yardsticks)} ns`);
  console.log(table(rows));
}

/** Of its core at saturation, in per cent. */
function busyShare(cost: Cost): number {
  return (cost.saturatedCpuUs * cost.saturated.perSecond) / 1e4;
}

/** The targets of acceptance, one line each, and beside those of on over off what off again is over off. */
function judge(costs: ReadonlyMap<string, Cost[]>, yardstick: number, rate: number): void {
  const scale = REFERENCE_YARDSTICK_NS / yardstick;
  /** Of each round what `of` makes of two variants; the median. */
  const between = (one: string, other: string, of: (a: Cost, b: Cost) => number): number => {
    const others = costs.get(other) ?? [];
    const values = (costs.get(one) ?? []).flatMap((cost, i) => {
      const beside = others[i];
      return beside === undefined ? [] : [of(cost, beside)];
    });
    return values.length === 0 ? Number.NaN : median(values);
  };
  const offOverOn = (on: Cost, off: Cost) => off.saturated.perSecond / on.saturated.perSecond;
  const cpuRatio = (on: Cost, off: Cost) => on.steadyCpuUs / off.steadyCpuUs;
  const p99Ms = (on: Cost, off: Cost) => on.steady.p99Ms - off.steady.p99Ms;
  const added = between(ON, OFF, (on, off) => on.saturatedCpuUs - off.saturatedCpuUs);
  const noise = between(OFF_AGAIN, OFF, (again, off) => again.saturatedCpuUs - off.saturatedCpuUs);
  const addedByOtel = between(HTTP_OTEL, HTTP, (on, off) => on.saturatedCpuUs - off.saturatedCpuUs);
  type Target = readonly [what: string, value: number, unit: string, most: number, noise?: number];
  const targets: readonly Target[] = [
    ['CPU that tracing adds to an invocation, scaled', added * scale, 'µs', 2, noise * scale],
    ['the same, in what OpenTelemetry’s http instrumentation adds', added / addedByOtel, 'times', 0.1],
    [
      'requests a second at saturation, off over on',
      between(ON, OFF, offOverOn),
      'times',
      1 / 0.9,
      between(OFF_AGAIN, OFF, offOverOn),
    ],
    [
      'CPU a request at saturation, on over off: the same for a core of its own',
      between(ON, OFF, (on, off) => on.saturatedCpuUs / off.saturatedCpuUs),
      'times',
      1 / 0.9,
      between(OFF_AGAIN, OFF, (again, off) => again.saturatedCpuUs / off.saturatedCpuUs),
    ],
    [
      `CPU at ${rate} requests a second, on over off`,
      between(ON, OFF, cpuRatio),
      'times',
      1.05,
      between(OFF_AGAIN, OFF, cpuRatio),
    ],
    [
      `p99 at ${rate} requests a second, on less off`,
      between(ON, OFF, p99Ms),
      'ms',
      0.3,
      between(OFF_AGAIN, OFF, p99Ms),
    ],
    [
      'requests a second of functions-framework untraced, over ours traced',
      between(GOOGLE, ON, (google, on) => google.saturated.perSecond / on.saturated.perSecond),
      'times',
      1,
    ],
  ];
  const rows = targets
    .filter(([, value]) => !Number.isNaN(value))
    .map(([what, value, unit, most, noiseHere = Number.NaN]) => [
      what,
      `${value.toFixed(2)} ${unit}`,
      `at most ${most.toFixed(2)}`,
      value <= most ? 'reached' : 'MISSED',
      Number.isNaN(noiseHere) ? '' : noiseHere.toFixed(2),
    ]);
  if (rows.length > 0) console.log(`\n${table([['target', 'median', '', '', 'off again'], ...rows])}`);
}

interface Around {
  readonly folder: string;
  readonly collector: string;
  readonly loader: ChildProcess;
  readonly rate: number;
}

async function measure(variant: Variant, around: Around): Promise<Cost> {
  await using running = await start(variant, around);
  await running.ask(WARM_UP_SECONDS, undefined);
  return costOf(await running.ask(SECONDS, undefined), await running.ask(SECONDS, around.rate));
}

/** All alive at once and asked in turn, each time in another order. The costs of each. */
async function measureInTurn(variants: readonly Variant[], around: Around): Promise<Cost[][]> {
  await using stack = new AsyncDisposableStack();
  const all: Running[] = [];
  for (const variant of variants) all.push(stack.use(await start(variant, around)));
  for (const running of all) await running.ask(TURN_WARM_UP_SECONDS, undefined);
  const costs = all.map((): Cost[] => []);
  for (let turn = 0; turn < TURNS; turn++) {
    const saturated = await askInTurn(all, turn, undefined);
    const steady = await askInTurn(all, turn, around.rate);
    costs.forEach((list, i) => list.push(costOf(saturated[i] as Asked, steady[i] as Asked)));
  }
  return costs;
}

async function askInTurn(
  all: readonly Running[],
  turn: number,
  rate: number | undefined,
): Promise<readonly Asked[]> {
  const asked: Asked[] = [];
  for (let i = 0; i < all.length; i++) {
    // Forth and back, and each turn begins with another one.
    const which = (turn + (turn % 2 === 0 ? i : all.length - i)) % all.length;
    asked[which] = await (all[which] as Running).ask(TURN_SECONDS, rate);
  }
  return asked;
}

interface Asked {
  readonly answers: Answers;
  /** CPU of the process per request. */
  readonly cpuUs: number;
}

function costOf(saturated: Asked, steady: Asked): Cost {
  return {
    saturated: saturated.answers,
    saturatedCpuUs: saturated.cpuUs,
    steady: steady.answers,
    steadyCpuUs: steady.cpuUs,
  };
}

interface Running extends AsyncDisposable {
  ask(seconds: number, rate: number | undefined): Promise<Asked>;
}

async function start(variant: Variant, around: Around): Promise<Running> {
  const port = await freePort();
  const id = `i-${port}`;
  const child = spawn(
    ...pinned(CODE_CPU, process.execPath, [
      ...variant.args,
      ...(variant.isEnvironment ? ['--port', String(port)] : []),
    ]),
    {
      env: {
        PATH: process.env['PATH'],
        PORT: String(port),
        HOST: '127.0.0.1',
        COLLECTOR: around.collector,
        SPOOR_INSTANCE_ID: id,
        ...(variant.isTraced && { SPOOR_JOURNAL: join(around.folder, `${id}.journal`) }),
      },
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  const exited = once(child, 'exit');
  const running: Running = {
    async ask(seconds, rate) {
      const before = cpuNsOf(child.pid as number);
      const options: Load = { port, connections: CONNECTIONS, seconds, rate };
      around.loader.send(options);
      const answers = await messageOf<Answers>(around.loader);
      return { answers, cpuUs: (cpuNsOf(child.pid as number) - before) / 1e3 / answers.count };
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exited;
    },
  };
  try {
    await untilListening(port, child);
    if (variant.isEnvironment) await specialize(port);
    return running;
  } catch (error) {
    await running[Symbol.asyncDispose]();
    throw error;
  }
}

async function untilListening(port: number, child: ChildProcess): Promise<void> {
  const until = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`cannot start [${child.spawnargs.join(' ')}]`);
    const isThere = await new Promise<boolean>((done) => {
      get({ port, host: '127.0.0.1', path: '/healthz', agent: false }, (response) => {
        response.resume();
        done(true);
      }).on('error', () => done(false));
    });
    if (isThere) return;
    if (performance.now() > until) throw new Error(`cannot reach [${child.spawnargs.join(' ')}]`);
    await sleep(20);
  }
}

async function specialize(port: number): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}/v2/specialize`, {
    method: 'POST',
    body: JSON.stringify({
      filepath: HELLO,
      functionName: '',
      FunctionMetadata: { name: 'hello', resourceVersion: '1' },
    }),
  });
  if (response.status !== 202) throw new Error(`cannot specialize: ${await response.text()}`);
}

/** The load's own process: an order in, what came of it out. */
async function generate(): Promise<void> {
  process.on('message', (options) => {
    load(options as Load).then(
      (answers) => process.send?.(answers),
      (error: unknown) => {
        console.error(error);
        process.exit(1);
      },
    );
  });
  await once(process, 'disconnect');
}

/** The sink of all that is traced, and our agent, in a process of their own. */
async function standBeside(journalDir: string, spoolDir: string): Promise<void> {
  const server = createServer((request, response) => {
    request.resume();
    request.on('end', () => response.end());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const collectorUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await startAgent({ journalDirs: [journalDir], spoolDir, collectorUrl });
  process.send?.(collectorUrl);
  await once(process, 'disconnect');
  process.exit(0);
}

async function freePort(): Promise<number> {
  const server = createNetServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}
