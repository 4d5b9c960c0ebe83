import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { SearchJson, TraceSummaryJson } from '../../backend/query/shapes.ts';
import { Failure } from '../../server/failure.ts';
import { askQuery } from '../ask-query.ts';
import type { CliContext } from '../context.ts';
import { formatDuration } from '../duration.ts';
import { cut, padStart, plural, printable, printLines, shortTime, terminal } from '../terminal-text.ts';
import { formatDuration as formatSince } from '../../platform/spec/units.ts';
import { collectPairs, outputOption, sinceOption, verb, wholeNumber } from '../verbs/flags.ts';
import { fetchSettledTrace, fetchTrace } from './fetch-trace.ts';
import { samplingLines, whyMissing } from './sampling.ts';
import { drawWaterfall } from './waterfall.ts';

const QUIET_MS = 300;
const SETTLE_TIMEOUT_MS = 5_000;
const TAIL_POLL_MS = 500;
const TAIL_WINDOW_MS = 60_000;
/** Traces that may begin between two looks of `tail` and are all shown. */
const MOST_AT_ONCE = 200;

/** `spoor trace list|search|show|tail`. */
export function register(program: Command, context: CliContext): void {
  const trace = program.command('trace').description('find and show traces');

  withWindow(
    withFilters(
      verb(
        trace,
        'list',
        'the newest traces, one a line',
        'spoor trace list --function greeter --error\nspoor trace list --min-duration 500ms --since 10m -o json',
      ),
    ),
  ).action(async (flags: ListFlags) => {
    const rows = await search(await context.queryUrl(), flags);
    listTraces(context, rows, flags);
  });

  withWindow(
    verb(
      trace,
      'search',
      'traces by a query: AND, OR, NOT, comparison and prefix over every attribute of every service',
      "spoor trace search --query 'error NOT service:image'\nspoor trace search --query 'http.route:/greet* duration>=200ms' --since 1d -o json",
    ),
  )
    .requiredOption('--query <query>', 'as in docs/api.md: service:greeter AND (error OR duration>200ms)')
    .action(async (flags: SearchFlags) => {
      const params = new URLSearchParams({
        q: flags.query,
        lookback: String(Math.ceil(flags.since)),
        limit: String(flags.limit),
      });
      const { traces } = await askQuery<SearchJson>(
        await context.queryUrl(),
        `/api/search?${params.toString()}`,
        'cannot search',
      );
      listTraces(context, traces.map(summaryRow), flags);
    });

  verb(trace, 'show', 'one trace as a waterfall', 'spoor trace show 4bf92f3577b34da6a3ce929d0e0e4736')
    .argument('<id>', 'trace id: 32 hex digits, leading zeros optional')
    .addOption(outputOption(['json', 'yaml']))
    .action(async (id: string, flags: { output?: string }) => {
      const queryUrl = await context.queryUrl();
      if (flags.output === undefined) {
        await drawTrace(queryUrl, id, { settle: false }).catch(async (error: unknown) => {
          throw await whyMissing(error, queryUrl, id);
        });
        printLines(await samplingLines(queryUrl, id));
        return;
      }
      const { data } = await askQuery<{ data: unknown[] }>(
        queryUrl,
        `/api/traces/${encodeURIComponent(id)}`,
        `cannot show trace ${id}`,
      );
      context.out.object(data[0], flags.output);
    });

  withFilters(
    verb(trace, 'tail', 'traces as they come in, until Ctrl-C', 'spoor trace tail --function greeter'),
  )
    .addOption(outputOption(['json']))
    .action(async (flags: Filters & { output?: string }) => {
      const queryUrl = await context.queryUrl();
      const newest = () => search(queryUrl, { ...flags, since: TAIL_WINDOW_MS, limit: MOST_AT_ONCE });
      const seen = new Set((await newest()).map((row) => row.traceId));
      context.out.remark('waiting for traces; Ctrl-C ends');
      for (;;) {
        const rows = await newest();
        const fresh = rows.filter((row) => !seen.has(row.traceId)).toReversed();
        for (const row of fresh) {
          seen.add(row.traceId);
          if (flags.output === 'json') console.log(JSON.stringify(row));
          else console.log(tailLine(row));
        }
        await sleep(TAIL_POLL_MS);
      }
    });
}

/** Draws a trace on stdout; `settle` waits until it is whole, for a request that was just made. */
export async function drawTrace(
  queryUrl: string,
  traceId: string,
  options: { readonly settle: boolean },
): Promise<void> {
  const spans = options.settle
    ? await fetchSettledTrace(queryUrl, traceId, { quietMs: QUIET_MS, timeoutMs: SETTLE_TIMEOUT_MS })
    : await fetchTrace(queryUrl, traceId);
  if (!spans || spans.length === 0) {
    throw new Failure(
      'query',
      'not_found',
      `cannot show trace ${traceId}: no such trace. It may still be on its way; \`spoor trace list\` shows what has arrived`,
    );
  }
  printLines(drawWaterfall(spans, terminal()));
}

interface Filters {
  readonly function?: string;
  readonly service?: string;
  readonly operation?: string;
  readonly error?: boolean;
  readonly minDuration?: string;
  readonly attr?: Readonly<Record<string, string>>;
}

interface Window {
  /** Milliseconds. */
  readonly since: number;
  readonly limit: number;
}

