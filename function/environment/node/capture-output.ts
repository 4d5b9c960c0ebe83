/** ASCII's record separator: stands at the end of each piece that is in the journal already (docs/instance.md, "Output"). */
export const MARK = '\x1e';

/**
 * Sees what the function prints and hands each piece on as a log record, after it went where it would have gone anyway.
 * `console.log` ends in `process.stdout.write`, so that is where we listen; around a console method we only note its severity.
 * `fs.writeSync` and `fs.write` to 1 and 2 are listened to as well. What takes another road (a program that the function starts
 * is ../node/capture-children.ts) reaches our ordinary output unmarked, and whoever reads that says so.
 * The streams are opened at their first use: a function that prints nothing pays nothing.
 */
export function captureOutput(
  onLine: (line: OutputLine) => void,
  mark: boolean,
  streams: readonly Stream[] = ['stdout', 'stderr'],
): void {
  let severity: number | undefined;
  let inside = false;
  let writing = false;

  for (const [method, number] of SEVERITIES) {
    const original = console[method] as (...args: unknown[]) => void;
    console[method] = function (this: unknown, ...args: unknown[]) {
      const before = severity;
      severity = number;
      try {
        original.apply(this, args);
      } finally {
        severity = before;
      }
    };
  }

  for (const name of streams) {
    const property = Object.getOwnPropertyDescriptor(process, name);
    if (!property?.get) continue;
    const open = property.get.bind(process) as () => NodeJS.WriteStream;
    let stream: NodeJS.WriteStream | undefined;
    Object.defineProperty(process, name, {
      ...property,
      get: () => (stream ??= listenTo(open(), name)),
    });
  }

  function listenTo(stream: NodeJS.WriteStream, name: 'stdout' | 'stderr'): NodeJS.WriteStream {
    const write = stream.write.bind(stream) as (...args: unknown[]) => boolean;
    unheard.set(stream, write);
    stream.write = (...args: unknown[]): boolean => {
      const [chunk, encoding] = args;
      const text = textOf(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : undefined);
      if (mark && text !== undefined) {
        args[0] = marked(text);
        if (typeof encoding === 'string') args[1] = 'utf8';
      }
      // First what must not be lost; and a line that telling of a line would print is not told of again.
      const wasWriting = writing;
      writing = true;
      let ok: boolean;
      try {
        ok = write(...args);
      } finally {
        writing = wasWriting;
      }
      if (text !== undefined) tellOnce(text, name);
      return ok;
    };
    return stream;
  }

  const fs = process.getBuiltinModule('node:fs');
  const { writeSync, write: writeAsync } = fs;
  const streamOf = (fd: unknown): Stream | undefined =>
    fd === 1 ? 'stdout' : fd === 2 ? 'stderr' : undefined;
  /** The arguments to write with instead, and what is then told; undefined when it is none of our business. */
  const intercept = (args: unknown[]) => {
    const stream = writing || inside ? undefined : streamOf(args[0]);
    // A part of a buffer, by offset and length, is rare here: it goes unmarked.
    const isWhole = typeof args[1] === 'string' || typeof args[2] !== 'number';
    const text = stream && isWhole ? textOf(args[1], undefined) : undefined;
    return stream && text !== undefined ? { stream, text } : undefined;
  };
  fs.writeSync = ((...args: unknown[]) => {
    const found = intercept(args);
    if (!found) return (writeSync as Untyped)(...args);
    const bytes = Buffer.from(mark ? marked(found.text) : found.text);
    for (let at = 0; at < bytes.length;) at += writeSync(args[0] as number, bytes, at);
    tellOnce(found.text, found.stream);
    return Buffer.byteLength(found.text);
  }) as typeof writeSync;
  fs.write = ((...args: unknown[]) => {
    const found = intercept(args);
    if (found) {
      if (mark) args[1] = typeof args[1] === 'string' ? marked(found.text) : Buffer.from(marked(found.text));
      tellOnce(found.text, found.stream);
    }
    return (writeAsync as unknown as Untyped)(...args);
  }) as unknown as typeof writeAsync;
  // `import { writeSync } from 'node:fs'` sees it too.
  process.getBuiltinModule('node:module').syncBuiltinESMExports();

  function tellOnce(text: string, stream: 'stdout' | 'stderr'): void {
    if (inside) return;
    inside = true;
    try {
      tell(text, stream);
    } finally {
      inside = false;
    }
  }

  function tell(text: string, stream: 'stdout' | 'stderr'): void {
    const body = text.replace(/\r?\n$/, '');
    if (body === '') return;
    onLine({ body, stream, severity, fromConsole: severity !== undefined });
  }
}

/** Writes to one of our streams what needs no telling of. False: wait for `drain`. */
export function passOn(name: Stream, bytes: Uint8Array): boolean {
  const stream = process[name];
  return unheard.get(stream)?.(bytes) ?? stream.write(bytes);
}

/** By stream: what its `write` was before we listened. */
const unheard = new WeakMap<object, (...args: unknown[]) => boolean>();

export interface OutputLine {
  /** Without its line end; several lines when they were printed at once. */
  readonly body: string;
  readonly stream: 'stdout' | 'stderr';
  /** OTLP severity number of the console method; undefined for a direct write. */
  readonly severity: number | undefined;
  readonly fromConsole: boolean;
}

/** OTLP severity numbers: DEBUG 5, INFO 9, WARN 13, ERROR 17. */
const SEVERITIES = [
  ['debug', 5],
  ['log', 9],
  ['info', 9],
  ['dir', 9],
  ['dirxml', 9],
  ['table', 9],
  ['timeEnd', 9],
  ['timeLog', 9],
  ['count', 9],
  ['group', 9],
  ['warn', 13],
  ['trace', 13],
  ['error', 17],
  ['assert', 17],
] as const;

type Stream = 'stdout' | 'stderr';
type Untyped = (...args: unknown[]) => never;

/** Each line ends with the mark, and so does a piece without a line end. */
function marked(text: string): string {
  const lines = text.replaceAll('\n', `${MARK}\n`);
  return text.endsWith('\n') ? lines : lines + MARK;
}

function textOf(chunk: unknown, encoding: BufferEncoding | undefined): string | undefined {
  if (typeof chunk === 'string')
    return encoding === undefined || /^utf-?8$/i.test(encoding)
      ? chunk
      : Buffer.from(chunk, encoding).toString('utf8');
  if (!ArrayBuffer.isView(chunk)) return undefined;
  return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('utf8');
}
