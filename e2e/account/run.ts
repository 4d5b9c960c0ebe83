import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { AccountJson, FlowJson } from '../../backend/query/shapes.ts';
import { fetchSettledTrace } from '../../cli/trace/fetch-trace.ts';
import { deployPlanted } from '../faults/deploy.ts';
import { openSite, type Fault, type Site } from '../faults/kinds.ts';
import { deployGreetings, spoorUp } from '../support/spoor.ts';
import { DELAYS, SHAPES, type Delay } from './delays.ts';

/**
 * Holds the time account against a platform that runs:
 *
 *     node e2e/account/run.ts --invocations 10000 --runs 9 --minutes 30 [--delays "handler,queue wait"]
 *
 * First invocations of every shape: of each the stages and the segments must sum to the wall time within a millisecond, and the wall
 * time must be what the spans of its flow say. Then delays, one at a time, each beside the same without it: what is not of the
 * delay's own stage must take as long as without it, within 5 ms (medians of `--runs` pairs), so that all of it has landed there.
 * Ends with 1 when an account was wrong or a delay landed elsewhere; past `--minutes` nothing new is begun.
 */
export interface Options {
  readonly invocations: number;
  /** Pairs of each delay. */
  readonly runs: number;
  /** Names of delays; all when absent. */
  readonly delays?: readonly string[];
  readonly timeLimitMs?: number;
  readonly say: (line: string) => void;
}

export interface Result {
  readonly checked: number;
  /** Accounts that do not sum, with why. */
  readonly wrong: readonly string[];
  readonly landings: readonly Landing[];
}

/** Medians, ms. */
export interface Landing {
  readonly delay: Delay;
  readonly runs: number;
  /** The delay's stage with and without it. */
  readonly own: number;
  readonly ownBefore: number;
  /** All other stages together, by as much more than without the delay. */
  readonly elsewhere: number;
  /** Each other stage, by as much more; the largest difference first. */
  readonly differences: readonly (readonly [stage: string, ms: number])[];
}

const AT_ONCE = 6;
const BATCH = 60;
const TOLERATED_NANO = 1_000_000n;
const TOLERATED_MS = 5;
const CALL_TIMEOUT_MS = 60_000;
const ARRIVAL_TIMEOUT_MS = 30_000;
/** A trace that still grows is looked at again. */
const TRIES = 8;

export async function runAccounts(options: Options): Promise<Result> {
  const deadline = performance.now() + (options.timeLimitMs ?? Infinity);
  await using up = await spoorUp();
  await using site = await openSite(up);
  await deployGreetings(up);
  await deployPlanted(up);
  const sums = await checkSums(site, options, deadline);
  const landings: Landing[] = [];
  for (const delay of DELAYS) {
    if (options.delays && !options.delays.includes(delay.name)) continue;
    if (performance.now() > deadline) break;
    const landing = await landingOf(site, delay, options.runs, deadline);
    landings.push(landing);
    options.say(lineOf(landing));
  }
  return { ...sums, landings };
}

async function checkSums(
  site: Site,
  { invocations, say }: Options,
  deadline: number,
): Promise<Pick<Result, 'checked' | 'wrong'>> {
  const wrong: string[] = [];
  let checked = 0;
  for (let at = 0; at < invocations && performance.now() < deadline; at += BATCH) {
    const count = Math.min(BATCH, invocations - at);
    const traceIds = await together(count, (i) =>
      arrive(site, SHAPES[(at + i) % SHAPES.length] as Fault['healthy']),
    );
    const said = await together(count, (i) => whatIsWrong(site, traceIds[i] as string));
    checked += count;
    for (const each of said) if (each !== '') wrong.push(each);
    if (checked % (BATCH * 10) === 0) say(`${checked} accounts, ${wrong.length} wrong`);
  }
  return { checked, wrong };
}

/** '' when the account sums to the wall time in both readings; else how it does not, also after the trace has come to rest. */
async function whatIsWrong(site: Site, traceId: string): Promise<string> {
  let said = 'it never came';
  for (let tries = 0; tries < TRIES && said !== ''; tries += 1) {
    if (tries > 0) await sleep(250 * tries);
    const flow = await get<FlowJson>(site, `/api/flows/${traceId}`);
    if (!flow) continue;
    const accounts = await Promise.all(
      ['caller', 'end-to-end'].map((reading) =>
        get<AccountJson>(site, `/api/traces/${traceId}/account?reading=${reading}`),
      ),
    );
    said = accounts.map((account) => (account ? differenceOf(account, flow) : 'it has no account')).join('');
  }
  return said === '' ? '' : `${traceId}: ${said}`;
}

function differenceOf(account: AccountJson, flow: FlowJson): string {
  const wall = BigInt(account.wallNano);
  const stages = account.stages.reduce((sum, { nano }) => sum + BigInt(nano), 0n);
  const segments = account.segments.reduce((sum, { nano }) => sum + BigInt(nano), 0n);
  const roots = flow.spans.filter(({ cause }) => cause === null);
  const start = roots.map(({ startUnixNano }) => BigInt(startUnixNano)).reduce(least, 2n ** 63n);
  const ends = (account.reading === 'caller' ? roots : flow.spans).map(({ endUnixNano }) =>
    BigInt(endUnixNano),
  );
  // Of a batch that several requests share, each has its own beginning.
  const spans = roots.length === 1 ? ends.reduce(most, start) - start : wall;
  for (const [what, nano] of [
    ['stages', stages],
    ['segments', segments],
    ['spans', spans],
  ] as const)
    if (nano - wall > TOLERATED_NANO || wall - nano > TOLERATED_NANO)
      return `${account.reading}: the ${what} are ${nano} ns, the wall time ${wall}; `;
  return '';
}