interface ListFlags extends Filters, Window {
  readonly output?: string;
}

interface SearchFlags extends Window {
  readonly query: string;
  readonly output?: string;
}

interface Row {
  readonly traceId: string;
  readonly start: string;
  readonly duration: string;
  readonly durationNano: string;
  readonly spans: string;
  readonly errors: string;
  readonly root: string;
}

const COLUMNS = [
  { title: 'TRACE', key: 'traceId' },
  { title: 'START', key: 'start', narrow: 'drop' },
  { title: 'DURATION', key: 'duration', align: 'right' },
  { title: 'SPANS', key: 'spans', align: 'right', narrow: 'drop' },
  { title: 'ERRORS', key: 'errors', align: 'right' },
  { title: 'ROOT', key: 'root', narrow: 'cut', least: 24 },
] as const;

function listTraces(context: CliContext, rows: readonly Row[], flags: Window & { output?: string }): void {
  const isTerminal = process.stdout.isTTY;
  const told = isTerminal ? rows.map((row) => ({ ...row, start: shortTime(row.start) })) : rows;
  const empty = `no such trace in the last ${formatSince(flags.since)}; --since looks further back`;
  context.out.list(told, COLUMNS, flags.output, rows, empty);
}

function withWindow(command: Command): Command {
  return command
    .addOption(sinceOption())
    .option('--limit <n>', 'at most so many', wholeNumber, 20)
    .addOption(outputOption(['json', 'yaml']));
}

function withFilters(command: Command): Command {
  return command
    .option('--function <name>', 'traces in which this function ran')
    .option('--service <name>', 'as --function, for any service')
    .option('--operation <name>', 'name of a span')
    .option('--error', 'only traces with an error')
    .option('--min-duration <duration>', 'a span took at least this long, such as 500ms or 1.5s')
    .option('--attr <key=value>', 'a span has this attribute; may be repeated', collectPairs);
}

async function search(queryUrl: string, flags: Filters & Window): Promise<Row[]> {
  const nowUs = Date.now() * 1_000;
  const query = new URLSearchParams({
    start: String(Math.floor(nowUs - flags.since * 1_000)),
    end: String(nowUs + 60_000_000),
    limit: String(flags.limit),
  });
  const service = flags.function ?? flags.service;
  if (service !== undefined) query.set('service', service);
  if (flags.operation !== undefined) query.set('operation', flags.operation);
  if (flags.minDuration !== undefined) query.set('minDuration', flags.minDuration);
  const tags = { ...flags.attr, ...(flags.error === true ? { error: 'true' } : {}) };
  if (Object.keys(tags).length > 0) query.set('tags', JSON.stringify(tags));
  const { data } = await askQuery<{ data: ListedTrace[] | null }>(
    queryUrl,
    `/api/traces?${query.toString()}`,
    'cannot list traces',
  );
  return (data ?? []).map(toRow).sort((a, b) => (a.start < b.start ? 1 : -1));
}

function summaryRow(trace: TraceSummaryJson): Row {
  const start = BigInt(trace.minStartTimeUnixNano);
  const durationNano = BigInt(trace.maxEndTimeUnixNano) - start;
  return {
    traceId: trace.traceId,
    start: new Date(Number(start / 1_000_000n)).toISOString(),
    duration: formatDuration(durationNano),
    durationNano: String(durationNano),
    spans: String(trace.spanCount),
    errors: String(trace.errorSpanCount),
    root: `${trace.rootServiceName || '?'}: ${trace.rootOperationName}`,
  };
}

/** `12:00:01.250Z  4bf9…  63.0 ms   14 spans  2 errors  router: POST /greetings` */
function tailLine(row: Row): string {
  const start = process.stdout.isTTY ? shortTime(row.start) : row.start;
  const errors = row.errors === '0' ? '' : `${plural(Number(row.errors), 'error')}  `;
  const line = `${start}  ${row.traceId}  ${padStart(row.duration, 8)}  ${row.spans.padStart(4)} spans  ${errors}${printable(row.root)}`;
  return process.stdout.isTTY ? cut(line, terminal().width) : line;
}

interface ListedTrace {
  readonly traceID: string;
  readonly spans: {
    readonly operationName: string;
    readonly startTime: number;
    readonly duration: number;
    readonly references: unknown[];
    readonly processID: string;
    readonly tags: { key: string; value: unknown }[];
  }[];
  readonly processes: Record<string, { serviceName: string }>;
}

function toRow(trace: ListedTrace): Row {
  const start = Math.min(...trace.spans.map((span) => span.startTime));
  const end = Math.max(...trace.spans.map((span) => span.startTime + span.duration));
  const root =
    trace.spans.filter((span) => span.references.length === 0).sort((a, b) => a.startTime - b.startTime)[0] ??
    trace.spans[0];
  const durationNano = BigInt(end - start) * 1_000n;
  return {
    traceId: trace.traceID,
    start: new Date(start / 1_000).toISOString(),
    duration: formatDuration(durationNano),
    durationNano: String(durationNano),
    spans: String(trace.spans.length),
    errors: String(
      trace.spans.filter((span) => span.tags.some((tag) => tag.key === 'error' && tag.value === true)).length,
    ),
    root: root ? `${trace.processes[root.processID]?.serviceName ?? '?'}: ${root.operationName}` : '',
  };
}
