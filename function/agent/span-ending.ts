import { readFileSync } from 'node:fs';
import {
  ERROR_TYPE,
  EXCEPTION_EVENT,
  EXCEPTION_MESSAGE,
  EXCEPTION_STACKTRACE,
  EXCEPTION_TYPE,
  SPOOR_END_EXIT_CODE,
  SPOOR_END_LOG,
  SPOOR_END_REASON,
  SPOOR_END_SIGNAL,
  SPOOR_UNFINISHED,
} from '../span/attributes.ts';
import type { AttributeValue, Attributes } from '../span/span-data.ts';

/** What is put on every span that a dead process left open. */
export interface SpanEnding {
  readonly timeUnixNano: bigint;
  /** Status message. */
  readonly message: string;
  readonly attributes: Attributes;
  /** The same, and the last log lines: for open spans whose parent is not itself left open by the process. */
  readonly outermostAttributes: Attributes;
  readonly exception: { readonly name: string; readonly attributes: Attributes } | undefined;
}

export type EndReason = (typeof END_REASONS)[number];

/** The end file as docs/journal.md has it. */
export interface EndFile {
  readonly reason: EndReason;
  readonly signal: string | undefined;
  readonly exitCode: number | undefined;
  readonly timeUnixNano: bigint | undefined;
  readonly message: string;
  readonly lastLines: readonly string[];
  /** It is a thread that ended; its process may live on. */
  readonly isThread: boolean;
}

const END_REASONS = ['exit', 'signal', 'oom', 'timeout', 'shutdown', 'lost'] as const;

/** An end file longer than this is not one. */
const MAX_END_FILE_BYTES = 1024 * 1024;
const MAX_LINES = 50;
const MAX_LINE_CHARS = 4096;

/**
 * How open spans end. `end` is what the one who saw the process die wrote; without it, the process's own goodbye; without that,
 * it is lost. The time of death is the end file's; else `diedUnixNano`, when we saw the process vanish ourselves; else the time of
 * the last record. (Not the file's mtime: our own notes in the journal's header move it.) It is never before the last record.
 */
export function endingOf(facts: {
  readonly end: EndFile | undefined;
  readonly goodbye: ReadonlyMap<string, string | bigint> | undefined;
  readonly tail: readonly string[];
  readonly lastRecordUnixNano: bigint;
  readonly diedUnixNano: bigint | undefined;
}): SpanEnding {
  const { goodbye, lastRecordUnixNano } = facts;
  const end = facts.end ?? endFromGoodbye(goodbye);
  const exceptionType = text(goodbye?.get(EXCEPTION_TYPE));
  const exceptionMessage = text(goodbye?.get(EXCEPTION_MESSAGE));
  const attributes: Record<string, AttributeValue> = {
    [SPOOR_UNFINISHED]: true,
    [SPOOR_END_REASON]: end.reason,
  };
  if (end.signal !== undefined) attributes[SPOOR_END_SIGNAL] = end.signal;
  if (end.exitCode !== undefined) attributes[SPOOR_END_EXIT_CODE] = BigInt(end.exitCode);
  attributes[ERROR_TYPE] =
    end.reason === 'exit' && exceptionType !== undefined
      ? exceptionType
      : end.reason === 'signal' && end.signal !== undefined
        ? end.signal
        : end.reason;
  const lines = end.lastLines.length > 0 ? end.lastLines : facts.tail;
  const said = end.timeUnixNano ?? facts.diedUnixNano ?? lastRecordUnixNano;
  const message = end.message !== '' ? end.message : messageOf(end);
  const detail = [exceptionType, exceptionMessage].filter((part) => part !== undefined).join(': ');
  const exception: Record<string, AttributeValue> = {};
  for (const key of [EXCEPTION_TYPE, EXCEPTION_MESSAGE, EXCEPTION_STACKTRACE]) {
    const value = text(goodbye?.get(key));
    if (value !== undefined) exception[key] = value;
  }
  return {
    timeUnixNano: said > lastRecordUnixNano ? said : lastRecordUnixNano,
    message: detail !== '' && !message.includes(detail) ? `${message}: ${detail}` : message,
    attributes,
    outermostAttributes:
      lines.length === 0 ? attributes : { ...attributes, [SPOOR_END_LOG]: lines.join('\n') },
    exception:
      Object.keys(exception).length === 0 ? undefined : { name: EXCEPTION_EVENT, attributes: exception },
  };
}

function messageOf(end: EndFile): string {
  switch (end.reason) {
    case 'exit':
      return end.exitCode === undefined ? 'exited' : `exited with code ${end.exitCode}`;
    case 'signal':
      return end.signal === undefined ? 'killed by a signal' : `killed by ${end.signal}`;
    case 'oom':
      return 'out of memory';
    case 'timeout':
      return 'function timeout';
    case 'shutdown':
      return 'stopped with the platform';
    case 'lost':
      return 'the process is gone and nobody saw how it ended';
  }
}

function endFromGoodbye(goodbye: ReadonlyMap<string, string | bigint> | undefined): EndFile {
  const code = goodbye?.get(SPOOR_END_EXIT_CODE);
  return {
    reason: goodbye === undefined ? 'lost' : 'exit',
    signal: undefined,
    exitCode: typeof code === 'bigint' ? Number(code) : undefined,
    timeUnixNano: undefined,
    message: '',
    lastLines: [],
    isThread: false,
  };
}

/** The end file at `path`; undefined when there is none, or what is there is not one. */
export function readEndFile(path: string): EndFile | undefined {
  let json: unknown;
  try {
    const bytes = readFileSync(path);
    if (bytes.length > MAX_END_FILE_BYTES) return undefined;
    json = JSON.parse(bytes.toString());
  } catch {
    return undefined; // not there, or torn: then the reason is the one a missing file gives
  }
  return typeof json === 'object' && json !== null ? parseEnd(json as Record<string, unknown>) : undefined;
}

function parseEnd(json: Record<string, unknown>): EndFile {
  const reason = END_REASONS.find((word) => word === json['reason']) ?? 'lost';
  const { signal, exitCode, timeUnixNano, message, lastLines } = json;
  return {
    reason,
    signal: typeof signal === 'string' && signal !== '' ? signal.slice(0, 64) : undefined,
    exitCode: Number.isSafeInteger(exitCode) ? (exitCode as number) : undefined,
    timeUnixNano:
      typeof timeUnixNano === 'string' && /^[0-9]{1,19}$/.test(timeUnixNano)
        ? BigInt(timeUnixNano)
        : undefined,
    message: typeof message === 'string' ? message.slice(0, MAX_LINE_CHARS) : '',
    lastLines: Array.isArray(lastLines)
      ? lastLines
          .filter((line): line is string => typeof line === 'string')
          .slice(-MAX_LINES)
          .map((line) => line.slice(0, MAX_LINE_CHARS))
      : [],
    isThread: json['thread'] === true,
  };
}

function text(value: string | bigint | undefined): string | undefined {
  return value === undefined ? undefined : String(value);
}
