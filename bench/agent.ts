/**
 * What the agent's work costs: CPU per span from journal to acknowledged OTLP (drain, encode, spool, ship), at several rates of
 * spans, the writer's own cost beside it, and what an agent costs that has 100 journals and nothing to do.
 *
 *     node bench/agent.ts [rounds] [SPANS] [rate,rate/OPEN…]        default 3 rounds of 200,000, all rates
 *
 * OPEN: so many spans are open at a time, each until as many others have begun, as with that many requests under way; else each
 * ends at once.
 *
 * The agent, the writer and the sink are processes of their own, so that each one's CPU is its own. The first round warms up.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { spawn, type ChildProcess } from 'node:child_process';
import type { Span } from '@opentelemetry/api';
import { start } from '../function/agent/agent.ts';
import { startTracing } from '../function/span/tracing.ts';
import {
  CODE_CPU,
  conditions,
  median,
  messageOf,
  pinned,
  REFERENCE_YARDSTICK_NS,
  spawnBeside,
  spread,
  table,
  yardstickNs,
} from './side-by-side.ts';

/** Spans a second: a busy instance, a quiet one, a router with 500 requests under way. The fastest is what a burst looks like. */
const RATES = ['100000', '20000', '2000', '20000/1000'] as const;
const MAX_SECONDS = 4;
const TICK_MS = 5;
const IDLE_JOURNALS = 100;
const IDLE_SECONDS = 5;

interface AgentState {
  readonly cpuUs: number;
  readonly spans: number;
  readonly requests: number;
  readonly journals: number;
  readonly yardstickNs: number;
}

interface Written {
  readonly cpuNs: number;
  readonly spans: number;
  readonly dropped: number;
  readonly transport: string;
}

const [role, ...args] = process.argv.slice(2);
if (role === 'writer') await write(args[0] as string, Number(args[1]), Number(args[2]), Number(args[3]));
else if (role === 'idle') idle(args[0] as string);
else if (role === 'agent') await drain(args[0] as string, args[1] as string, args[2] as string);
else if (role === 'sink') sink();
else await compare(Number(role ?? 3), Number(args[0] ?? 200_000), args[1]?.split(','));

