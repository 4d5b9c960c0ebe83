import { styleText } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { AccountJson, WhyJson } from '../backend/query/shapes.ts';
import { askQuery } from './ask-query.ts';
import type { CliContext } from './context.ts';
import { formatDuration } from './duration.ts';
import { columnsOf, cut, padEnd, printable, printLines, terminal, type Terminal } from './terminal-text.ts';
import { outputOption, verb } from './verbs/flags.ts';

const SETTLE_TIMEOUT_MS = 5_000;
const POLL_MS = 250;
const MOST_CAUSES = 3;
const MOST_STAGES = 6;
const BAR_COLUMNS = 24;
const MOST_SPANS = 3;

/** `spoor why ID`. */
export function register(program: Command, context: CliContext): void {
  verb(
    program,
    'why',
    'why a trace failed or was slow: ranked causes, where the time went, what to try next',
    'spoor why 4bf92f3577b34da6a3ce929d0e0e4736\nspoor why 4bf92f3577b34da6a3ce929d0e0e4736 -o json',
  )
    .argument('<id>', 'trace id: 32 hex digits, leading zeros optional')
    .addOption(outputOption(['json', 'yaml']))
    .action(async (id: string, flags: { output?: string }) => {
      const why = await askQuery<WhyJson>(
        await context.queryUrl(),
        `/api/traces/${encodeURIComponent(id)}/why`,
        `cannot explain trace ${id}`,
      );
      if (flags.output === undefined) printLines(drawWhy(why, terminal()));
      else context.out.object(why, flags.output);
    });
}

/** For a request that was just made: waits until its trace has come to rest. */
export async function explainWhenSettled(queryUrl: string, traceId: string): Promise<void> {
  const deadline = Date.now() + SETTLE_TIMEOUT_MS;
  let why: WhyJson | undefined;
  let spanCount = '';
  for (;;) {
    const next = await askQuery<WhyJson>(
      queryUrl,
      `/api/traces/${traceId}/why`,
      `cannot explain trace ${traceId}`,
    ).catch((error: unknown) => {
      if (Date.now() >= deadline) throw error;
      return undefined;
    });
    const size = JSON.stringify(next?.account.segments.length);
    if (next && why && next.settled && size === spanCount) break;
    why = next ?? why;
    spanCount = size;
    if (Date.now() >= deadline) break;
    await sleep(POLL_MS);
  }
  if (why) printLines(drawWhy(why, terminal()));
}

type Style = Parameters<typeof styleText>[0];

/**
 *     POST /greetings (router) failed, 940 ms end to end, usually 85 ms
 *
 *     1  killed: the process of image was killed by SIGKILL
 *        The process of image died by SIGKILL 47.0 ms into the invocation 3 times; …  [a1b2…]
 *        try  See who sent the signal: …
 */
export function drawWhy(why: WhyJson, { width, colour }: Terminal): string[] {
  const paint = (style: Style, text: string) =>
    colour ? styleText(style, text, { validateStream: false }) : text;
  const bad = why.outcome === 'failed' ? 'red' : why.outcome === 'slow' ? 'yellow' : 'green';
  const lines = wrap(printable(why.summary), width).map((line) => paint(['bold', bad], line));
  if (!why.determined) lines.push('', ...wrap(`not determined: ${printable(why.notDetermined)}`, width));
  const shown = why.causes.filter((cause, rank) => rank === 0 || cause.score >= 0.3).slice(0, MOST_CAUSES);
  for (const [rank, cause] of shown.entries()) {
    lines.push('');
    const head = `${cause.kind}: ${printable(cause.title)}${cause.confident ? '' : ' (perhaps)'}`;
    lines.push(
      ...hang(`${rank + 1}  `, head, width).map((line) => paint(cause.confident ? 'bold' : 'dim', line)),
    );
    for (const [at, { text, spans }] of cause.sentences.entries()) {
      // What the title has said is not said again, and what rests on the same spans names them once.
      if (lettersOf(text) !== lettersOf(cause.title)) lines.push(...hang('   ', printable(text), width));
      const names = namesOf(spans);
      const next = cause.sentences[at + 1];
      if (names !== '' && (!next || namesOf(next.spans) !== names)) lines.push(paint('dim', `   ${names}`));
    }
    for (const advice of cause.next)
      lines.push(...hang('   try  ', printable(advice), width).map((line) => paint('cyan', line)));
  }
  lines.push('', paint('bold', 'Where the time went'), ...drawStages(why.account, width, paint));
  if (why.twin)
    lines.push(
      '',
      ...wrap(`Compared with ${why.twin.traceId} (${why.twin.reason}).`, width).map((line) =>
        paint('dim', line),
      ),
    );
  return lines;
}

/** `spans 5f93136e9e031132 8acb6df2d5990473` */
function namesOf(spans: WhyJson['causes'][number]['spans']): string {
  if (spans.length === 0) return '';
  const more = spans.length > MOST_SPANS ? ` and ${spans.length - MOST_SPANS} more` : '';
  const ids = spans.slice(0, MOST_SPANS).map(({ spanId }) => spanId);
  return `${spans.length === 1 ? 'span' : 'spans'} ${ids.join(' ')}${more}`;
}

function lettersOf(text: string): string {
  return text.toLowerCase().replaceAll(/[^\p{L}\p{N}]+/gu, '');
}

function drawStages(
  account: AccountJson,
  width: number,
  paint: (style: Style, text: string) => string,
): string[] {
  const rest = account.stages.slice(MOST_STAGES);
  const rows = account.stages
    .slice(0, MOST_STAGES)
    .map(({ stage, owner, nano, share }) => ({ stage, owner: printable(owner), nano: BigInt(nano), share }));
  if (rest.length > 0)
    rows.push({
      stage: 'unknown',
      owner: `${rest.length} more`,
      nano: rest.reduce((sum, each) => sum + BigInt(each.nano), 0n),
      share: rest.reduce((sum, each) => sum + each.share, 0),
    });
  const label = (row: (typeof rows)[number], i: number) =>
    i === MOST_STAGES ? row.owner : `${row.stage}  ${row.owner}`;
  const labels = Math.min(
    Math.max(...rows.map((row, i) => columnsOf(label(row, i))), 0),
    Math.max(width - BAR_COLUMNS - 22, 16),
  );
  return rows.map((row, i) => {
    const bar = '█'.repeat(Math.round(row.share * BAR_COLUMNS)) || '▏';
    return `  ${padEnd(cut(label(row, i), labels), labels)}  ${formatDuration(row.nano).padStart(8)}  ${`${Math.round(row.share * 100)} %`.padStart(5)}  ${paint('cyan', bar)}`;
  });
}

function hang(prefix: string, text: string, width: number): string[] {
  const indent = ' '.repeat(prefix.length);
  return wrap(text, width - prefix.length).map((line, i) => (i === 0 ? prefix : indent) + line);
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && columnsOf(line) + 1 + columnsOf(word) > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
