import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import type { Command } from 'commander';
import { Failure } from '../../server/failure.ts';
import type { CliContext } from '../context.ts';
import { collect, durationOption, namespaced, verb, wrongUsage, type NameFlags } from './flags.ts';
import { mustGet } from './remove.ts';

const DEFAULT_TIMEOUT_MS = 60_000;

/** What a call of a function is made of. */
export interface CallFlags {
  readonly method: string;
  readonly body?: string;
  readonly header?: readonly string[];
  readonly query?: readonly string[];
  readonly subpath?: string;
  /** Milliseconds. */
  readonly timeout?: number;
}

interface TestFlags extends CallFlags, NameFlags {
  readonly async?: boolean;
  readonly trace?: boolean;
  readonly why?: boolean;
}

export function registerTest(fn: Command, context: CliContext): void {
  namespaced(
    verb(
      fn,
      'test',
      'call a function: its answer to stdout, request id and trace id to stderr',
      'spoor fn test --name hello\nspoor fn test --name hello --method POST --body \'{"a":1}\' -H "Content-Type: application/json" --trace',
    ),
  )
    .requiredOption('--name <name>', 'name of the function')
    .option('--method <method>', 'HTTP method', 'GET')
    .option('-b, --body <text>', 'request body; @FILE reads a file, @- stdin')
    .option('-H, --header <header>', 'request header, "Name: value"; may be repeated', collect)
    .option('-q, --query <key=value>', 'query parameter; may be repeated', collect)
    .option('--subpath <path>', 'path below the function')
    .addOption(
      durationOption('-t, --timeout <duration>', 'how long to wait for the answer', DEFAULT_TIMEOUT_MS),
    )
    .option(
      '--async',
      'do not wait for the answer: print the id of the invocation (POST unless --method says otherwise)',
    )
    .option('--trace', 'draw the trace')
    .option('--why', 'say why it failed or was slow')
    .action((flags: TestFlags) => test(context, flags));
}

async function test(context: CliContext, flags: TestFlags): Promise<void> {
  const namespace = flags.namespace === 'default' ? '' : `${encodeURIComponent(flags.namespace)}/`;
  const base = new URL(
    `${await context.server()}/fission-function/${namespace}${encodeURIComponent(flags.name)}`,
  );
  const {
    status,
    body: answer,
    requestId,
    traceId,
  } = await callFunction(
    base,
    flags.name,
    flags.async === true
      ? { ...flags, header: [...(flags.header ?? []), 'X-Fission-Invoke-Mode: async'] }
      : flags,
  );
  context.out.bytes(answer);
  if (requestId !== null) context.out.remark(`\nrequest id ${requestId}`);
  if (traceId !== undefined) context.out.remark(`trace id   ${traceId}`);
  const isMissing = platformError(answer)?.reason === 'not_found';
  if (status >= 400 && !isMissing && flags.why !== true && traceId !== undefined)
    context.out.remark(`why        spoor why ${traceId}`);
  if (flags.trace === true || flags.why === true) {
    if (traceId === undefined) context.out.warn('the answer names no trace');
    else {
      if (flags.trace === true) await context.drawTrace(traceId);
      if (flags.why === true) await context.explain(traceId);
    }
  }
  if (status === 404) await mustGet(context, 'Function', flags);
  if (status >= 400) throw failureOf(flags.name, status, answer);
}

export interface FunctionAnswer {
  readonly status: number;
  readonly body: Uint8Array;
  readonly requestId: string | null;
  readonly traceId: string | undefined;
}

/** Calls a function at its address. A Failure when nothing answers, or not in time; any status is an answer. */
export async function callFunction(base: URL, name: string, flags: CallFlags): Promise<FunctionAnswer> {
  const url = urlOf(base, flags);
  const body = await bodyOf(flags);
  const response = await send(url, name, flags, body);
  const answer = await response.arrayBuffer().catch((error: unknown) => broken(name, flags, error));
  return {
    status: response.status,
    body: new Uint8Array(answer),
    requestId: response.headers.get('x-fission-request-id'),
    // https://www.w3.org/TR/trace-context-2/#traceresponse-header: version-traceid-spanid-flags
    traceId: response.headers.get('traceresponse')?.split('-')[1],
  };
}

