import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { platformJournal } from '../../cli/parts/platform.ts';
import { placesOf } from '../../cli/settings.ts';
import { environmentProgram } from '../../function/environment/node/bundle.ts';
import { listen } from '../../server/listen.ts';
import { closeHttpServer } from '../../server/stop.ts';
import { ControlClient } from '../../platform/spec/client.ts';
import { fromManifest } from '../../platform/spec/manifest.ts';
import { childrenOf, freePort, startProgram, stop } from './processes.ts';

const MAIN = join(import.meta.dirname, '../../cli/main.ts');
const PEERS = join(import.meta.dirname, 'peers');

/** The same function everywhere: `hello` to a GET, its own body to a POST. */
export const HELLO = `module.exports = async (context) =>
  context.request.method === 'POST'
    ? { status: 200, body: context.request.body }
    : { status: 200, body: 'hello\\n' };
`;

export const HELLO_PYTHON = `def main():
    return "hello\\n"
`;

export interface RoadOptions {
  /** Of the function on the road `spoor`. */
  readonly requestsPerPod: number;
  /** Instances at most. */
  readonly concurrency?: number;
}

/** Something that answers on a port, and whose processes these are. */
export interface Road extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly pids: () => Readonly<Record<string, readonly number[]>>;
}

export const ROADS: Readonly<Record<string, (options: RoadOptions) => Promise<Road>>> = {
  spoor: async (options): Promise<Platform> => {
    const platform = await startPlatform();
    await platform.deploy('hello', HELLO, { spec: options });
    await platform.route('hello', '/hello');
    return { ...platform, path: '/hello' };
  },
  environment: startEnvironment,
  'functions-framework': startFramework,
  'http-proxy': startHttpProxy,
  'plain node': startPlain,
};

export interface Platform extends Road {
  readonly pid: number;
  readonly internal: string;
  readonly control: ControlClient;
  readonly journal: (service: 'router' | 'executor') => string;
  /** Every journal there is now, also those of instances. */
  readonly journals: () => string[];
  /** Puts the function into the environment `node`, or another one. */
  deploy(name: string, code: string, options?: { env?: string; spec?: object }): Promise<void>;
  environment(name: string, image: string, poolsize: number): Promise<void>;
  /** `name` of the trigger: the function's, if not given. */
  route(fn: string, path: string, name?: string): Promise<void>;
  /** `/many/N/{any}` for N below `count`. */
  routes(fn: string, count: number): Promise<void>;
  /** The function and its trigger. */
  remove(name: string): Promise<void>;
}

/**
 * The platform and the agent as `spoor up` starts them, each a process of its own, tracing on; the agent ships to a collector
 * that only acknowledges, so that the store's work is not counted as the platform's.
 */
