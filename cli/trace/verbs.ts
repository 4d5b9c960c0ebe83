import { setTimeout as sleep } from 'node:timers/promises';
import { Option, type Command } from 'commander';
import type { SearchJson, TraceSummaryJson } from '../../backend/query/shapes.ts';
import { Failure } from '../../server/failure.ts';
import type { CliContext } from '../context.ts';
import { formatDuration } from '../duration.ts';
import { askQuery } from '../why.ts';
import { fetchSettledTrace, fetchTrace } from './fetch-trace.ts';
import { drawWaterfall } from './waterfall.ts';

const QUIET_MS = 300;
const SETTLE_TIMEOUT_MS = 5_000;
const TAIL_POLL_MS = 500;

/** `spoor trace list|search|show|tail`. */
export function register(program: Command, context: CliContext): void {
  const trace = program.command('trace').description('find and show traces');

  withFilters(trace.command('list'))
    .description('the newest traces, one a line')
    .addHelpText(
      'after',
      '\nExamples:\n  spoor trace list --function greeter --error\n  spoor trace list --min-duration 500ms --since 10m -o json',
    )
    .action(async (flags: ListFlags) => {
      const rows = await search(await context.queryUrl(), flags);
      context.out.list(rows, COLUMNS, flags.output);
    });

  trace
    .command('search')
    .description(
      'traces by a query: AND, OR, NOT, comparison and prefix over every attribute of every service',
    )
    .requiredOption('--query <query>', 'as in docs/api.md: service:greeter AND (error OR duration>200ms)')
    .option('--since <duration>', 'how far back', '1h')
    .option('--limit <n>', 'at most so many', '20')
    .addOption(outputOption())
    .addHelpText(
      'after',
      "\nExamples:\n  spoor trace search --query 'error NOT service:image'\n  spoor trace search --query 'http.route:/greet* duration>=200ms' --since 1d -o json",
    )
    .action(async (flags: SearchFlags) => {
      const params = new URLSearchParams({
        q: flags.query,
        lookback: String(Math.ceil(parseDurationMs(flags.since))),
        limit: flags.limit,
      });
      const { traces } = await askQuery<SearchJson>(
        await context.queryUrl(),
        `/api/search?${params.toString()}`,
        'cannot search',
      );
      context.out.list(traces.map(summaryRow), COLUMNS, flags.output);
    });

  trace
    .command('show')
    .description('one trace as a waterfall')
    .argument('<id>', 'trace id: 32 hex digits, leading zeros optional')
    .addOption(outputOption())
    .addHelpText('after', '\nExample:\n  spoor trace show 4bf92f3577b34da6a3ce929d0e0e4736')
    .action(async (id: string, flags: { output?: string }) => {
      const queryUrl = await context.queryUrl();
      if (flags.output === undefined) {
        await drawTrace(queryUrl, id, { settle: false });
        return;
      }
      const response = await fetch(`${queryUrl}/api/traces/${encodeURIComponent(id)}`);
      const body = (await response.json()) as { data: unknown[] | null; errors: { msg: string }[] | null };
      if (!response.ok)
        throw new Failure(
          'query',
          response.status === 404 ? 'not_found' : 'bad_request',
          `cannot show trace ${id}: ${body.errors?.[0]?.msg ?? response.status}`,
        );
      context.out.object(body.data?.[0], flags.output);
    });

  withFilters(trace.command('tail'))
    .description('traces as they come in, until Ctrl-C')
    .addHelpText('after', '\nExample:\n  spoor trace tail --function greeter')
    .action(async (flags: ListFlags) => {
      const queryUrl = await context.queryUrl();
      const seen = new Set((await search(queryUrl, { ...flags, since: '1m' })).map((row) => row.traceId));
      for (;;) {
        const rows = await search(queryUrl, { ...flags, since: '1m' });
        const fresh = rows.filter((row) => !seen.has(row.traceId)).reverse();
        for (const row of fresh) {
          seen.add(row.traceId);
          if (flags.output === 'json') console.log(JSON.stringify(row));
          else
            console.log(
              `${row.start}  ${row.traceId}  ${row.duration.padStart(8)}  ${row.spans.padStart(4)} spans  ${row.errors === '0' ? '' : `${row.errors} errors  `}${row.root}`,
            );
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
  const lines = drawWaterfall(spans, {
    width: process.stdout.columns ?? 120,
    colour: process.stdout.isTTY === true && process.env['NO_COLOR'] === undefined,
  });
  console.log(lines.join('\n'));
}

interface ListFlags {
  readonly function?: string;
  readonly service?: string;
  readonly operation?: string;
  readonly error?: boolean;
  readonly minDuration?: string;
  readonly attr?: Record<string, string>;
  readonly since: string;
  readonly limit: string;
  readonly output?: string;
}

interface SearchFlags {
  readonly query: string;
  readonly since: string;
  readonly limit: string;
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
  { title: 'START', key: 'start' },
  { title: 'DURATION', key: 'duration', align: 'right' },
  { title: 'SPANS', key: 'spans', align: 'right' },
  { title: 'ERRORS', key: 'errors', align: 'right' },
  { title: 'ROOT', key: 'root' },
] as const;

function withFilters(command: Command): Command {
  return command
    .option('--function <name>', 'traces in which this function ran')
    .option('--service <name>', 'as --function, for any service')
    .option('--operation <name>', 'name of a span')
    .option('--error', 'only traces with an error')
    .option('--min-duration <duration>', 'a span took at least this long, such as 500ms or 1.5s')
    .option('--attr <key=value>', 'a span has this attribute; may be repeated', collectPair, {})
    .option('--since <duration>', 'how far back', '1h')
    .option('--limit <n>', 'most traces', '20')
    .addOption(outputOption());
}

function outputOption(): Option {
  return new Option('-o, --output <format>', 'json or yaml').choices(['json', 'yaml']);
}

function collectPair(pair: string, pairs: Record<string, string>): Record<string, string> {
  const at = pair.indexOf('=');
  if (at <= 0) throw new Failure('cli', 'bad_request', `cannot read --attr ${pair}: it wants key=value`);
  return { ...pairs, [pair.slice(0, at)]: pair.slice(at + 1) };
}

async function search(queryUrl: string, flags: ListFlags): Promise<Row[]> {
  const nowUs = Date.now() * 1_000;
  const query = new URLSearchParams({
    start: String(nowUs - parseDurationMs(flags.since) * 1_000),
    end: String(nowUs + 60_000_000),
    limit: flags.limit,
  });
  const service = flags.function ?? flags.service;
  if (service !== undefined) query.set('service', service);
  if (flags.operation !== undefined) query.set('operation', flags.operation);
  if (flags.minDuration !== undefined) query.set('minDuration', flags.minDuration);
  const tags = { ...flags.attr, ...(flags.error === true ? { error: 'true' } : {}) };
  if (Object.keys(tags).length > 0) query.set('tags', JSON.stringify(tags));
  const response = await fetch(`${queryUrl}/api/traces?${query.toString()}`);
  const body = (await response.json()) as { data: ListedTrace[] | null; errors: { msg: string }[] | null };
  if (!response.ok)
    throw new Failure(
      'query',
      response.status === 400 ? 'bad_request' : 'unavailable',
      `cannot list traces: ${body.errors?.[0]?.msg ?? response.status}`,
    );
  return (body.data ?? []).map(toRow).sort((a, b) => (a.start < b.start ? 1 : -1));
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

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function parseDurationMs(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  const unit = UNIT_MS[match?.[2] ?? ''];
  if (!match || unit === undefined)
    throw new Failure(
      'cli',
      'bad_request',
      `cannot read the duration ${JSON.stringify(text)}: write it as 500ms, 30s, 10m, 2h or 1d`,
    );
  return Number(match[1]) * unit;
}
