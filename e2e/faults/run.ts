import { parseArgs } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WhyJson } from '../../backend/query/shapes.ts';
import { fetchSettledTrace } from '../../cli/trace/fetch-trace.ts';
import { deployGreetings, spoorUp } from '../support/spoor.ts';
import { deployPlanted } from './deploy.ts';
import { FAULTS, openSite, type Fault, type Site } from './kinds.ts';

/**
 * Plants each kind of fault and asks for the verdict:
 *
 *     node e2e/faults/run.ts --runs 20 --healthy 500 --kinds "timeout,SIGKILL" --minutes 60
 *
 * Prints how often the first cause was the planted one, what it was instead, and how many healthy runs were given a cause. What does
 * not come to its end in time counts as wrong and is named; past `--minutes` nothing new is begun.
 */
export interface Options {
  readonly runs: number;
  /** Healthy runs judged in all. */
  readonly healthy: number;
  /** Names of faults; all when empty. */
  readonly kinds: readonly string[];
  /** Nothing new is begun after so long, ms. */
  readonly timeLimitMs?: number;
  readonly say: (line: string) => void;
}

export interface Score {
  readonly fault: string;
  readonly expected: string;
  readonly runs: number;
  readonly right: number;
  /** What was said instead, with how often. */
  readonly instead: ReadonlyMap<string, number>;
  /** Right ones whose every sentence names the spans it rests on. */
  readonly cited: number;
}

export interface Result {
  readonly scores: readonly Score[];
  readonly healthyRuns: number;
  /** Healthy runs that got a confident cause: trace and cause. */
  readonly claims: readonly string[];
}

/** Healthy runs before the first fault of a kind. */
const FIRST_HEALTHY = 6;
/** And between two, for each run that the fault spoils: what happens more often than not is what is usual. */
const HEALTHY_FOR_EACH_SPOILT = 2;
const ARRIVAL_TIMEOUT_MS = 30_000;
/** The longest planting waits out three tries of five seconds each. */
const PLANT_TIMEOUT_MS = 60_000;

export async function runFaults(options: Options): Promise<Result> {
  const unknown = options.kinds.filter((kind) => FAULTS.every(({ name }) => name !== kind));
  if (unknown.length > 0)
    throw new Error(
      `cannot plant [${unknown.join(', ')}]: the kinds are ${FAULTS.map(({ name }) => name).join(', ')}`,
    );
  const faults =
    options.kinds.length === 0 ? FAULTS : FAULTS.filter(({ name }) => options.kinds.includes(name));
  const deadline = performance.now() + (options.timeLimitMs ?? Infinity);
  await using up = await spoorUp();
  await using site = await openSite(up);
  await deployGreetings(up);
  await deployPlanted(up);

  const scores: Score[] = [];
  for (const fault of faults) {
    if (performance.now() > deadline) break;
    const score = await scoreOf(fault, site, options, deadline);
    scores.push(score);
    options.say(lineOf(score));
  }
  return { scores, ...(await judgeHealthy(site, faults, options, deadline)) };
}

async function scoreOf(fault: Fault, site: Site, { runs, say }: Options, deadline: number): Promise<Score> {
  const instead = new Map<string, number>();
  let done = 0;
  let right = 0;
  let cited = 0;
  for (; done < runs && (done === 0 || performance.now() < deadline); done += 1) {
    const between = HEALTHY_FOR_EACH_SPOILT * (fault.spoils ?? 1);
    const found = await plantAndAsk(fault, site, done === 0 ? FIRST_HEALTHY : between).catch(
      (error: unknown) => ({ error: error instanceof Error ? error.message : String(error) }),
    );
    const first = 'error' in found ? undefined : found.why.causes[0];
    if (
      first?.confident === true &&
      first.kind === fault.expected &&
      (fault.owner === undefined || first.owner === fault.owner)
    ) {
      right += 1;
      if (first.spans.length > 0 && first.sentences.every(({ spans }) => spans.length > 0)) cited += 1;
      continue;
    }
    const said =
      'error' in found
        ? found.error
        : first
          ? `${first.confident ? '' : 'perhaps '}${first.kind} of ${first.owner}`
          : `nothing (${found.why.notDetermined})`;
    instead.set(said, (instead.get(said) ?? 0) + 1);
    say(
      'error' in found
        ? `  ${fault.name}: ${said}`
        : `  ${fault.name}, trace ${found.why.traceId}: ${found.why.summary}; said ${said}`,
    );
  }
  return { fault: fault.name, expected: fault.expected, runs: done, right, instead, cited };
}