function urlOf(base: URL, flags: CallFlags): URL {
  const url = new URL(base);
  if (flags.subpath !== undefined) {
    const [path, query] = flags.subpath.split('?', 2) as [string, string?];
    url.pathname = `${url.pathname.replace(/\/$/, '')}${path.startsWith('/') ? path : `/${path}`}`;
    if (query !== undefined) url.search = query;
  }
  for (const pair of flags.query ?? []) {
    const at = pair.indexOf('=');
    url.searchParams.append(at < 0 ? pair : pair.slice(0, at), at < 0 ? '' : pair.slice(at + 1));
  }
  return url;
}

async function bodyOf(flags: CallFlags): Promise<Buffer | undefined> {
  if (flags.body === undefined) return undefined;
  if (!flags.body.startsWith('@')) return Buffer.from(flags.body);
  // Not by its path: /dev/stdin cannot be opened when it is a socket.
  if (flags.body === '@-') return await buffer(process.stdin);
  const path = flags.body.slice(1);
  return await readFile(path).catch((error: Error) => {
    throw wrongUsage(`cannot read the body from ${path}: ${error.message}`);
  });
}

async function send(url: URL, name: string, flags: CallFlags, body: Buffer | undefined): Promise<Response> {
  const method = flags.method.toUpperCase();
  const headers = new Headers();
  for (const header of flags.header ?? []) {
    const [, name, value] = /^([^:]+):\s*(.*)$/.exec(header) ?? [];
    if (name === undefined || value === undefined)
      throw wrongUsage(`cannot read the header ${JSON.stringify(header)}: it wants "Name: value"`);
    headers.append(name.trim(), value);
  }
  if (body !== undefined && (method === 'GET' || method === 'HEAD'))
    throw wrongUsage(`cannot send a body with ${method}: give --method POST`);
  try {
    return await fetch(url, {
      method,
      headers,
      ...(body === undefined ? {} : { body: new Uint8Array(body) }),
      redirect: 'manual',
      signal: AbortSignal.timeout(flags.timeout ?? DEFAULT_TIMEOUT_MS),
    });
  } catch (error) {
    return broken(name, flags, error, url);
  }
}

function broken(name: string, flags: CallFlags, error: unknown, url?: URL): never {
  if ((error as Error).name === 'TimeoutError')
    throw new Failure(
      'timeout',
      'function_timeout',
      `cannot wait for function '${name}' any longer: no answer within ${(flags.timeout ?? DEFAULT_TIMEOUT_MS) / 1000} s`,
    );
  const { cause } = error as { cause?: unknown };
  const why =
    cause instanceof Error
      ? cause.message || (cause as NodeJS.ErrnoException).code
      : (error as Error).message;
  const advice =
    url === undefined ? '' : `. Is the platform running at ${url.origin}? \`spoor up\` starts it`;
  throw new Failure('cli', 'unavailable', `cannot call function '${name}': ${why}${advice}`, {
    cause: error,
  });
}

/** One line that says who failed: the platform's own errors name component and reason, anything else the function said. */
function failureOf(name: string, status: number, answer: Uint8Array): Failure {
  const said = platformError(answer);
  const who = said
    ? `${said.reason} at the ${said.component} (status ${status})${said.message === undefined ? '' : `: ${said.message}`}`
    : `it answered with status ${status}`;
  return new Failure('function', 'function_error', `cannot call function '${name}': ${who}`);
}

function platformError(
  answer: Uint8Array,
): { component: string; reason: string; message?: string } | undefined {
  try {
    const body = JSON.parse(Buffer.from(answer).toString()) as Record<string, unknown> | null;
    const { component, reason, message } = body ?? {};
    if (typeof component !== 'string' || typeof reason !== 'string') return undefined;
    return { component, reason, ...(typeof message === 'string' ? { message } : {}) };
  } catch {
    return undefined;
  }
}