export async function startPlatform(): Promise<Platform> {
  await using starting = new AsyncDisposableStack();
  const data = mkdtempSync(join(tmpdir(), 'spoor-bench-'));
  const places = placesOf(data);
  starting.defer(() => {
    for (const folder of [data, places.journals, places.run])
      rmSync(folder, { recursive: true, force: true });
  });
  const sink = createServer((request, response) => request.resume().once('end', () => response.end()));
  const { url: collector } = await listen(sink, { port: 0 }, 'cli');
  starting.defer(() => closeHttpServer(sink, 0));

  const profile = process.env['SPOOR_BENCH_PROFILE'];
  const flags = profile ? ['--cpu-prof', '--cpu-prof-dir', profile] : [];
  const { child, line } = await startProgram(
    [...flags, MAIN, 'platform', '--data', data, '--router-port', '0', '--internal-port', '0', '-o', 'json'],
    { isReady: (line) => line.startsWith('{') },
  );
  const agent = await startProgram([MAIN, 'agent', '--data', data, '--collector', collector, '-o', 'json'], {
    isReady: (line) => line.startsWith('{'),
  });
  starting.defer(() => stop(agent.child));
  starting.defer(() => stop(child));
  const { router, internal } = JSON.parse(line) as { router: string; internal: string };
  const pid = child.pid as number;
  const control = new ControlClient(internal);
  const put = async (...objects: object[]) => {
    for (const object of objects) await control.put(fromManifest(object));
  };
  const environment = (name: string, image: string, poolsize: number) =>
    put({ kind: 'Environment', metadata: { name }, spec: { version: 3, runtime: { image }, poolsize } });
  await environment('node', 'ghcr.io/fission/node-env', 3);

  const stack = starting.move();
  return {
    host: '127.0.0.1',
    port: Number(new URL(router).port),
    path: '/',
    pid,
    internal,
    control,
    journal: (service) => platformJournal(places.journals, pid, service),
    journals: () =>
      readdirSync(places.journals)
        .filter((name) => name.endsWith('.journal'))
        .map((name) => join(places.journals, name)),
    pids: () => ({ router: [pid], instances: childrenOf(pid), agent: [agent.child.pid as number] }),
    environment,
    async deploy(name, code, { env = 'node', spec = {} } = {}) {
      await put(
        {
          kind: 'Package',
          metadata: { name },
          spec: {
            environment: { name: env },
            deployment: { type: 'literal', literal: Buffer.from(code).toString('base64') },
          },
        },
        {
          kind: 'Function',
          metadata: { name },
          spec: {
            environment: { name: env },
            package: { packageref: { name } },
            requestsPerPod: 100,
            ...spec,
          },
        },
      );
    },
    route: (fn, path, name = fn) => put(triggerOf(name, fn, path)),
    async routes(fn, count) {
      const triggers = Array.from({ length: count }, (_, i) => triggerOf(`many${i}`, fn, `/many/${i}/{any}`));
      await control.apply({
        resources: triggers.map(fromManifest),
        deployment: { name: 'bench', uid: 'bench' },
      });
    },
    async remove(name) {
      await control.delete('HTTPTrigger', { name, namespace: 'default' });
      await control.delete('Function', { name, namespace: 'default' });
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function triggerOf(name: string, fn: string, path: string): object {
  return {
    kind: 'HTTPTrigger',
    metadata: { name },
    spec: { relativeurl: path, methods: ['GET', 'POST'], functionref: { type: 'name', name: fn } },
  };
}

/** The environment server by itself, as in a container: what the router in front of it costs is the difference. Tracing off. */
async function startEnvironment(): Promise<Road> {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'spoor-bench-'));
  const filepath = join(folder, 'hello.cjs');
  writeFileSync(filepath, HELLO);
  const child = spawn(process.execPath, [await environmentProgram(), '--port', String(port)], {
    stdio: 'ignore',
  });
  const url = `http://127.0.0.1:${port}`;
  await untilAnswers(`${url}/healthz`);
  const specialized = await fetch(`${url}/v2/specialize`, {
    method: 'POST',
    body: JSON.stringify({ filepath, functionName: '', FunctionMetadata: { name: 'hello' }, envVersion: 3 }),
  });
  if (!specialized.ok) throw new Error(await specialized.text());
  return {
    host: '127.0.0.1',
    port,
    path: '/',
    pids: () => ({ instances: [child.pid as number] }),
    async [Symbol.asyncDispose]() {
      await stop(child);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function startFramework(): Promise<Road> {
  const port = await freePort();
  const main = new URL(import.meta.resolve('@google-cloud/functions-framework')).pathname.replace(
    /index\.js$/,
    'main.js',
  );
  const child = spawn(
    process.execPath,
    [main, '--target=hello', `--source=${join(PEERS, 'framework')}`, `--port=${port}`],
    { stdio: 'ignore', env: { ...process.env, NODE_ENV: 'production' } },
  );
  await untilAnswers(`http://127.0.0.1:${port}/`);
  return {
    host: '127.0.0.1',
    port,
    path: '/',
    pids: () => ({ instances: [child.pid as number] }),
    [Symbol.asyncDispose]: () => stop(child),
  };
}

async function startPlain(): Promise<Road> {
  const { child, line } = await startProgram([join(PEERS, 'plain-server.mjs')], {
    isReady: (line) => line !== '',
  });
  return {
    host: '127.0.0.1',
    port: Number(line),
    path: '/',
    pids: () => ({ instances: [child.pid as number] }),
    [Symbol.asyncDispose]: () => stop(child),
  };
}

async function startHttpProxy(): Promise<Road> {
  const plain = await startPlain();
  const { child, line } = await startProgram(
    [join(PEERS, 'http-proxy.mjs'), `http://127.0.0.1:${plain.port}`],
    { isReady: (line) => line !== '' },
  );
  return {
    host: '127.0.0.1',
    port: Number(line),
    path: '/',
    pids: () => ({ router: [child.pid as number], ...plain.pids() }),
    async [Symbol.asyncDispose]() {
      await stop(child);
      await plain[Symbol.asyncDispose]();
    },
  };
}

async function untilAnswers(url: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await (await fetch(url)).arrayBuffer();
      return;
    } catch (error) {
      if (tries > 200) throw error;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}
