import { existsSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { join } from 'node:path';
import { SPAN_KIND, STATUS_CODE, type SpanData } from '../../span/span-data.ts';
import type { Case, Expected, ExpectedSpan, Language } from './cases.ts';
import { type Answer, type EnvironmentCommand, EnvironmentProcess } from './environment-process.ts';

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
  await using environment = await EnvironmentProcess.start(command);
  const faults: string[] = [];
  const filepath = join(environment.write(source.files), source.filepath);
  const specialized = await environment.specialize(filepath, source.entry);
  if (specialized.status >= 300) return [`cannot specialize: ${specialized.status} ${specialized.text}`];
  for (const [i, { ask, expect }] of each.requests.entries()) {
    const answer = await environment.ask(ask);
    faults.push(...answerFaults(answer, expect).map((fault) => `request ${i + 1}: ${fault}`));
  }
  if (each.requests.every(({ expect }) => expect.span === undefined)) return faults;

  // Once it has ended, everything it had to say is in its journal.
  environment.child.kill('SIGTERM');
  await environment.ended;
  if (!existsSync(environment.journalPath)) return [...faults, 'there is no journal'];
  const servers = environment
    .journal()
    .spans.filter((span) => span.kind === SPAN_KIND.server)
    .sort((a, b) => Number(a.startTimeUnixNano - b.startTimeUnixNano));
  for (const [i, { expect }] of each.requests.entries()) {
    if (expect.span)
      faults.push(...spanFaults(servers[i], expect.span).map((fault) => `span ${i + 1}: ${fault}`));
  }
  return faults;
}

function answerFaults(answer: Answer, expect: Expected): string[] {
  const faults: string[] = [];
  const check = (what: string, actual: unknown, expected: unknown) => {
    if (!isDeepStrictEqual(actual, expected)) faults.push(told(what, actual, expected));
  };
  check('status', answer.status, expect.status);
  if (expect.text !== undefined) check('body', answer.text, expect.text);
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
  for (const [name, value] of Object.entries(expect.attributes ?? {})) {
    const actual = span.attributes[name];
    check(name, typeof actual === 'bigint' ? Number(actual) : actual, value);
  }
  const exception = span.events.find((event) => event.name === 'exception');
  if (expect.exception !== undefined)
    check('exception', exception?.attributes['exception.message'], expect.exception?.message);
  const stack = exception?.attributes['exception.stacktrace'];
  if (expect.exception && !(typeof stack === 'string' && stack.includes(expect.exception.message)))
    faults.push('the exception has no stack');
  return faults;
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
