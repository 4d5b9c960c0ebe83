import type { Command } from 'commander';
import { FAAS_COLDSTART } from '../../function/span/attributes.ts';
import { toFailure } from '../../server/failure.ts';
import { toManifest } from '../../platform/spec/manifest.ts';
import type { Reference } from '../../platform/spec/resources.ts';
import { functionNames } from '../../platform/spec/validate.ts';
import type { CliContext } from '../context.ts';
import { namespaced, outputOption, sinceOption, verb, type NameFlags } from './flags.ts';
import { searchSpans, type FoundSpan } from './query-api.ts';
import { mustGet } from './remove.ts';

/** Traces that the figures are taken from, the newest. */
const SAMPLE = 200;
const LAST_FAILURES = 5;

interface DescribeFlags extends NameFlags {
  readonly output?: string;
  readonly since: number;
}

export function registerDescribe(fn: Command, context: CliContext): void {
  namespaced(
    verb(
      fn,
      'describe',
      'show a function with its package, triggers, instances, last failures and cold-start share',
      'spoor fn describe --name hello',
    ),
  )
    .requiredOption('--name <name>', 'name of the function')
    .addOption(sinceOption())
    .addOption(outputOption(['json', 'yaml']))
    .action((flags: DescribeFlags) => describeFunction(context, flags));
}

async function describeFunction(context: CliContext, flags: DescribeFlags): Promise<void> {
  const client = await context.client();
  const fn = await mustGet(context, 'Function', flags);
  const pkg = await client.get('Package', fn.spec.package.packageref);
  const isCalledBy = ({ spec }: { spec: { functionref: Parameters<typeof functionNames>[0] } }) =>
    functionNames(spec.functionref).includes(flags.name);
  const routes = (await client.list('HTTPTrigger', flags.namespace)).filter(isCalledBy);
  const queues = (await client.list('MessageQueueTrigger', flags.namespace)).filter(isCalledBy);
  const timers = (await client.list('TimeTrigger', flags.namespace)).filter(isCalledBy);
  const instances = (await client.instances().catch(() => [])).filter(
    (instance) => instance.fn?.name === flags.name && instance.fn.namespace === flags.namespace,
  );
  const calls = await recentCalls(context, flags, flags.since);
  if (flags.output !== undefined) {
    const triggers = [...routes, ...queues, ...timers].map(toManifest);
    context.out.object(
      { function: toManifest(fn), package: pkg ? toManifest(pkg) : null, triggers, instances, calls },
      flags.output,
    );
    return;
  }
  const { metadata, spec } = fn;
  const lines: [string, string][] = [
    ['Name', metadata.name],
    ['Namespace', metadata.namespace],
    ['Created', metadata.creationTimestamp],
    ['Version', `${metadata.resourceVersion} (generation ${metadata.generation})`],
    ['Environment', spec.environment.name],
    [
      'Package',
      `${spec.package.packageref.name}${pkg ? ` (build ${pkg.status.buildstatus})` : ' (missing)'}`,
    ],
    ['Entry point', spec.package.functionName || '(the default)'],
    [
      'Timeout',
      `${spec.functionTimeout} s; idle ${spec.idletimeout} s; to load ${spec.specializationTimeout} s`,
    ],
    [
      'Capacity',
      `${spec.concurrency} instances, ${spec.requestsPerPod} request${spec.requestsPerPod === 1 ? '' : 's'} each`,
    ],
    ...routes.map(({ metadata, spec }): [string, string] => [
      'Route',
      `${spec.methods.join(',')} ${spec.prefix || spec.relativeurl}  (${metadata.name})`,
    ]),
    ...queues.map(({ metadata, spec }): [string, string] => [
      'Topic',
      `${spec.topic} -> ${spec.respTopic || '(no answer)'}  (${metadata.name})`,
    ]),
    ...timers.map(({ metadata, spec }): [string, string] => ['Timer', `${spec.cron}  (${metadata.name})`]),
    [
      'Instances',
      `${instances.length}${instances.length === 0 ? '' : `, ${instances.reduce((sum, { active }) => sum + active, 0)} requests running`}`,
    ],
    [
      'Calls',
      calls === undefined ? 'not known: the query API does not answer' : summaryOf(calls, flags.since),
    ],
    ...(calls?.lastFailures ?? []).map(({ time, traceId, error }): [string, string] => [
      'Failure',
      `${time}  ${traceId}  ${error}`,
    ]),
  ];
  const width = Math.max(...lines.map(([title]) => title.length));
  for (const [title, text] of lines) context.out.print(`${`${title}:`.padEnd(width + 2)}${text}`);
}

interface Calls {
  /** Of the newest traces only, when there are more. */
  readonly count: number;
  readonly isSample: boolean;
  readonly errors: number;
  readonly coldStarts: number;
  readonly p50Ms: number;
  readonly maxMs: number;
  readonly lastFailures: readonly {
    readonly time: string;
    readonly traceId: string;
    readonly error: string;
  }[];
}

async function recentCalls(context: CliContext, fn: Reference, sinceMs: number): Promise<Calls | undefined> {
  try {
    const queryUrl = await context.queryUrl();
    const search = { service: fn.name, sinceMs };
    const [newest, failed] = await Promise.all([
      searchSpans(queryUrl, { ...search, limit: SAMPLE }),
      searchSpans(queryUrl, { ...search, tags: { error: 'true' }, limit: LAST_FAILURES }),
    ]);
    const ofIt = newest.filter(isCallOf(fn.name));
    const durations = ofIt.map(({ durationMs }) => durationMs).sort((a, b) => a - b);
    return {
      count: ofIt.length,
      isSample: new Set(newest.map(({ traceId }) => traceId)).size >= SAMPLE,
      errors: ofIt.filter(({ error }) => error !== undefined).length,
      coldStarts: ofIt.filter(({ tags }) => tags[FAAS_COLDSTART] === true).length,
      p50Ms: durations[Math.floor(durations.length / 2)] ?? 0,
      maxMs: durations.at(-1) ?? 0,
      lastFailures: failed
        .filter(isCallOf(fn.name))
        .filter(({ error }) => error !== undefined)
        .sort((a, b) => b.startMs - a.startMs)
        .slice(0, LAST_FAILURES)
        .map(({ startMs, traceId, error }) => ({
          time: new Date(startMs).toISOString(),
          traceId,
          error: (error as string).split('\n')[0] as string,
        })),
    };
  } catch (error) {
    context.out.remark(toFailure(error, 'cli').message);
    return undefined;
  }
}

/** The span that the environment opens for each call, and not what the function did below it. */
function isCallOf(name: string): (span: FoundSpan) => boolean {
  return (span) => span.service === name && span.tags['span.kind'] === 'server';
}

function summaryOf(calls: Calls, sinceMs: number): string {
  const { count, errors, coldStarts, p50Ms, maxMs } = calls;
  const of = calls.isSample
    ? `the newest ${count}`
    : `${count} in the last ${Math.round(sinceMs / 60_000)} min`;
  if (count === 0) return of;
  const share = (part: number) => `${part} (${((100 * part) / count).toFixed(part * 10 < count ? 1 : 0)} %)`;
  return `${of}: ${share(errors)} failed, ${share(coldStarts)} cold starts; p50 ${p50Ms.toFixed(1)} ms, max ${maxMs.toFixed(1)} ms`;
}
