/**
 * What tracing adds to a server, in CPU of the function's process per request: our environment with tracing off and on, a bare
 * node:http server and functions-framework without tracing and with OpenTelemetry's http instrumentation, batch and OTLP.
 *
 *     node bench/overhead.ts [rounds] [requests a second] [part of a name]       default 5 rounds, 12,000
 *
 * Every variant in a process of its own, in turn within each round: as many requests as it takes from 32 connections, then a fixed
 * rate. The load, the sink and the agent share the other core. Round by round a variant is held against what it adds to. Our own two
 * differ by less than the machine does from one minute to the next, so they live side by side, warmed up for longer, and are asked
 * in turn for a second at a time; their figures are medians of such pairs. Five rounds take six minutes.
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
const HTTP = 'node:http';
const HTTP_OTEL = 'node:http, OpenTelemetry';
const GOOGLE = 'functions-framework';
const CONNECTIONS = 32;
const SECONDS = 2.5;
const WARM_UP_SECONDS = 1.5;
/** Of a pair, how long it is warmed up, and for how long and how often each of both is asked in turn. */
const PAIR_WARM_UP_SECONDS = 3;
const PAIR_SECONDS = 1;
const PAIR_TURNS = 6;
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
      const isPair = costs.has(ON) && costs.has(OFF);
      if (isPair)
        for (const [off, on] of await measurePair(
          variants[OFF] as Variant,
          variants[ON] as Variant,
          around,
        )) {
          costs.get(OFF)?.push(off);
          costs.get(ON)?.push(on);
        }
      for (const [name, list] of costs)
        if (!isPair || (name !== ON && name !== OFF))
          list.push(await measure(variants[name] as Variant, around));
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

/** The targets of acceptance, one line each. */
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
  const added = between(ON, OFF, (on, off) => on.saturatedCpuUs - off.saturatedCpuUs);
  const addedByOtel = between(HTTP_OTEL, HTTP, (on, off) => on.saturatedCpuUs - off.saturatedCpuUs);
  const targets: readonly (readonly [what: string, value: number, unit: string, most: number])[] = [
    ['CPU that tracing adds to an invocation, scaled', added * scale, 'µs', 2],
    ['the same, in what OpenTelemetry’s http instrumentation adds', added / addedByOtel, 'times', 0.1],
    [
      'requests a second at saturation, off over on',
      between(ON, OFF, (on, off) => off.saturated.perSecond / on.saturated.perSecond),
      'times',
      1 / 0.9,
    ],
    [
      `CPU at ${rate} requests a second, on over off`,
      between(ON, OFF, (on, off) => on.steadyCpuUs / off.steadyCpuUs),
      'times',
      1.05,
    ],
    [
      `p99 at ${rate} requests a second, on less off`,
      between(ON, OFF, (on, off) => on.steady.p99Ms - off.steady.p99Ms),
      'ms',
      0.3,
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
    .map(([what, value, unit, most]) => [
      what,
      `${value.toFixed(2)} ${unit}`,
      `at most ${most.toFixed(2)}`,
      value <= most ? 'reached' : 'MISSED',
    ]);
  if (rows.length > 0) console.log(`\n${table([['target', 'median', '', ''], ...rows])}`);
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

/** Both alive at once and asked in turn, the one first and then the other. */
async function measurePair(one: Variant, other: Variant, around: Around): Promise<[Cost, Cost][]> {
  await using first = await start(one, around);
  await using second = await start(other, around);
  for (const running of [first, second]) await running.ask(PAIR_WARM_UP_SECONDS, undefined);
  const inTurn = async (turn: number, rate: number | undefined): Promise<[Asked, Asked]> => {
    if (turn % 2 === 0) return [await first.ask(PAIR_SECONDS, rate), await second.ask(PAIR_SECONDS, rate)];
    const late = await second.ask(PAIR_SECONDS, rate);
    return [await first.ask(PAIR_SECONDS, rate), late];
  };
  const pairs: [Cost, Cost][] = [];
  for (let turn = 0; turn < PAIR_TURNS; turn++) {
    const saturated = await inTurn(turn, undefined);
    const steady = await inTurn(turn, around.rate);
    pairs.push([costOf(saturated[0], steady[0]), costOf(saturated[1], steady[1])]);
  }
  return pairs;
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
