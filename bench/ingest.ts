/**
 * How fast spans come in over OTLP with durable acknowledgements, and what they cost, client and server on one machine.
 *
 *   node bench/ingest.ts [--spans 1000000] [--protocol http|grpc|both] [--shape jaeger|gas] [--spans-per-body 1000] [--connections 64]
 *                        [--rounds 3] [--cpu-prof DIR]
 *
 * `both` takes turns within each round. How memory stands over many spans: `--spans 10000000 --rounds 4` sends fifty million.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { ClientOptions } from './ingest/client.ts';
import type { Shape } from './ingest/otlp-bodies.ts';
import { cpuSeconds, loadAverage, peakRss, Talker } from './ingest/processes.ts';

const { values } = parseArgs({
  options: {
    spans: { type: 'string', default: '1000000' },
    protocol: { type: 'string', default: 'http' },
    shape: { type: 'string', default: 'jaeger' },
    'spans-per-body': { type: 'string', default: '1000' },
    connections: { type: 'string', default: '64' },
    rounds: { type: 'string', default: '3' },
    'cpu-prof': { type: 'string' },
  },
});
const spans = Number(values.spans);
const folder = await mkdtemp(join(tmpdir(), 'spoor-ingest-'));
try {
  const profile =
    values['cpu-prof'] === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${values['cpu-prof']}`];
  await using server = new Talker('server.ts', [folder], profile);
  const { engine, ...urls } = await server.next<{ http: string; grpc: string; engine: number }>();
  const protocols =
    values.protocol === 'both' ? (['http', 'grpc'] as const) : ([values.protocol as Protocol] as const);
  console.log(
    `${spans} spans a round, shape ${values.shape}, ${availableParallelism()} cores, load ${loadAverage()}`,
  );
  const rounds = new Map<Protocol, Round[]>();
  let stored = 0;
  // The first round warms up.
  for (let round = 0; round <= Number(values.rounds); round += 1)
    for (const [at, protocol] of protocols.entries()) {
      const target = { url: urls[protocol], protocol };
      const result = await runRound(server, target, engine, round * protocols.length + at);
      stored += result.acknowledged;
      print(round === 0 ? `${protocol} warm-up` : `${protocol} ${round}`, result);
      if (round > 0 || values.rounds === '0') rounds.set(protocol, [...(rounds.get(protocol) ?? []), result]);
    }
  for (const [protocol, all] of rounds) print(`${protocol} median`, median(all));
  const [http, grpc] = (['http', 'grpc'] as const).map((protocol) => rounds.get(protocol));
  if (http && grpc) {
    const [one, other] = [median(http), median(grpc)];
    console.log(
      `gRPC to HTTP: spans/s ${(other.spansPerSecond / one.spansPerSecond).toFixed(2)}, server CPU ` +
        ((other.collectorCpu + other.engineCpu) / (one.collectorCpu + one.engineCpu)).toFixed(2),
    );
  }
  const { rows } = await server.ask<{ rows: number }>('rows');
  console.log(`rows stored ${rows}, spans acknowledged ${stored}, load ${loadAverage()}`);
} finally {
  await rm(folder, { recursive: true, force: true });
}

type Protocol = 'http' | 'grpc';

interface Round {
  readonly acknowledged: number;
  readonly spansPerSecond: number;
  readonly collectorCpu: number;
  readonly engineCpu: number;
  readonly clientCpu: number;
  readonly collectorRss: number;
  readonly engineRss: number;
  readonly delayP99: number;
  readonly delayMax: number;
}

async function runRound(
  server: Talker,
  target: Pick<ClientOptions, 'url' | 'protocol'>,
  engine: number,
  round: number,
): Promise<Round> {
  const options: ClientOptions = {
    ...target,
    shape: values.shape as Shape,
    spans,
    spansPerBody: Number(values['spans-per-body']),
    connections: Number(values.connections),
    salt: round + 1,
    startUnixNano: String(BigInt(Date.now()) * 1_000_000n),
    overSeconds: (spans / 10_000_000) * 6 * 3600,
    spansPerSecond: 0,
  };
  await using client = new Talker('client.ts', [JSON.stringify(options)]);
  const ready = await client.next<{ cpu: NodeJS.CpuUsage }>();
  const before = [cpuSeconds(server.pid), cpuSeconds(engine)] as const;
  await server.ask('report');
  const done = await client.next<{
    acknowledged: number;
    refused: number;
    seconds: number;
    cpu: NodeJS.CpuUsage;
  }>();
  if (done.refused > 0) console.log(`${done.refused} spans were refused`);
  const delay = await server.ask<{ p99: number; max: number }>('report');
  const perMillion = 1e6 / done.acknowledged;
  const clientSeconds = (done.cpu.user + done.cpu.system - ready.cpu.user - ready.cpu.system) / 1e6;
  return {
    acknowledged: done.acknowledged,
    spansPerSecond: done.acknowledged / done.seconds,
    collectorCpu: (cpuSeconds(server.pid) - before[0]) * perMillion,
    engineCpu: (cpuSeconds(engine) - before[1]) * perMillion,
    clientCpu: clientSeconds * perMillion,
    collectorRss: peakRss(server.pid),
    engineRss: peakRss(engine),
    delayP99: delay.p99,
    delayMax: delay.max,
  };
}

function median(rounds: readonly Round[]): Round {
  const keys = Object.keys(rounds[0] as Round) as (keyof Round)[];
  return Object.fromEntries(
    keys.map((key) => [key, rounds.map((round) => round[key]).sort((a, b) => a - b)[rounds.length >> 1]]),
  ) as unknown as Round;
}

function print(name: string, round: Round): void {
  const cpu = round.collectorCpu + round.engineCpu;
  console.log(
    `${name.padEnd(12)} ${Math.round(round.spansPerSecond)} spans/s; CPU-s per million: server ${cpu.toFixed(1)} ` +
      `(collector ${round.collectorCpu.toFixed(1)} + engine ${round.engineCpu.toFixed(1)}), client ${round.clientCpu.toFixed(1)}; ` +
      `peak RSS MB: collector ${mb(round.collectorRss)}, engine ${mb(round.engineRss)}; ` +
      `event loop p99 ${round.delayP99.toFixed(0)} ms, max ${round.delayMax.toFixed(0)} ms`,
  );
}

function mb(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}
