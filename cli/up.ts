import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { styleText } from 'node:util';
import { Failure } from '../server/failure.ts';
import { isLoopback } from '../server/listen.ts';
import { lockData } from './lock.ts';
import { howItDied, writeEnds } from './part-ends.ts';
import { messageOf, startPart, type Part, type PartDeath, type ReadyLine } from './supervisor.ts';
import { makePlaces, type Settings } from './settings.ts';
import { isColoured } from './terminal-text.ts';
import { tailSamplingArgs } from './tail-sampling.ts';

/** Everything on this machine: three processes kept running, and how to reach them. */
export interface Running extends AsyncDisposable {
  readonly endpoints: Endpoints;
}

export interface Endpoints {
  readonly router: string;
  readonly internal: string;
  readonly query: string;
  readonly otlpHttp: string;
  readonly otlpGrpc?: string;
  readonly pid: number;
}

export interface UpOptions {
  readonly settings: Settings;
  readonly uiDir: string | undefined;
  /** A line for the person at the terminal; warnings and errors of the parts. */
  readonly say: (line: string) => void;
}

const PLATFORM_GRACE_MS = 15_000;
const AGENT_GRACE_MS = 8_000;
const BACKEND_GRACE_MS = 15_000;

/**
 *     backend  ──┐                      platform and backend start side by side; the agent needs the collector's address.
 *     platform ──┴─▶ agent ─▶ ready     Stopping goes the other way: platform (drains), agent (delivers), backend.
 */
export async function up(options: UpOptions): Promise<Running> {
  const { settings, say } = options;
  const places = makePlaces(settings.data);
  if (!isLoopback(settings.host) && settings.token === undefined) {
    throw new Failure(
      'cli',
      'forbidden',
      `cannot listen on ${settings.host} without a token: set SPOOR_TOKEN or pass --token, or stay on 127.0.0.1`,
    );
  }
  const unlock = lockData(places.data);
  await using starting = new AsyncDisposableStack();
  starting.defer(unlock);

  const common = ['--data', places.data, '--host', settings.host];
  const env = { ...process.env, ...(settings.token === undefined ? {} : { SPOOR_TOKEN: settings.token }) };
  const shared = {
    logDir: places.logs,
    env,
    onLine: (name: string, line: string) => sayProblem(say, name, line),
  };
  const told = (death: PartDeath) =>
    say(`${death.name} (pid ${death.pid}) ${howItDied(death)}; starting it again`);

  const [backend, platform] = await startTogether(
    startPart({
      ...shared,
      name: 'backend',
      args: (previous) => [
        'backend',
        ...common,
        '--query-port',
        portOf(previous, 'query', settings.queryPort),
        '--otlp-http-port',
        portOf(previous, 'otlpHttp', settings.otlpHttpPort),
        ...extraPort(previous, 'otlpGrpc', '--otlp-grpc-port', settings.otlpGrpcPort),
        ...extraPort(previous, 'jaegerHttp', '--jaeger-http-port', settings.jaegerHttpPort),
        ...extraPort(previous, 'jaegerUdp', '--jaeger-udp-port', settings.jaegerUdpPort),
        ...extraPort(previous, 'zipkin', '--zipkin-port', settings.zipkinPort),
        ...extraPort(previous, 'sampling', '--sampling-port', settings.samplingPort),
        ...(settings.keepDays === undefined ? [] : ['--retention', `${settings.keepDays}d`]),
        ...(settings.maxDiskBytes === undefined ? [] : ['--max-disk', `${settings.maxDiskBytes}B`]),
        ...tailSamplingArgs(settings.tailSampling),
        ...(options.uiDir === undefined ? [] : ['--ui-dir', options.uiDir]),
      ],
      onDeath: told,
    }),
    startPart({
      ...shared,
      name: 'platform',
      args: (previous) => [
        'platform',
        ...common,
        '--router-port',
        portOf(previous, 'router', settings.routerPort),
        '--internal-port',
        portOf(previous, 'internal', settings.internalPort),
        ...(settings.kafka.length > 0 ? ['--kafka', settings.kafka.join(',')] : []),
      ],
      onDeath: (death) => {
        told(death);
        void writeEnds(places, death);
      },
    }),
  );
  starting.defer(() => backend.stop(BACKEND_GRACE_MS));
  const stopPlatform = once(() => platform.stop(PLATFORM_GRACE_MS));
  starting.defer(stopPlatform);

  const agent = await startPart({
    ...shared,
    name: 'agent',
    args: () => ['agent', '--data', places.data, '--collector', String(backend.ready()['otlpHttp'])],
    onDeath: told,
  });
  starting.defer(() => agent.stop(AGENT_GRACE_MS));
  // The agent goes after the platform although it was started last: the spans of stopping instances must find it awake.
  starting.defer(stopPlatform);

  const endpoints: Endpoints = {
    router: String(platform.ready()['router']),
    internal: String(platform.ready()['internal']),
    query: String(backend.ready()['query']),
    otlpHttp: String(backend.ready()['otlpHttp']),
    ...(backend.ready()['otlpGrpc'] === undefined ? {} : { otlpGrpc: String(backend.ready()['otlpGrpc']) }),
    pid: process.pid,
  };
  writeAtomically(places.endpoints, JSON.stringify(endpoints, null, 2));
  starting.defer(() => rmSync(places.endpoints, { force: true }));

  const started = starting.move();
  return { endpoints, [Symbol.asyncDispose]: () => started.disposeAsync() };
}

/** Both, or neither: when one cannot start the other is stopped before the error goes on. */
async function startTogether(...starts: readonly [Promise<Part>, Promise<Part>]): Promise<[Part, Part]> {
  const [first, second] = await Promise.allSettled(starts);
  if (first.status === 'fulfilled' && second.status === 'fulfilled') return [first.value, second.value];
  for (const result of [first, second])
    if (result.status === 'fulfilled') await result.value.stop(PLATFORM_GRACE_MS);
  throw first.status === 'rejected' ? first.reason : (second as PromiseRejectedResult).reason;
}

function once(action: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => (done ??= action());
}

function portOf(previous: ReadyLine | undefined, endpoint: string, asked: number): string {
  const url = previous?.[endpoint];
  return typeof url === 'string' ? new URL(url).port : String(asked);
}

/** Nothing when nobody asked: the backend then takes the default port if it is free. */
function extraPort(
  previous: ReadyLine | undefined,
  endpoint: string,
  flag: string,
  asked: number | undefined,
): string[] {
  return asked === undefined ? [] : [flag, portOf(previous, endpoint, asked)];
}

function sayProblem(say: (line: string) => void, name: string, line: string): void {
  let level: unknown;
  try {
    level = (JSON.parse(line) as { level?: unknown }).level;
  } catch {
    // Not of our log: what a program under it, or Node itself, has to say.
    level = 'warn';
  }
  if (level === 'warn' || level === 'error' || level === 'fatal')
    say(`${name}: ${level === 'warn' ? '' : 'error: '}${messageOf(line)}`);
}

/** Whoever reads it finds all of `text`, or what was there before. */
function writeAtomically(file: string, text: string): void {
  writeFileSync(`${file}.tmp`, text, { mode: 0o600 });
  renameSync(`${file}.tmp`, file);
}

/** For stderr: dim when it is a terminal. */
export function sayOnStderr(line: string): void {
  console.error(
    isColoured(process.stderr, process.env) ? styleText('dim', line, { validateStream: false }) : line,
  );
}
