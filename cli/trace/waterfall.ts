import { styleText } from 'node:util';
import {
  EXCEPTION_EVENT,
  EXCEPTION_MESSAGE,
  EXCEPTION_TYPE,
  SERVICE_NAME,
  SPOOR_ATTEMPT,
  SPOOR_QUEUE_WAIT,
  SPOOR_UNFINISHED,
} from '../../function/span/attributes.ts';
import { STATUS_CODE, type SpanData } from '../../function/span/span-data.ts';
import { buildTree, walkTree, type TreeNode } from '../../backend/diagnosis/tree.ts';
import { formatDuration } from '../duration.ts';
import {
  columnsOf,
  cut,
  cutRail,
  LEAST_NAME_COLUMNS,
  padEnd,
  plural,
  printable,
  type Terminal,
} from '../terminal-text.ts';
import { textOf } from './text-of.ts';

type Style = Parameters<typeof styleText>[0];
type Paint = (style: Style, text: string) => string;

const SERVICE_COLOURS = [
  'cyan',
  'green',
  'yellow',
  'magenta',
  'blue',
  'greenBright',
  'cyanBright',
  'magentaBright',
] as const;
const LEAST_BAR_COLUMNS = 16;
const MOST_NAME_COLUMNS = 48;
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'] as const;

/**
 * One trace as lines for a terminal: a tree on the left, its duration, and a bar on one time axis.
 *
 *     greeter   ├─ greeter                 24.1 ms    ▐██████▌
 *     trigger   │  └─ process greetings    63.0 ms             ▐█████████████
 */
export function drawWaterfall(spans: readonly SpanData[], options: Terminal): string[] {
  const first = spans[0];
  if (!first) return ['no spans'];
  const paint: Paint = options.colour
    ? (style, text) => styleText(style, text, { validateStream: false })
    : (_, text) => text;
  const { roots, orphans } = buildTree(spans);
  const nodes = [...walkTree(roots)];
  const start = nodes.reduce(
    (least, { span }) => (span.startTimeUnixNano < least ? span.startTimeUnixNano : least),
    first.startTimeUnixNano,
  );
  const end = nodes.reduce(
    (most, { span }) => (span.endTimeUnixNano > most ? span.endTimeUnixNano : most),
    first.endTimeUnixNano,
  );
  const services = [...new Set(nodes.map(({ span }) => serviceOf(span)))];
  const colourOf = new Map(
    services.map((service, i) => [service, SERVICE_COLOURS[i % SERVICE_COLOURS.length] as Style]),
  );
  const errors = nodes.filter(({ span }) => span.status.code === STATUS_CODE.error).length;

  const rails = railsOf(roots);
  const serviceColumns = Math.min(
    Math.max(...services.map(columnsOf)),
    Math.max(Math.floor(options.width / 4), LEAST_NAME_COLUMNS),
  );
  const rawNames = nodes.map((node) => `${rails.get(node)}${labelOf(node.span)}`);
  const durations = nodes.map(({ span }) => formatDuration(span.endTimeUnixNano - span.startTimeUnixNano));
  const durationColumns = Math.max(...durations.map((text) => text.length));
  const fixed = serviceColumns + 2 + 2 + durationColumns + 2 + 2;
  const nameColumns = Math.min(
    Math.max(...rawNames.map(columnsOf)),
    MOST_NAME_COLUMNS,
    Math.max(options.width - fixed - LEAST_BAR_COLUMNS, LEAST_NAME_COLUMNS),
  );
  const railOf = (node: TreeNode) => cutRail(rails.get(node) ?? '', labelOf(node.span), nameColumns);
  const names = nodes.map((node) => cut(`${railOf(node)}${labelOf(node.span)}`, nameColumns));
  const barColumns = Math.max(options.width - fixed - nameColumns, 8);

  const lines = [
    `${paint('bold', `trace ${first.traceId}`)}  ${plural(nodes.length, 'span')}, ${plural(services.length, 'service')}, ${formatDuration(end - start)}` +
      (errors > 0 ? `, ${paint('red', plural(errors, 'error'))}` : '') +
      (orphans.length > 0
        ? `, ${paint('yellow', `${plural(orphans.length, 'span')} with an unknown parent`)}`
        : ''),
    '',
  ];
  nodes.forEach((node, i) => {
    const { span } = node;
    const failed = span.status.code === STATUS_CODE.error;
    const unfinished = span.attributes[SPOOR_UNFINISHED] === true;
    const style = colourOf.get(serviceOf(span)) as Style;
    const mark = unfinished ? paint('red', '†') : failed ? paint('red', '✗') : ' ';
    const name = padEnd(names[i] as string, nameColumns);
    const bar = drawBar(span, start, end, barColumns);
    lines.push(
      `${paint(style, padEnd(cut(serviceOf(span), serviceColumns), serviceColumns))}  ${failed ? paint('red', name) : name} ${mark} ${(durations[i] as string).padStart(durationColumns)}  ` +
        `${' '.repeat(bar.offset)}${paint(failed ? 'red' : style, bar.text)}`,
    );
    for (const note of notesOf(span)) {
      const indent = ' '.repeat(serviceColumns + 2 + railOf(node).length + 2);
      lines.push(
        `${indent}${paint('red', cut(note, Math.max(options.width - indent.length, 20)).trimEnd())}`,
      );
    }
  });
  if (nodes.some(({ span }) => span.attributes[SPOOR_UNFINISHED] === true)) {
    lines.push('', paint('dim', '† its process died before it ended: closed at the time of death'));
  }
  return lines;
}

