/**
 * Sees what the function prints and hands each piece on as a log record, after it went where it would have gone anyway.
 * `console.log` ends in `process.stdout.write`, so that is where we listen; around a console method we only note its severity.
 * The streams are opened at their first use: a function that prints nothing pays nothing.
 */
export function captureOutput(onLine: (line: OutputLine) => void): void {
  let severity: number | undefined;
  let inside = false;

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

  for (const name of ['stdout', 'stderr'] as const) {
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
    stream.write = (...args: unknown[]): boolean => {
      // First what must not be lost; and a line that telling of a line would print is not told of again.
      const ok = write(...args);
      if (!inside) {
        inside = true;
        try {
          tell(args[0], name);
        } finally {
          inside = false;
        }
      }
      return ok;
    };
    return stream;
  }

  function tell(chunk: unknown, stream: 'stdout' | 'stderr'): void {
    const text = typeof chunk === 'string' ? chunk : ArrayBuffer.isView(chunk) ? decode(chunk) : '';
    const body = text.replace(/\r?\n$/, '');
    if (body === '') return;
    onLine({ body, stream, severity, fromConsole: severity !== undefined });
  }
}

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

function decode(bytes: ArrayBufferView): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}
