import { styleText } from 'node:util';
import type { Command } from 'commander';
import type { FlowEdgeJson, FlowJson, FlowSpanJson } from '../backend/query/shapes.ts';
import { askQuery } from './ask-query.ts';
import type { CliContext } from './context.ts';
import { formatDuration } from './duration.ts';
import {
  columnsOf,
  cut,
  cutRail,
  LEAST_NAME_COLUMNS,
  padEnd,
  plural,
  printable,
  printLines,
  terminal,
  type Terminal,
} from './terminal-text.ts';
import { outputOption, verb } from './verbs/flags.ts';

/** `spoor flow ID`. */
export function register(program: Command, context: CliContext): void {
  verb(
    program,
    'flow',
    'everything that one event caused, over every topic and every trace that links join',
    'spoor flow 4bf92f3577b34da6a3ce929d0e0e4736',
  )
    .argument('<id>', 'trace id: 32 hex digits, leading zeros optional')
    .addOption(outputOption(['json', 'yaml']))
    .action(async (id: string, flags: { output?: string }) => {
      const flow = await askQuery<FlowJson>(
        await context.queryUrl(),
        `/api/flows/${encodeURIComponent(id)}`,
        `cannot show the flow of trace ${id}`,
      );
      if (flags.output === undefined) printLines(drawFlow(flow, terminal()));
      else context.out.object(flow, flags.output);
    });
}

/**
 * The causal tree, one span a line, with when it began and what it waited for in a topic:
 *
 *       +0 ns  300 ms  router   POST /greetings
 *     +120 ms  3.1 ms  greeter  └─ send greetings
 *     +128 ms  180 ms  trigger     ⇢ process greetings   waited 4.9 ms in greetings/3@17, trace 4bf9…
 */
export function drawFlow(flow: FlowJson, { width, colour }: Terminal): string[] {
  const paint = (style: Parameters<typeof styleText>[0], text: string) =>
    colour ? styleText(style, text, { validateStream: false }) : text;
  const state = flow.settled ? 'settled' : 'not settled';
  const lines = [
    paint(
      'bold',
      `${plural(flow.traceIds.length, 'trace')}, ${plural(flow.spanCount, 'span')}, ${flow.errorSpanCount > 0 ? `${plural(flow.errorSpanCount, 'error')}, ` : ''}${formatDuration(BigInt(flow.durationNano))}, ${state}${flow.truncated ? ', cut: the flow is larger' : ''}`,
    ),
    '',
  ];
  const start = BigInt(flow.startUnixNano);
  const message = new Map(
    flow.edges.filter((edge) => edge.kind === 'message').map((edge) => [keyOf(edge.to), edge]),
  );
  const rows = treeOf(flow.spans);
  const services = Math.min(
    Math.max(...rows.map(({ span }) => columnsOf(printable(span.service))), 0),
    Math.max(Math.floor(width / 4), LEAST_NAME_COLUMNS),
  );
  for (const { span, rail } of rows) {
    const edge = message.get(keyOf(span));
    const at = `+${formatDuration(BigInt(span.startUnixNano) - start)}`.padStart(9);
    const took = formatDuration(BigInt(span.endUnixNano) - BigInt(span.startUnixNano)).padStart(8);
    const left = `${at}  ${took}  ${padEnd(cut(printable(span.service), services), services)}  `;
    const columns = Math.max(width - columnsOf(left), 20);
    const name = `${edge ? '⇢ ' : ''}${printable(span.name)}`;
    const text = cut(`${cutRail(rail, name, columns)}${name}${notesOf(span, edge, flow)}`, columns);
    lines.push(`${paint('dim', left)}${span.error ? paint('red', text) : edge ? paint('cyan', text) : text}`);
  }
  for (const waiting of flow.waitingFor)
    lines.push(
      '',
      paint(
        'yellow',
        `${waiting.topic} waits for ${waiting.consumerGroup || 'a consumer'} (sent by span ${waiting.spanId})`,
      ),
    );
  return lines;
}

function notesOf(span: FlowSpanJson, edge: FlowEdgeJson | undefined, flow: FlowJson): string {
  const notes = [
    ...(edge?.waitNano ? [waitOf(edge, BigInt(edge.waitNano))] : []),
    ...(edge?.clockSkew === true ? ['clocks disagree'] : []),
    ...(span.attempt > 1 ? [`attempt ${span.attempt}`] : []),
    ...(span.coldStart && span.function !== '' ? ['cold'] : []),
    ...(edge && span.traceId !== flow.traceId ? [`trace ${span.traceId}`] : []),
    ...(span.error && span.statusMessage !== '' ? [printable(span.statusMessage)] : []),
  ];
  return notes.length === 0 ? '' : `   ${notes.join(', ')}`;
}

/** A record's time is in whole milliseconds: a wait of none is one of less. */
function waitOf(edge: FlowEdgeJson, nano: bigint): string {
  return `waited ${nano === 0n ? 'under 1 ms' : formatDuration(nano)} in ${placeOf(edge)}`;
}

function placeOf({ topic, partition, offset }: FlowEdgeJson): string {
  return printable(offset === '' ? topic : `${topic}/${partition}@${offset}`);
}

/** Spans in the order of a tree by `cause`, each with the rails left of it. */
function treeOf(spans: readonly FlowSpanJson[]): { span: FlowSpanJson; rail: string }[] {
  const effects = Map.groupBy(spans, (span) => (span.cause ? keyOf(span.cause) : ''));
  const rows: { span: FlowSpanJson; rail: string }[] = [];
  const stack = (effects.get('') ?? []).toReversed().map((span) => ({ span, own: '', below: '' }));
  for (let item = stack.pop(); item; item = stack.pop()) {
    const { span, own, below } = item;
    rows.push({ span, rail: own });
    const children = effects.get(keyOf(span)) ?? [];
    for (let i = children.length - 1; i >= 0; i -= 1) {
      const last = i === children.length - 1;
      stack.push({
        span: children[i] as FlowSpanJson,
        own: `${below}${last ? '└─ ' : '├─ '}`,
        below: `${below}${last ? '   ' : '│  '}`,
      });
    }
  }
  return rows;
}

function keyOf({ traceId, spanId }: { readonly traceId: string; readonly spanId: string }): string {
  return `${traceId}:${spanId}`;
}
