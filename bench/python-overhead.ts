/**
 * What tracing adds to the Python environment, in CPU of its process per request: hello world over one connection and over eight,
 * tracing off and on in turn, and on in a second process: what differs between those two is noise.
 *
 *     node bench/python-overhead.ts [rounds] [requests a round]       default 60 rounds, 200
 *
 * All processes live through the whole run, so that each round finds them warm; rounds are short and many, so that what the
 * machine does besides falls on all of them alike. Ratios are medians of the rounds' own. About a minute.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Duplex } from 'node:stream';
import { pythonProgram } from '../function/environment/python/program.ts';
import {
  CODE_CPU,
  conditions,
  cpuNsOf,
  median,
  messageOf,
  pinned,
  spawnBeside,
  spread,
  table,
} from './side-by-side.ts';

const HELLO = `def main():\n    return 'hello'\n`;
const VARIANTS = ['tracing off', 'tracing on', 'tracing on, again'] as const;
const CONNECTIONS = [1, 8] as const;
const WARM_UP = 500;

interface Server {
  readonly child: ChildProcess;
  readonly socketPath: string;
  readonly agents: ReadonlyMap<number, Agent>;
}

interface Cost {
  readonly cpuUs: number;
  readonly perSecond: number;
}

const rounds = Number(process.argv[2] ?? 60);
const requests = Number(process.argv[3] ?? 200);

const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'spoor-bench-'));
const spool = mkdtempSync(join(tmpdir(), 'spoor-bench-'));
// The agent and what takes its spans stand beside, as in a platform: a journal that is full would cost less.
const beside = spawnBeside(join(import.meta.dirname, 'overhead.ts'), ['beside', folder, spool]);
const servers = new Map<string, Server>();
const costs = new Map<string, Cost[]>();
try {
  await messageOf<string>(beside);
  for (const name of VARIANTS) servers.set(name, await start(name, name !== 'tracing off'));
  for (const connections of CONNECTIONS) {
    for (const server of servers.values()) await ask(server, connections, WARM_UP);
    for (let round = 0; round < rounds; round += 1) {
      for (const [name, server] of servers) {
        const key = `${connections} ${name}`;
        costs.set(key, [...(costs.get(key) ?? []), await measure(server, connections)]);
      }
    }
  }
} finally {
  for (const { child, agents } of servers.values()) {
    for (const agent of agents.values()) agent.destroy();
    child.kill('SIGKILL');
  }
  beside.kill('SIGKILL');
  for (const path of [folder, spool]) rmSync(path, { recursive: true, force: true });
}
print();

function print(): void {
  const rows = [['median [min..max]', 'connections', 'CPU µs/req', 'to off', 'least', 'req/s', 'to off']];
  for (const connections of CONNECTIONS) {
    const off = costs.get(`${connections} tracing off`) as Cost[];
    for (const name of VARIANTS) {
      const list = costs.get(`${connections} ${name}`) as Cost[];
      const ratio = (what: keyof Cost) =>
        median(list.map((cost, round) => cost[what] / (off[round] as Cost)[what])).toFixed(3);
      rows.push([
        name,
        String(connections),
        spread(
          list.map((cost) => cost.cpuUs),
          1,
        ),
        ratio('cpuUs'),
        (Math.min(...list.map((cost) => cost.cpuUs)) / Math.min(...off.map((cost) => cost.cpuUs))).toFixed(3),
        spread(list.map((cost) => cost.perSecond)),
        ratio('perSecond'),
      ]);
    }
  }
  console.log(`the Python environment, Flask, unix socket; ${conditions()}`);
  console.log(table(rows));
}

async function start(name: string, isTraced: boolean): Promise<Server> {
  const id = name.replaceAll(/\W+/g, '-');
  const socketPath = join(folder, `${id}.socket`);
  const file = join(folder, `${id}.py`);
  writeFileSync(file, HELLO);
  const { command, args } = await pythonProgram();
  const child = spawn(...pinned(CODE_CPU, command, args), {
    env: {
      PATH: process.env['PATH'],
      SPOOR_SOCKET: socketPath,
      SPOOR_INSTANCE_ID: id,
      SPOOR_CONTROL_FD: '3',
      ...(isTraced && { SPOOR_JOURNAL: join(folder, `${id}.journal`) }),
    },
    stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
  });
  await once(createInterface({ input: child.stdio[3] as Duplex }), 'line');
  const agents = new Map(
    CONNECTIONS.map((count) => [count, new Agent({ keepAlive: true, maxSockets: count })]),
  );
  const server = { child, socketPath, agents };
  const load = { filepath: file, FunctionMetadata: { name: 'hello', resourceVersion: '1' } };
  const status = await send(server, 1, '/v2/specialize', JSON.stringify(load));
  if (status !== 200) throw new Error(`cannot specialize: ${status}`);
  return server;
}

async function measure(server: Server, connections: number): Promise<Cost> {
  // Of threads that live: a connection's thread does, between rounds too.
  const before = cpuNsOf(server.child.pid as number);
  const from = performance.now();
  await ask(server, connections, requests);
  const seconds = (performance.now() - from) / 1_000;
  return {
    cpuUs: (cpuNsOf(server.child.pid as number) - before) / 1e3 / requests,
    perSecond: requests / seconds,
  };
}

async function ask(server: Server, connections: number, count: number): Promise<void> {
  let left = count;
  const caller = async () => {
    while (left-- > 0) {
      const status = await send(server, connections, '/hello');
      if (status !== 200) throw new Error(`the function answered ${status}`);
    }
  };
  await Promise.all(Array.from({ length: connections }, caller));
}

function send(server: Server, connections: number, path: string, body?: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request(
      {
        socketPath: server.socketPath,
        agent: server.agents.get(connections),
        path,
        method: body === undefined ? 'GET' : 'POST',
        // What a platform's router sends.
        headers: {
          traceparent: `00-0af7651916cd43dd8448eb211c80319c-${hex()}${hex()}-01`,
          'x-fission-request-id': `3f1c2b9a-1111-4222-8333-1234${hex()}`,
          'x-spoor-invocation-id': `3f1c2b9a-1111-4222-8333-1235${hex()}`,
          'x-spoor-trigger': 'http',
          'x-spoor-coldstart': 'false',
        },
      },
      (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode ?? 0));
      },
    );
    asked.on('error', reject);
    asked.end(body);
  });
}

function hex(): string {
  return ((Math.random() * 2 ** 32) >>> 0).toString(16).padStart(8, '0');
}