async function landingOf(site: Site, delay: Delay, runs: number, deadline: number): Promise<Landing> {
  // What is started, loaded and compiled once is not the delay's.
  await measure(site, delay, delay.healthy);
  const pairs: { readonly without: Parts; readonly planted: Parts }[] = [];
  for (let run = 0; run < runs && (run === 0 || performance.now() < deadline); run += 1)
    pairs.push({
      without: await measure(site, delay, delay.healthy),
      planted: await measure(site, delay, delay.plant),
    });
  const of = (pick: (pair: (typeof pairs)[number]) => number) => median(pairs.map(pick));
  return {
    delay,
    runs: pairs.length,
    own: of(({ planted }) => planted.own),
    ownBefore: of(({ without }) => without.own),
    elsewhere: of(({ planted }) => sumOf(planted.rest)) - of(({ without }) => sumOf(without.rest)),
    differences: [
      ...new Set(pairs.flatMap(({ planted, without }) => [...planted.rest.keys(), ...without.rest.keys()])),
    ]
      .map((stage) => {
        const ms = (parts: Parts) => parts.rest.get(stage) ?? 0;
        return [stage, of(({ planted }) => ms(planted)) - of(({ without }) => ms(without))] as const;
      })
      .sort(([, a], [, b]) => Math.abs(b) - Math.abs(a)),
  };
}

/** ms */
interface Parts {
  readonly own: number;
  /** By stage; where the delay's own stage is also another's, that too. */
  readonly rest: ReadonlyMap<string, number>;
}

async function measure(site: Site, delay: Delay, make: Fault['plant']): Promise<Parts> {
  const traceId = await arrive(site, make);
  await fetchSettledTrace(site.up.query, traceId, {
    quietMs: 700,
    timeoutMs: ARRIVAL_TIMEOUT_MS,
    until: delay.arrived,
  });
  const account = await get<AccountJson>(site, `/api/traces/${traceId}/account`);
  if (!account) throw new Error(`the trace ${traceId} of "${delay.name}" never came`);
  let own = 0;
  const rest = new Map<string, number>();
  for (const { stage, owner, nano } of account.stages) {
    const ms = Number(nano) / 1e6;
    if (stage === delay.stage && (delay.owner === undefined || owner === delay.owner)) own += ms;
    else rest.set(stage, (rest.get(stage) ?? 0) + ms);
  }
  return { own, rest };
}

async function arrive(site: Site, make: Fault['plant']): Promise<string> {
  const late = new AbortController();
  try {
    const traceId = await Promise.race([make(site), sleep(CALL_TIMEOUT_MS, '', { signal: late.signal })]);
    if (traceId === '') throw new Error(`no answer within ${CALL_TIMEOUT_MS} ms that names its trace`);
    return traceId;
  } finally {
    late.abort();
  }
}

async function get<Body>(site: Site, path: string): Promise<Body | undefined> {
  const response = await fetch(site.up.query + path, { signal: AbortSignal.timeout(CALL_TIMEOUT_MS) });
  const body = await response.text();
  if (response.status === 404) return undefined;
  if (!response.ok) throw new Error(`${path}: ${response.status} ${body}`);
  return JSON.parse(body) as Body;
}

/** So many, a few at a time, in order. */
async function together<T>(count: number, make: (i: number) => Promise<T>): Promise<T[]> {
  const made: T[] = [];
  let next = 0;
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let i = next++; i < count; i = next++) made[i] = await make(i);
    }),
  );
  return made;
}

function landsWhole({ own, ownBefore, elsewhere, delay }: Landing): boolean {
  return own - ownBefore >= delay.ms - TOLERATED_MS && Math.abs(elsewhere) <= TOLERATED_MS;
}

function lineOf(landing: Landing): string {
  const { delay, runs, own, ownBefore, elsewhere } = landing;
  const missed = landing.differences
    .slice(0, 3)
    .map(([stage, ms]) => `${stage} ${ms.toFixed(1)}`)
    .join(', ');
  return `${delay.name.padEnd(30)} ${delay.stage.padEnd(16)} ${ownBefore.toFixed(1).padStart(8)} → ${own.toFixed(1).padStart(8)} ms, elsewhere ${elsewhere.toFixed(1).padStart(7)} ms, n ${runs}${landsWhole(landing) ? '' : `  MISSED: ${missed}`}`;
}

function sumOf(parts: ReadonlyMap<string, number>): number {
  return [...parts.values()].reduce((sum, ms) => sum + ms, 0);
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
}

function least(a: bigint, b: bigint): bigint {
  return b < a ? b : a;
}

function most(a: bigint, b: bigint): bigint {
  return b > a ? b : a;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      invocations: { type: 'string', default: '10000' },
      runs: { type: 'string', default: '9' },
      minutes: { type: 'string', default: '30' },
      delays: { type: 'string' },
    },
  });
  const { checked, wrong, landings } = await runAccounts({
    invocations: Number(values.invocations),
    runs: Number(values.runs),
    timeLimitMs: Number(values.minutes) * 60_000,
    ...(values.delays === undefined ? {} : { delays: values.delays.split(',').map((name) => name.trim()) }),
    say: (line) => console.log(line),
  });
  for (const each of wrong.slice(0, 20)) console.log(each);
  const landed = landings.filter(landsWhole).length;
  console.log(
    `${checked - wrong.length} of ${checked} accounts sum to their wall time; ${landed} of ${landings.length} delays landed in their own stage within ${TOLERATED_MS} ms`,
  );
  if (wrong.length > 0 || landed < landings.length) process.exitCode = 1;
}
