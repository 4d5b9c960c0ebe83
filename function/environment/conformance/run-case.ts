import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { WebSocket } from 'ws';
import { SPAN_KIND, STATUS_CODE, type SpanData } from '../../span/span-data.ts';
import type { Case, Exchange, Expected, ExpectedSpan, Language } from './cases.ts';
import { type Answer, type Ask, type EnvironmentCommand, EnvironmentProcess } from './environment-process.ts';
import { type Received, startStandIn } from './stand-in.ts';

/** Of a case that takes seconds when all is well. */
const LIFETIME_MS = 60_000;

type Journal = ReturnType<EnvironmentProcess['journal']>;

/**
 * Runs one case against an environment started for it, and returns what was not as it should be: a sentence each, none when
 * all is well.
 */
export async function runCase(
  each: Case,
  language: Language,
  command: EnvironmentCommand,
): Promise<readonly string[]> {
  const source = each.source[language];
  if (!source) return [];
  await using around = await startStandIn();
  await using environment = await EnvironmentProcess.start(command, {
    env: { SPOOR_INTERNAL_URL: around.url, SPOOR_ROUTER_URL: around.url },
    lifetimeMs: LIFETIME_MS,
  });
  const filepath = join(environment.write(source.files), source.filepath);
  const loaded = loadFaults(await environment.specialize(filepath, source.entry), each.load);
  if (loaded.length > 0) return loaded;

  const exchange = async ({ ask, expect, webSocket }: Exchange): Promise<string[]> => {
    if (webSocket) return talk(environment, ask, webSocket);
    try {
      return answerFaults(await environment.ask(ask), expect);
    } catch (error) {
      return expect.status === 0 ? [] : [`there is no answer: ${(error as Error).message}`];
    }
  };
  const faults: string[] = [];
  const note = (i: number, found: readonly string[]) =>
    faults.push(...found.map((fault) => `request ${i + 1}: ${fault}`));
  if (each.concurrent) {
    const all = await Promise.all(each.requests.map(exchange));
    all.forEach((found, i) => note(i, found));
  } else {
    for (const [i, request] of each.requests.entries()) note(i, await exchange(request));
  }
  if (each.requests.every(({ expect }) => expect.span === undefined)) return faults;

  // Once it has ended, everything it had to say is in its journal.
  environment.child.kill('SIGTERM');
  await environment.ended;
  if (!existsSync(environment.journalPath)) return [...faults, 'there is no journal'];
  const journal = environment.journal();
  const servers = journal.spans
    .filter((span) => span.kind === SPAN_KIND.server)
    .sort((a, b) => Number(a.startTimeUnixNano - b.startTimeUnixNano));
  for (const [i, { ask, expect }] of each.requests.entries()) {
    if (!expect.span) continue;
    const id = ask.headers?.['x-spoor-invocation-id'];
    const span = each.concurrent
      ? servers.find((server) => server.attributes['faas.invocation_id'] === id)
      : servers[i];
    const found = [
      ...spanFaults(span, expect.span),
      ...(span ? childFaults(span, expect.span, journal) : []),
      ...(span ? callFaults(span, expect.calls, journal, around.received) : []),
    ];
    faults.push(...found.map((fault) => `span ${i + 1}: ${fault}`));
  }
  return faults;
}

function loadFaults(answer: Answer, expect: Case['load']): string[] {
  if (!expect) return answer.status < 300 ? [] : [`cannot specialize: ${answer.status} ${answer.text}`];
  const isTold = answer.status === expect.status && answer.text.includes(expect.contains);
  return isTold ? [] : [`to specialize was answered ${answer.status} ${answer.text}`];
}

async function talk(
  environment: EnvironmentProcess,
  { path = '/', headers = {} }: Ask,
  messages: NonNullable<Exchange['webSocket']>,
): Promise<string[]> {
  const ws = new WebSocket(`ws+unix://${environment.socketPath}:${path}`, { headers });
  const faults: string[] = [];
  await once(ws, 'open');
  for (const [sent, expected] of messages) {
    ws.send(sent);
    const [received] = (await once(ws, 'message')) as [Buffer];
    if (received.toString() !== expected) faults.push(told('message', received.toString(), expected));
  }
  ws.close();
  await once(ws, 'close');
  return faults;
}

function answerFaults(answer: Answer, expect: Expected): string[] {
  const faults: string[] = [];
  const check = (what: string, actual: unknown, expected: unknown) => {
    if (!isDeepStrictEqual(actual, expected)) faults.push(told(what, actual, expected));
  };
  check('status', answer.status, expect.status);
  if (expect.text !== undefined && answer.text !== expect.text)
    faults.push(told('body', cut(answer.text), cut(expect.text)));
  if (expect.bytes !== undefined) check('bytes', answer.body.toString('base64'), expect.bytes);
  if (expect.json !== undefined) check('JSON body', parse(answer.text), expect.json);
  if (expect.contains !== undefined && !answer.text.includes(expect.contains))
    faults.push(told('part of the body', answer.text, expect.contains));
  for (const [name, value] of Object.entries(expect.headers ?? {})) check(name, answer.headers[name], value);
  return faults;
}