async function plantAndAsk(fault: Fault, site: Site, healthyRuns: number): Promise<{ why: WhyJson }> {
  for (let i = 0; i < healthyRuns; i += 1) await arrive(site, fault.healthy);
  // A run is compared with what has been stored.
  await sleep(500);
  const traceId = await arrive(site, fault.plant);
  await fetchSettledTrace(site.up.query, traceId, {
    quietMs: 700,
    timeoutMs: ARRIVAL_TIMEOUT_MS,
    until: fault.arrived,
  });
  return { why: await askWhy(site, traceId) };
}

async function judgeHealthy(
  site: Site,
  faults: readonly Fault[],
  { healthy, say }: Options,
  deadline: number,
) {
  const claims: string[] = [];
  let healthyRuns = 0;
  // What the last fault killed is started again before it is called healthy.
  if (healthy > 0) for (const fault of faults) await arrive(site, fault.healthy);
  // Each kind has its own way of doing well; those of the same way are judged once.
  while (healthyRuns < healthy && performance.now() < deadline) {
    const fault = faults[healthyRuns % faults.length] as Fault;
    const traceId = await arrive(site, fault.healthy);
    await fetchSettledTrace(site.up.query, traceId, { quietMs: 400, timeoutMs: 5_000 });
    const why = await askWhy(site, traceId);
    healthyRuns += 1;
    if (!why.determined) continue;
    const claim = `${fault.name}: ${why.summary}; said ${why.causes[0]?.kind} of ${why.causes[0]?.owner} (${traceId})`;
    claims.push(claim);
    say(`  healthy, but ${claim}`);
  }
  return { healthyRuns, claims };
}

async function arrive(site: Site, make: Fault['healthy']): Promise<string> {
  const traceId = await deadlined(make(site));
  if (traceId === '') throw new Error('the answer names no trace');
  return traceId;
}

async function deadlined<T>(work: Promise<T>): Promise<T> {
  const late = new AbortController();
  try {
    return await Promise.race([
      work,
      sleep(PLANT_TIMEOUT_MS, undefined, { signal: late.signal }).then(() => {
        throw new Error(`it did not come to its end in ${PLANT_TIMEOUT_MS} ms`);
      }),
    ]);
  } finally {
    late.abort();
  }
}

async function askWhy(site: Site, traceId: string): Promise<WhyJson> {
  const response = await fetch(`${site.up.query}/api/traces/${traceId}/why`, {
    signal: AbortSignal.timeout(ARRIVAL_TIMEOUT_MS),
  });
  if (!response.ok) throw new Error(`cannot explain ${traceId}: ${response.status} ${await response.text()}`);
  return (await response.json()) as WhyJson;
}

function lineOf({ fault, expected, runs, right, instead }: Score): string {
  const others = [...instead].map(([said, count]) => `${count} × ${said}`).join(', ');
  return `${fault.padEnd(32)} ${expected.padEnd(28)} ${`${right}/${runs}`.padStart(7)}  ${others}`;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '20' },
      healthy: { type: 'string', default: '100' },
      kinds: { type: 'string', default: '' },
      minutes: { type: 'string', default: '90' },
    },
  });
  const result = await runFaults({
    runs: Number(values.runs),
    healthy: Number(values.healthy),
    kinds: values.kinds
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== ''),
    timeLimitMs: Number(values.minutes) * 60_000,
    say: (line) => console.log(line),
  });
  const right = result.scores.reduce((sum, score) => sum + score.right, 0);
  const runs = result.scores.reduce((sum, score) => sum + score.runs, 0);
  const cited = result.scores.reduce((sum, score) => sum + score.cited, 0);
  console.log(`\n${'planted'.padEnd(32)} ${'expected'.padEnd(28)}  right`);
  for (const score of result.scores) console.log(lineOf(score));
  console.log(
    `\n${cited} of ${right} right verdicts cite spans in every sentence\n${right} of ${runs} planted faults named first; ${result.claims.length} of ${result.healthyRuns} healthy runs were given a cause`,
  );
}
