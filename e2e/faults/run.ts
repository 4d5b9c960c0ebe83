import { parseArgs } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WhyJson } from '../../backend/query/shapes.ts';
import { fetchSettledTrace } from '../../cli/trace/fetch-trace.ts';
import { deployGreetings, spoorUp } from '../support/spoor.ts';
import { deployPlanted } from './deploy.ts';
import { FAULTS, openSite, type Fault, type Site } from './kinds.ts';

/**
 * Plants each kind of fault and asks for the verdict: `node e2e/faults/run.ts --runs 20 --healthy 500 [--kinds "timeout,SIGKILL"]`.
 * Prints how often the first cause was the planted one, what it was instead, and how many healthy runs were given a cause.
 */
export interface Options {
  readonly runs: number;
  /** Healthy runs judged in all. */
  readonly healthy: number;
  /** Names of faults; all when empty. */
  readonly kinds: readonly string[];
  readonly say: (line: string) => void;
}

export interface Score {
  readonly fault: string;
  readonly expected: string;
  readonly runs: number;
  readonly right: number;
  /** What was said instead, with how often. */
  readonly instead: ReadonlyMap<string, number>;
}

export interface Result {
  readonly scores: readonly Score[];
  readonly healthyRuns: number;
  /** Healthy runs that got a confident cause: trace and cause. */
  readonly claims: readonly string[];
}

/** Healthy runs before the first fault of a kind, and between two. */
const FIRST_HEALTHY = 6;
const HEALTHY_BETWEEN = 2;
const ARRIVAL_TIMEOUT_MS = 30_000;

export async function runFaults(options: Options): Promise<Result> {
  const faults =
    options.kinds.length === 0 ? FAULTS : FAULTS.filter(({ name }) => options.kinds.includes(name));
  await using up = await spoorUp();
  await using site = await openSite(up);
  await deployGreetings(up);
  await deployPlanted(up);

  const scores: Score[] = [];
  for (const fault of faults) {
    const score = await scoreOf(fault, site, options);
    scores.push(score);
    options.say(lineOf(score));
  }
  return { scores, ...(await judgeHealthy(site, faults, options)) };
}

async function scoreOf(fault: Fault, site: Site, { runs, say }: Options): Promise<Score> {
  for (let i = 0; i < FIRST_HEALTHY; i += 1) await arrive(site, fault.healthy);
  await sleep(500);
  const instead = new Map<string, number>();
  let right = 0;
  for (let i = 0; i < runs; i += 1) {
    if (i > 0) for (let k = 0; k < HEALTHY_BETWEEN; k += 1) await arrive(site, fault.healthy);
    const traceId = await fault.plant(site);
    await fetchSettledTrace(site.up.query, traceId, {
      quietMs: 700,
      timeoutMs: ARRIVAL_TIMEOUT_MS,
      until: fault.arrived,
    });
    const why = await askWhy(site, traceId);
    const first = why.causes[0];
    if (
      first?.confident === true &&
      first.kind === fault.expected &&
      (fault.owner === undefined || first.owner === fault.owner)
    ) {
      right += 1;
      continue;
    }
    const said = first
      ? `${first.confident ? '' : 'perhaps '}${first.kind} of ${first.owner}`
      : `nothing (${why.notDetermined})`;
    instead.set(said, (instead.get(said) ?? 0) + 1);
    say(`  ${fault.name}, trace ${traceId}: ${why.summary}; said ${said}`);
  }
  return { fault: fault.name, expected: fault.expected, runs, right, instead };
}

async function judgeHealthy(site: Site, faults: readonly Fault[], { healthy, say }: Options) {
  const claims: string[] = [];
  let healthyRuns = 0;
  // What the last fault killed is started again before it is called healthy.
  for (const fault of faults) await arrive(site, fault.healthy);
  // Each kind has its own way of doing well; those of the same way are judged once.
  while (healthyRuns < healthy) {
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
  const traceId = await make(site);
  if (traceId === '') throw new Error('the answer names no trace');
  return traceId;
}

async function askWhy(site: Site, traceId: string): Promise<WhyJson> {
  const response = await fetch(`${site.up.query}/api/traces/${traceId}/why`);
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
    },
  });
  const result = await runFaults({
    runs: Number(values.runs),
    healthy: Number(values.healthy),
    kinds: values.kinds.split(',').filter((name) => name !== ''),
    say: (line) => console.log(line),
  });
  const right = result.scores.reduce((sum, score) => sum + score.right, 0);
  const runs = result.scores.reduce((sum, score) => sum + score.runs, 0);
  console.log(
    `\n${right} of ${runs} planted faults named first; ${result.claims.length} of ${result.healthyRuns} healthy runs were given a cause`,
  );
}