function spanFaults(span: SpanData | undefined, expect: ExpectedSpan): string[] {
  if (!span) return ['it is not in the journal'];
  const faults: string[] = [];
  const check = (what: string, actual: unknown, expected: unknown) => {
    if (!isDeepStrictEqual(actual, expected)) faults.push(told(what, actual, expected));
  };
  check('name', span.name, 'greeter');
  check('service.name', span.resource['service.name'], 'greeter');
  check('error status', span.status.code === STATUS_CODE.error, expect.error);
  if (expect.traceId !== undefined) check('trace id', span.traceId, expect.traceId);
  if (expect.parentSpanId !== undefined) check('parent', span.parentSpanId, expect.parentSpanId);
  faults.push(...attributeFaults(span, expect.attributes));
  for (const [name, [least, most]] of Object.entries(expect.between ?? {})) {
    const actual = plainOf(span.attributes[name]);
    if (typeof actual !== 'number' || actual < least || actual > most)
      faults.push(`${name} is ${JSON.stringify(actual)}, must be from ${least} to ${most}`);
  }
  const exception = span.events.find((event) => event.name === 'exception');
  if (expect.exception !== undefined)
    check('exception', exception?.attributes['exception.message'], expect.exception?.message);
  const stack = exception?.attributes['exception.stacktrace'];
  if (expect.exception && !(typeof stack === 'string' && stack.includes(expect.exception.message)))
    faults.push('the exception has no stack');
  return faults;
}

function childFaults(span: SpanData, expect: ExpectedSpan, journal: Journal): string[] {
  const faults: string[] = [];
  if (expect.children) {
    const children = journal.spans
      .filter((child) => child.parentSpanId === span.spanId && child.traceId === span.traceId)
      .sort((a, b) => Number(a.startTimeUnixNano - b.startTimeUnixNano));
    const names = children.map((child) => child.name);
    const expected = expect.children.map((child) => child.name);
    if (!isDeepStrictEqual(names, expected)) return [told('children', names, expected)];
    for (const [i, child] of expect.children.entries()) {
      const found = children[i] as SpanData;
      if (found.kind !== SPAN_KIND[child.kind])
        faults.push(told(`kind of ${child.name}`, found.kind, SPAN_KIND[child.kind]));
      const isError = found.status.code === STATUS_CODE.error;
      if (child.error !== undefined && isError !== child.error)
        faults.push(told(`error of ${child.name}`, isError, child.error));
      faults.push(...attributeFaults(found, child.attributes));
    }
  }
  if (expect.logs) {
    const logs = journal.logs.filter(
      (log) =>
        log.spanId === span.spanId &&
        log.traceId === span.traceId &&
        log.attributes['faas.invocation_id'] === span.attributes['faas.invocation_id'],
    );
    const bodies = logs.map(({ body }) => (typeof body === 'string' ? body : JSON.stringify(body)));
    if (logs.length !== expect.logs.length)
      return [
        ...faults,
        told(
          'log records',
          bodies,
          expect.logs.map(({ contains }) => contains),
        ),
      ];
    for (const [i, log] of expect.logs.entries()) {
      const found = logs[i];
      if (!bodies[i]?.includes(log.contains)) faults.push(told('log', bodies[i], log.contains));
      if (found?.severityNumber !== log.severity)
        faults.push(told(`severity of "${log.contains}"`, found?.severityNumber, log.severity));
      if (found?.attributes['log.iostream'] !== log.stream)
        faults.push(told(`stream of "${log.contains}"`, found?.attributes['log.iostream'], log.stream));
    }
  }
  return faults;
}

function callFaults(
  span: SpanData,
  expect: Expected['calls'],
  journal: Journal,
  received: readonly Received[],
): string[] {
  if (!expect) return [];
  const linesOf = (calls: readonly { method: string; path: string }[]) =>
    calls.map(({ method, path }) => `${method} ${path}`);
  if (!isDeepStrictEqual(linesOf(received), linesOf(expect)))
    return [told('calls', linesOf(received), linesOf(expect))];
  return expect.flatMap((call, i) => {
    const { headers } = received[i] as Received;
    const faults = Object.entries(call.headers ?? {})
      .filter(([name, value]) => headers[name] !== value)
      .map(([name, value]) => told(`${name} of ${call.path}`, headers[name], value));
    if (call.context === null) return faults;
    const carrier = journal.spans.find(
      (child) => child.name === call.context && child.parentSpanId === span.spanId,
    );
    const expected = `00-${span.traceId}-${carrier?.spanId}-01`;
    if (headers['traceparent'] !== expected)
      faults.push(told(`traceparent of ${call.path}`, headers['traceparent'], expected));
    return faults;
  });
}

function attributeFaults(span: SpanData, expected: ExpectedSpan['attributes'] = {}): string[] {
  return Object.entries(expected).flatMap(([name, value]) => {
    const actual = plainOf(span.attributes[name]);
    return isDeepStrictEqual(actual, value) ? [] : [told(name, actual, value)];
  });
}

function plainOf(value: SpanData['attributes'][string] | undefined): unknown {
  return typeof value === 'bigint' ? Number(value) : value;
}

function cut(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}… (${text.length})` : text;
}

function told(what: string, actual: unknown, expected: unknown): string {
  return `${what} is ${JSON.stringify(actual)}, must be ${JSON.stringify(expected)}`;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
