/**
 * Ends instances in the middle of invocations, in every way we know and at random instants, and compares what their traces
 * say with the truth: a file that each invocation wrote, line by line, outside all tracing.
 */
import { randomInt } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fetchTrace } from '../../cli/trace/fetch-trace.ts';
import { SPAN_KIND, type SpanData } from '../../function/span/span-data.ts';
import { spoor, spoorUp, type SpoorUp } from '../support/spoor.ts';
import { outlineOf } from '../support/traces.ts';
import { type Language, type Way, WAYS } from './ways.ts';

export interface KillPackOptions {
  readonly invocations: number;
  readonly atOnce: number;
  readonly onProgress?: (done: number, checked: number) => void;
}

export interface KillPackResult {
  readonly invocations: number;
  /** Of the function's own. */
  readonly spans: number;
  readonly endedSpans: number;
  readonly openSpans: number;
  readonly byWay: Readonly<Record<string, number>>;
  /** What was not as it should be, a sentence each. */
  readonly faults: readonly string[];
}

/** How long after the last death the last trace may take to be whole. */
const SETTLE_MS = 60_000;
const MEMORY_LIMIT_MIB = '48';

export async function runKillPack(options: KillPackOptions): Promise<KillPackResult> {
  const folder = mkdtempSync(join(tmpdir(), 'spoor-kill-pack-'));
  await using up = await spoorUp();
  try {
    await deploy(up);
    const plans = planOf(options.invocations);
    const deaths: Death[] = [];
    const workers = Array.from({ length: options.atOnce }, async () => {
      for (let plan = plans.pop(); plan; plan = plans.pop()) {
        deaths.push(await die(up, plan, join(folder, `truth-${plans.length}`)));
        options.onProgress?.(deaths.length, 0);
      }
    });
    await Promise.all(workers);
    // What raised lives on, and with it the span it left open: until its instance ends.
    await tell(up, ['fn', 'delete', '--name', 'dying-python']);
    return await compare(up, deaths, options);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Plan {
  readonly way: Way;
  readonly language: Language;
}

interface Death extends Plan {
  readonly traceId: string;
  readonly status: number;
  readonly said: string;
  readonly truth: string;
}

/** Every way of every language as often as any other, in random order. */
function planOf(invocations: number): Plan[] {
  const kinds = WAYS.flatMap((way) => way.languages.map((language) => ({ way, language })));
  const plans = Array.from({ length: invocations }, (_, i) => kinds[i % kinds.length] as Plan);
  return plans
    .map((plan) => ({ plan, at: randomInt(2 ** 32) }))
    .sort((a, b) => a.at - b.at)
    .map(({ plan }) => plan);
}

async function deploy(up: SpoorUp): Promise<void> {
  const code = (name: string) => join(import.meta.dirname, 'functions', name);
  const fn = (name: string, environment: string, file: string, ...more: string[]) =>
    ['fn', 'create', '--name', name, '--env', environment, '--code', code(file)].concat(
      ['--url', `/${name}`, '--method', 'GET'],
      more,
    );
  const env = (name: string, image: string, ...more: string[]) =>
    ['env', 'create', '--name', name, '--image', image].concat(more);
  const verbs = [
    env('node', 'ghcr.io/fission/node-env'),
    env('python', 'ghcr.io/fission/python-env'),
    env('small', 'ghcr.io/fission/node-env', '--poolsize', '1', '--maxmemory', MEMORY_LIMIT_MIB),
    fn('dying-node', 'node', 'dying.js'),
    fn('dying-python', 'python', 'dying.py'),
    fn('hoarding-node', 'small', 'dying.js'),
    fn('looping-node', 'node', 'dying.js', '--fntimeout', '1'),
    fn('looping-python', 'python', 'dying.py', '--fntimeout', '1'),
  ];
  for (const verb of verbs) await tell(up, verb);
}

async function tell(up: SpoorUp, verb: readonly string[]): Promise<void> {
  const done = await spoor(verb, { env: { SPOOR_SERVER: up.internal } });
  if (done.exitCode !== 0) throw new Error(`spoor ${verb.join(' ')}: ${done.stderr}`);
}

async function die(up: SpoorUp, plan: Plan, truth: string): Promise<Death> {
  const { way, language } = plan;
  const signalAfterMs = randomInt(60);
  // Who is killed works until then; who is asked to end finishes what it does; all others end after a few steps.
  const ms = way.signal === 'SIGKILL' ? 20_000 : way.signal ? signalAfterMs + randomInt(100) : 0;
  const query = new URLSearchParams({
    truth,
    way: way.name,
    steps: String(randomInt(12)),
    ms: String(ms),
  });
  let isAnswered = false;
  const answer = fetch(`${up.router}/${way.fn}-${language}?${query.toString()}`).finally(
    () => (isAnswered = true),
  );
  if (way.signal !== undefined) {
    const pid = await pidIn(truth, () => isAnswered);
    await sleep(signalAfterMs);
    if (pid !== undefined && !isAnswered) process.kill(pid, way.signal);
  }
  const response = await answer;
  const said = await response.text();
  const traceId = response.headers.get('traceresponse')?.split('-')[1] ?? '';
  return { ...plan, traceId, status: response.status, said, truth };
}

/** The pid of the instance; undefined when the invocation was over before it began. */
async function pidIn(truth: string, isOver: () => boolean): Promise<number | undefined> {
  while (!isOver()) {
    const pid = /^pid (\d+)\n/.exec(readOrEmpty(truth))?.[1];
    if (pid !== undefined) return Number(pid);
    await sleep(2);
  }
  return undefined;
}

async function compare(
  up: SpoorUp,
  deaths: readonly Death[],
  options: KillPackOptions,
): Promise<KillPackResult> {
  const deadline = Date.now() + SETTLE_MS;
  const waiting = new Map(deaths.map((death) => [death, ['not looked at']]));
  const counts = { spans: 0, endedSpans: 0, openSpans: 0 };
  while (waiting.size > 0) {
    for (const death of waiting.keys()) {
      const spans = death.traceId === '' ? [] : ((await fetchTrace(up.query, death.traceId)) ?? []);
      const faults = faultsOf(death, spans);
      waiting.set(death, faults);
      if (faults.length > 0) continue;
      waiting.delete(death);
      const own = ownSpans(death, spans);
      const open = own.filter((span) => span.attributes['spoor.unfinished'] === true).length;
      counts.spans += own.length;
      counts.openSpans += open;
      counts.endedSpans += own.length - open;
      options.onProgress?.(deaths.length, deaths.length - waiting.size);
    }
    if (Date.now() > deadline) break;
    if (waiting.size > 0) await sleep(500);
  }
  const byWay: Record<string, number> = {};
  for (const { way, language } of deaths) {
    const key = `${language} ${way.name}`;
    byWay[key] = (byWay[key] ?? 0) + 1;
  }
  return {
    invocations: deaths.length,
    ...counts,
    byWay,
    faults: [...waiting].flatMap(([death, faults]) =>
      faults.map(
        (fault) => `${death.language} ${death.way.name} (${death.status}, ${death.traceId}): ${fault}`,
      ),
    ),
  };
}

/** What the trace says against what was so. */
function faultsOf(death: Death, spans: readonly SpanData[]): string[] {
  const own = ownSpans(death, spans);
  const roots = own.filter((span) => span.kind === SPAN_KIND.server);
  if (roots.length !== 1)
    return [
      `${roots.length} root spans of the function, answered [${death.said.trim()}]:\n${outlineOf(spans).join('\n')}`,
    ];
  const root = roots[0] as SpanData;
  const faults = death.way.check(root);
  const names = own.map((span) => span.name);
  if (new Set(names).size !== names.length) faults.push(`a span is there twice: ${names.join(', ')}`);
  const truth = readOrEmpty(death.truth);
  const named = (word: string) =>
    Array.from(truth.matchAll(new RegExp(`^${word} (.+)$`, 'gm')), ([, name]) => name as string);
  const ended = new Set(named('ended'));
  for (const name of new Set([...named('started'), ...ended])) {
    const span = own.find((each) => each.name === name);
    const unfinished = span?.attributes['spoor.unfinished'] === true;
    if (!span) faults.push(`[${name}] was ${ended.has(name) ? 'ended' : 'open'} and is not there`);
    else if (span.parentSpanId !== root.spanId) faults.push(`[${name}] is not below the root span`);
    else if (ended.has(name) && unfinished) faults.push(`[${name}] was ended and is marked unfinished`);
    else if (name === 'last' && !unfinished) faults.push('[last] was open and is not marked');
    // A step that was killed between its end and the line about it may stand either way.
  }
  // And one killed before the line about its start may be there as well, but no more than that one.
  const unknown = own.filter(
    (span) => span !== root && !new RegExp(`^started ${span.name}$`, 'm').test(truth),
  );
  if (unknown.length > 1) faults.push(`spans nobody started: ${unknown.map(({ name }) => name).join(', ')}`);
  return faults;
}

function ownSpans(death: Death, spans: readonly SpanData[]): SpanData[] {
  const service = `${death.way.fn}-${death.language}`;
  return spans.filter((span) => span.resource['service.name'] === service);
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
