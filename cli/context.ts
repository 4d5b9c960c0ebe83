import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Failure } from '../server/failure.ts';
import { ControlClient } from '../platform/spec/client.ts';
import { createOutput, type Output } from './output.ts';

/** What every verb is given: the running platform's addresses, and a way to speak to the person at the terminal. */
export interface CliContext {
  /** Base URL of the internal listener. A Failure with advice when nothing runs. */
  server(): Promise<string>;
  routerUrl(): Promise<string>;
  queryUrl(): Promise<string>;
  client(): Promise<ControlClient>;
  readonly out: Output;
  /** Draws the trace in the terminal once it has arrived. */
  drawTrace(traceId: string): Promise<void>;
  /** Says why the trace failed or was slow. */
  explain(traceId: string): Promise<void>;
}

export interface GlobalFlags {
  readonly server?: string;
  readonly data: string;
}

export interface CliPieces {
  readonly drawTrace?: (traceId: string) => Promise<void>;
  readonly explain?: (traceId: string) => Promise<void>;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly out?: Output;
}

/** `flags` is asked when a verb runs, after the command line is parsed. */
export function createCliContext(flags: () => GlobalFlags, pieces: CliPieces = {}): CliContext {
  const env = pieces.env ?? process.env;
  const endpoint = (name: keyof typeof ELSEWHERE) => readEndpoint(flags().data, name);
  // eslint-disable-next-line require-await -- what throws here must be a rejection
  const server = async () => trimmed(flags().server ?? env['SPOOR_SERVER'] ?? endpoint('internal'));
  return {
    server,
    // eslint-disable-next-line require-await
    routerUrl: async () => trimmed(env['SPOOR_ROUTER_URL'] ?? endpoint('router')),
    // eslint-disable-next-line require-await
    queryUrl: async () => trimmed(env['SPOOR_QUERY_URL'] ?? endpoint('query')),
    client: async () => new ControlClient(await server()),
    out: pieces.out ?? createOutput({ stdout: process.stdout, stderr: process.stderr, env }),
    drawTrace: pieces.drawTrace ?? (() => cannot('draw a trace')),
    explain: pieces.explain ?? (() => cannot('explain a trace')),
  };
}

/** `spoor up` writes where everything answers beside its data, and removes it when it stops. */
function readEndpoint(data: string, name: keyof typeof ELSEWHERE): string {
  const file = join(resolve(data), 'endpoints.json');
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new Failure(
      'cli',
      'unavailable',
      `cannot find a running platform: there is no ${file}. Start it with \`spoor up\`, or name ${ELSEWHERE[name]}`,
      { cause: error },
    );
  }
  try {
    const url = (JSON.parse(text) as Record<string, unknown>)[name];
    if (typeof url === 'string') return url;
  } catch {
    // Said below.
  }
  throw new Failure(
    'cli',
    'unavailable',
    `cannot read the platform's address "${name}" in ${file}. Start it again with \`spoor up\``,
  );
}

/** How to say where it is when it runs elsewhere. */
const ELSEWHERE = {
  internal: 'its internal address with --server or SPOOR_SERVER',
  router: "the router's address with SPOOR_ROUTER_URL",
  query: 'the address of its query API with SPOOR_QUERY_URL',
} as const;

function trimmed(url: string): string {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw new Failure(
      'cli',
      'bad_request',
      `cannot use ${JSON.stringify(url)} as an address: it wants http://host:port`,
    );
  return url.replace(/\/+$/, '');
}

function cannot(what: string): Promise<void> {
  return Promise.reject(new Failure('cli', 'not_supported', `cannot ${what} in this build`));
}
