import { setTimeout as sleep } from 'node:timers/promises';
import { Option, type Command } from 'commander';
import { FAAS_INSTANCE, SPOOR_REQUEST_ID } from '../../function/span/attributes.ts';
import { formatDuration } from '../../platform/spec/units.ts';
import { Failure } from '../../server/failure.ts';
import type { CliContext } from '../context.ts';
import { ownFrames } from '../own-frames.ts';
import { namespaced, outputOption, sinceOption, verb, wholeNumber, type NameFlags } from './flags.ts';
import { logsOfService, logsOfTrace, searchSpans, type LogLine } from './query-api.ts';
import { mustGet } from './remove.ts';

/** How often `--follow` asks for what is new. */
const FOLLOW_POLL_MS = 500;
/** A line may come this late and is still shown by `--follow`. */
const FOLLOW_WINDOW_MS = 15_000;
const MAX_LINES = 10_000;
/** Traces that are looked through for the lines of an instance or a request. */
const MAX_TRACES = 100;

/** A line must not move the cursor, whatever a function prints. */
// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f]/g;

/** OpenTelemetry's severity numbers: the least of each level. */
const LEVELS = { trace: 1, debug: 5, info: 9, warn: 13, error: 17, fatal: 21 } as const;

interface LogFlags extends NameFlags {
  readonly follow?: boolean;
  readonly recordcount: number;
  readonly reverse?: boolean;
  readonly detail?: boolean;
  readonly traceId?: string;
  readonly requestId?: string;
  readonly level?: keyof typeof LEVELS;
  readonly pod?: string;
  readonly since: number;
  readonly output?: string;
}

export function registerLog(fn: Command, context: CliContext): void {
  namespaced(
    verb(
      fn,
      'log',
      "show a function's log lines, from its traces",
      'spoor fn log --name hello -f\nspoor fn log --name hello --trace-id 4bf92f3577b34da6a3ce929d0e0e4736 --level error',
    ),
  )
    .alias('logs')
    .requiredOption('--name <name>', 'name of the function')
    .option('-f, --follow', 'show lines as they come in, until Ctrl-C')
    .option('--recordcount <n>', 'how many of the newest lines', wholeNumber, 20)
    .option('-r, --reverse', 'newest first')
    .option('-d, --detail', "with trace and span ids, and the environment's frames in stacks")
    .option('--trace-id <id>', 'only of this trace')
    .option('--request-id <id>', 'only of the request with this X-Fission-Request-ID')
    .addOption(new Option('--level <level>', 'only of this level and above').choices(Object.keys(LEVELS)))
    .option('--pod <id>', 'only of traces of this instance (`spoor fn pods` lists them)')
    .addOption(sinceOption())
    .addOption(outputOption(['json', 'yaml']))
    .action((flags: LogFlags) => log(context, flags));
}

async function log(context: CliContext, flags: LogFlags): Promise<void> {
  const queryUrl = await context.queryUrl();
  if (flags.traceId !== undefined && !/^[0-9a-f]{1,32}$/i.test(flags.traceId))
    throw new Failure(
      'cli',
      'bad_request',
      `cannot look for trace ${JSON.stringify(flags.traceId)}: it wants 32 hex digits`,
    );
  // A function that was deleted may still have lines; one that never was is a mistake.
  const first = await read(queryUrl, flags, flags.since);
  if (first.length === 0) await mustGet(context, 'Function', flags);
  const newest = first.slice(Math.max(first.length - flags.recordcount, 0));
  if (flags.follow !== true) {
    const lines = flags.reverse === true ? newest.toReversed() : newest;
    if (flags.output !== undefined) context.out.object(lines, flags.output);
    else for (const line of lines) show(context, line, flags);
    if (lines.length === 0)
      context.out.remark(
        `no lines of '${flags.name}' in the last ${formatDuration(flags.since)}; --since looks further back`,
      );
    return;
  }
  const seen = new Set<string>(first.map(keyOf));
  for (const line of newest) show(context, line, flags);
  context.out.remark(`waiting for lines of '${flags.name}'; Ctrl-C ends`);
  for (;;) {
    await sleep(FOLLOW_POLL_MS);
    for (const line of await read(queryUrl, flags, FOLLOW_WINDOW_MS)) {
      if (seen.has(keyOf(line))) continue;
      seen.add(keyOf(line));
      show(context, line, flags);
    }
  }
}

/** Oldest first. */
async function read(queryUrl: string, flags: LogFlags, sinceMs: number): Promise<LogLine[]> {
  const traceIds = await traceIdsOf(queryUrl, flags);
  const limit = Math.min(Math.max(flags.recordcount, 1_000), MAX_LINES);
  const lines =
    traceIds === undefined
      ? await logsOfService(queryUrl, { service: flags.name, sinceMs, severity: flags.level, limit })
      : await logsOf(queryUrl, traceIds);
  const least = flags.level === undefined ? 0 : LEVELS[flags.level];
  return lines
    .filter(({ service }) => service === flags.name)
    .filter(({ severityNumber }) => severityNumber >= least)
    .sort((a, b) => Number(BigInt(a.timeUnixNano) - BigInt(b.timeUnixNano)));
}

async function traceIdsOf(queryUrl: string, flags: LogFlags): Promise<ReadonlySet<string> | undefined> {
  if (flags.traceId !== undefined) return new Set([flags.traceId.padStart(32, '0')]);
  const { requestId, pod } = flags;
  if (requestId === undefined && pod === undefined) return undefined;
  const spans = await searchSpans(queryUrl, {
    ...(requestId === undefined
      ? { service: flags.name, tags: { [FAAS_INSTANCE]: pod ?? '' } }
      : { service: 'router', tags: { [SPOOR_REQUEST_ID]: requestId } }),
    sinceMs: flags.since,
    limit: MAX_TRACES,
  });
  if (spans.length === 0 && requestId !== undefined && flags.follow !== true)
    throw new Failure(
      'cli',
      'not_found',
      `cannot find request ${requestId}: no trace of the last ${formatDuration(flags.since)} has it; --since looks further back`,
    );
  return new Set(spans.map(({ traceId }) => traceId));
}

async function logsOf(queryUrl: string, traceIds: ReadonlySet<string>): Promise<LogLine[]> {
  const lines: LogLine[] = [];
  for (const traceId of traceIds) lines.push(...(await logsOfTrace(queryUrl, traceId)));
  return lines;
}

function show(context: CliContext, line: LogLine, flags: LogFlags): void {
  if (flags.output === 'json') {
    context.out.print(JSON.stringify(line));
    return;
  }
  const time = new Date(Number(BigInt(line.timeUnixNano) / 1_000_000n)).toISOString();
  const level = (line.severityText || levelOf(line.severityNumber)).toLowerCase().padEnd(5);
  const ids = flags.detail === true ? `${line.traceId} ${line.spanId}  ` : '';
  const body = flags.detail === true ? line.body : ownFrames(line.body);
  context.out.print(`${time}  ${level}  ${ids}${body.replaceAll(CONTROL, ' ')}`);
}

function levelOf(severity: number): string {
  return Object.entries(LEVELS).findLast(([, least]) => severity >= least)?.[0] ?? '';
}

function keyOf({ timeUnixNano, spanId, body }: LogLine): string {
  return `${timeUnixNano} ${spanId} ${body}`;
}