function serviceOf(span: SpanData): string {
  const name = span.resource[SERVICE_NAME];
  return typeof name === 'string' && name !== '' ? printable(name) : 'unknown';
}

function labelOf(span: SpanData): string {
  const attempt = span.attributes[SPOOR_ATTEMPT];
  const wait = span.attributes[SPOOR_QUEUE_WAIT];
  const notes = [
    ...(Number(attempt ?? 1) > 1 ? [`attempt ${textOf(attempt)}`] : []),
    ...(typeof wait === 'number' || typeof wait === 'bigint'
      ? [`waited ${formatDuration(Number(wait) * 1e6)}`]
      : []),
  ];
  return printable(span.name) + (notes.length > 0 ? ` (${notes.join(', ')})` : '');
}

/** What went wrong, in one line: the first exception, else the status message. Only where it was first seen. */
function notesOf(span: SpanData): string[] {
  if (span.status.code !== STATUS_CODE.error) return [];
  const exception = span.events.find((event) => event.name === EXCEPTION_EVENT);
  if (exception) {
    const type = exception.attributes[EXCEPTION_TYPE];
    const message = exception.attributes[EXCEPTION_MESSAGE];
    return [printable([textOf(type), textOf(message)].filter((part) => part !== '').join(': '))];
  }
  return span.status.message === '' ? [] : [printable(span.status.message)];
}

/** `├─ `, `└─ ` and the rails of the ancestors, for each node. */
function railsOf(roots: readonly TreeNode[]): Map<TreeNode, string> {
  const rails = new Map<TreeNode, string>();
  const stack: { node: TreeNode; own: string; below: string }[] = roots.map((node) => ({
    node,
    own: '',
    below: '',
  }));
  for (let item = stack.pop(); item; item = stack.pop()) {
    rails.set(item.node, item.own);
    item.node.children.forEach((child, i) => {
      const last = i === item.node.children.length - 1;
      stack.push({
        node: child,
        own: `${item.below}${last ? '└─ ' : '├─ '}`,
        below: `${item.below}${last ? '   ' : '│  '}`,
      });
    });
  }
  return rails;
}

/** Whole columns of blank, then a bar with an eighth of a column at its right end; never less than a sliver. */
export function drawBar(
  span: SpanData,
  start: bigint,
  end: bigint,
  columns: number,
): { offset: number; text: string } {
  const total = Math.max(Number(end - start), 1);
  const from = (Number(span.startTimeUnixNano - start) / total) * columns;
  const length = (Math.max(Number(span.endTimeUnixNano - span.startTimeUnixNano), 0) / total) * columns;
  const offset = Math.min(Math.floor(from), columns - 1);
  const eighths = Math.max(Math.round(Math.min(length, columns - offset) * 8), 1);
  return { offset, text: '█'.repeat(Math.floor(eighths / 8)) + (EIGHTHS[eighths % 8] as string) };
}
