import { STATUS_CODE, type SpanData } from '../../function/span/span-data.ts';

/** One way for an instance to end in the middle of an invocation, and what the root span must then say. */
export interface Way {
  readonly name: string;
  readonly languages: readonly Language[];
  /** The function to call; its name without the language. */
  readonly fn: 'dying' | 'hoarding' | 'looping';
  /** Sent by the pack, at a random instant. */
  readonly signal?: NodeJS.Signals;
  /** What is wrong with the root span, a sentence each. */
  readonly check: (root: SpanData) => string[];
}

export type Language = 'node' | 'python';
const BOTH: readonly Language[] = ['node', 'python'];

export const WAYS: readonly Way[] = [
  { name: 'SIGKILL', languages: BOTH, fn: 'dying', signal: 'SIGKILL', check: ended('signal', 'SIGKILL') },
  { name: 'SIGTERM', languages: BOTH, fn: 'dying', signal: 'SIGTERM', check: answered(200) },
  { name: 'exit', languages: BOTH, fn: 'dying', check: ended('exit', undefined, 3) },
  { name: 'exit at once', languages: ['python'], fn: 'dying', check: ended('exit', undefined, 3) },
  { name: 'exception', languages: ['node'], fn: 'dying', check: threw('nobody catches this') },
  // A Python function that raises is answered for; nothing it raises ends the process.
  { name: 'exception', languages: ['python'], fn: 'dying', check: answered(500) },
  { name: 'rejection', languages: ['node'], fn: 'dying', check: threw('nobody handles this') },
  { name: 'oom', languages: ['node'], fn: 'hoarding', check: ended('oom') },
  { name: 'timeout', languages: BOTH, fn: 'looping', check: ended('timeout') },
];

function ended(reason: string, signal?: string, exitCode?: number) {
  return (root: SpanData): string[] => {
    const wanted: Record<string, Plain> = { 'spoor.unfinished': true, 'spoor.end.reason': reason };
    if (signal !== undefined) wanted['spoor.end.signal'] = signal;
    if (exitCode !== undefined) wanted['spoor.end.exit_code'] = exitCode;
    const faults = root.status.code === STATUS_CODE.error ? [] : ['the root span is no error'];
    for (const [name, value] of Object.entries(wanted)) {
      const actual = attributeOf(root, name);
      if (actual !== value)
        faults.push(`${name} of the root span is ${actual}, must be ${value} (${root.status.message})`);
    }
    return faults;
  };
}

function threw(message: string) {
  return (root: SpanData): string[] => [
    ...ended('exit', undefined, 1)(root),
    ...(root.events.some((event) => event.attributes['exception.message'] === message)
      ? []
      : [`the root span has no exception [${message}]`]),
  ];
}

function answered(status: number) {
  return (root: SpanData): string[] => {
    const actual = attributeOf(root, 'http.response.status_code');
    if (root.attributes['spoor.unfinished'] !== undefined) return ['the root span is marked unfinished'];
    return actual === status
      ? []
      : [`http.response.status_code of the root span is ${actual}, must be ${status}`];
  };
}

type Plain = string | number | boolean;

function attributeOf(span: SpanData, name: string): Plain | undefined {
  const value = span.attributes[name];
  if (typeof value === 'bigint') return Number(value);
  return typeof value === 'object' ? JSON.stringify(value) : value;
}
