import type { LogJson, OtlpKeyValue } from '../../../backend/query/shapes.ts';
import { formatDuration } from '../text/duration.ts';
import { formatValue, textOf } from '../text/value.ts';
import type { Span, Trace } from './trace.ts';

export const MOMENT_KINDS = ['log', 'event', 'start', 'end'] as const;
export type MomentKind = (typeof MOMENT_KINDS)[number];

/** Something that happened at one time. */
export interface Moment {
  readonly kind: MomentKind;
  /** ns from the trace's start; below 0 for what came before its first span. */
  readonly at: number;
  readonly text: string;
  /** A level of a log line, the name of an event. */
  readonly label: string;
  readonly isError: boolean;
  readonly service: string;
  /** `undefined` for a line of no span, or of one that is not here. */
  readonly span: Span | undefined;
}

/** Of an event's attributes; a stack trace is for the span's own panel. */
const MOST_TEXT = 400;
const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
/** OpenTelemetry's severity number from which on a line is an error. */
export const ERROR_SEVERITY = 17;

/** Everything that a trace tells of moments, in order of time: what was printed, what spans noted, and when they started and ended. */
export function momentsOf(trace: Trace, logs: readonly LogJson[]): Moment[] {
  const byId = new Map(trace.spans.map((span) => [span.id, span]));
  const moments: Moment[] = logs.map((log): Moment => {
    const span = byId.get(log.spanId);
    return {
      kind: 'log',
      at: Number(BigInt(log.timeUnixNano) - trace.startUnixNano),
      text: log.body,
      label: LEVELS[Math.floor((log.severityNumber - 1) / 4)] ?? '',
      isError: log.severityNumber >= ERROR_SEVERITY,
      service: log.service,
      span,
    };
  });
  for (const span of trace.spans) {
    const base = { service: span.service, span };
    for (const event of span.source.events ?? [])
      moments.push({
        ...base,
        kind: 'event',
        at: Number(BigInt(event.timeUnixNano) - trace.startUnixNano),
        text: sayEvent(event.attributes ?? []),
        label: event.name || 'event',
        isError: event.name === 'exception',
      });
    moments.push({
      ...base,
      kind: 'start',
      at: span.start,
      text: '',
      label: 'starts',
      isError: false,
    });
    moments.push({
      ...base,
      kind: 'end',
      at: span.start + span.duration,
      text: `after ${formatDuration(span.duration)}${span.source.status.message ? `: ${span.source.status.message.slice(0, MOST_TEXT)}` : ''}`,
      label:
        span.marks.killedBy === '' ? (span.isError ? 'fails' : 'ends') : `never ends: ${span.marks.killedBy}`,
      isError: span.isError || span.marks.killedBy !== '',
    });
  }
  // At one time a span starts before what it did, and ends after it.
  const rank = { start: 0, event: 1, log: 1, end: 2 };
  return moments.sort((a, b) => a.at - b.at || rank[a.kind] - rank[b.kind]);
}

function sayEvent(attributes: readonly OtlpKeyValue[]): string {
  const message = textOf(attributes, 'exception.message');
  if (message !== undefined) {
    const type = textOf(attributes, 'exception.type');
    return (type === undefined ? message : `${type}: ${message}`).slice(0, MOST_TEXT);
  }
  let text = '';
  for (const { key, value } of attributes) {
    if (text.length >= MOST_TEXT) break;
    text += `${text === '' ? '' : ' '}${key}=${formatValue(value).slice(0, MOST_TEXT)}`;
  }
  return text.slice(0, MOST_TEXT);
}