async function compare(rounds: number, count: number, rates: readonly string[] = RATES): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'spoor-bench-'));
  const journals = mkdtempSync(join('/dev/shm', 'spoor-bench-'));
  const children: ChildProcess[] = [];
  try {
    const receiver = spawnBeside(import.meta.filename, ['sink']);
    children.push(receiver);
    const port = await messageOf<number>(receiver);
    const url = `http://127.0.0.1:${port}`;
    const command = [...process.execArgv, import.meta.filename, 'agent', journals, join(dir, 'spool'), url];
    const agent = spawn(...pinned(CODE_CPU, process.execPath, command), {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    children.push(agent);
    await messageOf(agent);
    const rows: string[][] = [
      [
        'spans a second/open',
        'agent CPU ns/span',
        '× two clock reads',
        `at ${REFERENCE_YARDSTICK_NS} ns`,
        'spans a request',
        'writer CPU ns/span',
      ],
    ];
    for (const rate of rates) rows.push(await atRate(agent, journals, rate, rounds, count));
    console.log(`agent, median [min..max] of ${rounds} rounds; ${conditions()}`);
    console.log(table(rows));
    if (rates === RATES) await withIdleJournals(agent, journals, children);
  } finally {
    for (const child of children) child.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
    rmSync(journals, { recursive: true, force: true });
  }
}

async function atRate(
  agent: ChildProcess,
  journals: string,
  rateAndOpen: string,
  rounds: number,
  most: number,
): Promise<string[]> {
  const [rate = 0, open = 0] = rateAndOpen.split('/').map(Number);
  const count = Math.min(most, rate * MAX_SECONDS);
  const costs: { ns: number; times: number; spansPerRequest: number; writerNs: number }[] = [];
  for (let round = 0; round <= rounds; round++) {
    const before = await stateOf(agent);
    const journal = join(journals, `bench-${rate}-${open}-${round}.journal`);
    const writer = spawnBeside(import.meta.filename, [
      'writer',
      journal,
      String(count),
      String(rate),
      String(open),
    ]);
    const written = await messageOf<Written>(writer);
    let after = await stateOf(agent);
    while (after.spans - before.spans < written.spans - written.dropped) {
      await sleep(20);
      after = await stateOf(agent);
    }
    if (written.dropped > 0) throw new Error(`cannot compare: ${written.dropped} spans were dropped`);
    if (round === 0) continue;
    const ns = ((after.cpuUs - before.cpuUs) * 1000) / written.spans;
    costs.push({
      ns,
      times: (2 * ns) / (before.yardstickNs + after.yardstickNs),
      spansPerRequest: written.spans / (after.requests - before.requests),
      writerNs: written.cpuNs,
    });
  }
  const times = costs.map((cost) => cost.times);
  return [
    rateAndOpen,
    spread(costs.map((cost) => cost.ns)),
    spread(times, 1),
    (median(times) * REFERENCE_YARDSTICK_NS).toFixed(0),
    median(costs.map((cost) => cost.spansPerRequest)).toFixed(0),
    spread(costs.map((cost) => cost.writerNs)),
  ];
}

async function withIdleJournals(
  agent: ChildProcess,
  journals: string,
  children: ChildProcess[],
): Promise<void> {
  const holder = spawnBeside(import.meta.filename, ['idle', journals]);
  children.push(holder);
  await messageOf(holder);
  let before = await stateOf(agent);
  while (before.journals < IDLE_JOURNALS) {
    await sleep(100);
    before = await stateOf(agent);
  }
  await sleep(3_000); // until it takes them for quiet
  before = await stateOf(agent);
  await sleep(IDLE_SECONDS * 1_000);
  const after = await stateOf(agent);
  const percent = (after.cpuUs - before.cpuUs) / (IDLE_SECONDS * 1e4);
  console.log(`idle: ${percent.toFixed(2)} % of a core for ${after.journals} journals with nothing in them`);
}

/** Asking costs the agent a little: the yardstick is measured after its CPU time is read, and counts for nobody. */
async function stateOf(agent: ChildProcess): Promise<AgentState> {
  agent.send('state');
  return messageOf<AgentState>(agent);
}

/** Spans at an even rate, some every few milliseconds, as requests would make them. */
async function write(journal: string, count: number, rate: number, open: number): Promise<void> {
  const tracing = startTracing({ journal, resource: { 'service.name': 'bench', 'faas.instance': 'i-1' } });
  const tracer = tracing.tracer('bench', '1.0.0');
  const ids = Array.from({ length: 1024 }, () => Buffer.from(crypto.randomUUID()).toString('latin1'));
  const under: Span[] = [];
  const before = process.cpuUsage();
  const from = performance.now();
  let made = 0;
  while (made < count) {
    const due = Math.min(count, Math.floor(((performance.now() - from) / 1_000) * rate));
    for (; made < due; made++) {
      const span = tracer.startSpan('greeter', {
        attributes: {
          'faas.invocation_id': ids[made & 1023] as string,
          'faas.trigger': 'http',
          'http.route': '/greetings',
          'http.response.status_code': 200,
          'faas.coldstart': false,
        },
      });
      under.push(span);
      if (under.length > open) under.shift()?.end();
    }
    await sleep(TICK_MS);
  }
  for (const span of under) span.end();
  const used = process.cpuUsage(before);
  process.send?.({
    cpuNs: ((used.user + used.system) * 1000) / count,
    spans: count,
    dropped: tracing.dropped.spans,
    transport: tracing.transport,
  } satisfies Written);
  process.disconnect();
}

function idle(journals: string): void {
  for (let i = 0; i < IDLE_JOURNALS; i++) {
    const tracing = startTracing({
      journal: join(journals, `idle-${i}.journal`),
      transport: 'write',
      resource: { 'service.name': 'idle' },
    });
    if (tracing.failure) throw tracing.failure;
  }
  process.send?.('ready');
  setInterval(() => undefined, 60_000);
}

async function drain(journalDir: string, spoolDir: string, collectorUrl: string): Promise<void> {
  const agent = await start({ journalDirs: [journalDir], spoolDir, collectorUrl });
  let aside = 0;
  process.send?.('ready');
  process.on('message', () => {
    const total = process.cpuUsage();
    const { acknowledged, collector, journals } = agent.status();
    const yardstick = yardstickNs();
    const state: AgentState = {
      cpuUs: total.user + total.system - aside,
      spans: acknowledged.spans,
      requests: collector.requests,
      journals,
      yardstickNs: yardstick,
    };
    const now = process.cpuUsage(total);
    aside += now.user + now.system;
    process.send?.(state);
  });
  await once(process, 'disconnect');
  process.exit(0);
}

function sink(): void {
  const server = createServer((request, response) => {
    request.resume();
    request.on('end', () => response.end());
  });
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
  process.once('disconnect', () => process.exit(0));
}
