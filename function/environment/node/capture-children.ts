import { context as contextApi } from '@opentelemetry/api';
import type { ChildProcess, StdioOptions } from 'node:child_process';
import type { Readable } from 'node:stream';
import { activeInvocation } from './invocation.ts';

/**
 * A program that the function starts, and that inherits our output, writes through a pipe of ours instead, from where its lines
 * go to our output in the context it was started in: so they stand in the trace of the invocation they belong to. The child
 * cannot tell: what it would have inherited is a pipe, too. One that is detached is left alone, as it may outlive us, and so are
 * `spawnSync` and its kin, which have their own way to the output.
 */
export function captureChildren(): void {
  const { ChildProcess: prototypeOwner } = process.getBuiltinModule('node:child_process');
  const prototype = prototypeOwner.prototype as unknown as Spawning;
  const { spawn } = prototype;
  prototype.spawn = function (this: Mutable<ChildProcess>, options) {
    if (options.detached === true || !activeInvocation()) return spawn.call(this, options);
    const stdio = listOf(options.stdio);
    const inherited = ([1, 2] as const).flatMap((fd) => {
      const stream = streamOf(stdio[fd], fd);
      return stream ? [{ fd, stream }] : [];
    });
    if (inherited.length === 0) return spawn.call(this, options);
    for (const { fd } of inherited) stdio[fd] = 'pipe';
    const result = spawn.call(this, { ...options, stdio: stdio as StdioOptions });
    for (const { fd, stream } of inherited) {
      const name = fd === 1 ? 'stdout' : 'stderr';
      const pipe = this[name];
      if (pipe) passOn(pipe, stream);
      // As it is for whoever asked for `inherit`.
      this[name] = null;
      (this.stdio as unknown[])[fd] = null;
    }
    return result;
  };
}

type Stream = 'stdout' | 'stderr';
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

interface Spawning {
  spawn: (this: Mutable<ChildProcess>, options: SpawnOptions) => unknown;
}
interface SpawnOptions {
  readonly stdio?: StdioOptions;
  readonly detached?: boolean;
}

/** https://nodejs.org/api/child_process.html#optionsstdio */
function listOf(stdio: StdioOptions | undefined): unknown[] {
  if (Array.isArray(stdio)) return [...(stdio as unknown[])];
  return Array.from({ length: 3 }, () => stdio ?? 'pipe');
}

function streamOf(given: unknown, fd: 1 | 2): Stream | undefined {
  if (given === 'inherit') return fd === 1 ? 'stdout' : 'stderr';
  if (given === 1 || given === process.stdout) return 'stdout';
  return given === 2 || given === process.stderr ? 'stderr' : undefined;
}

const MAX_LINE = 64 * 1024;

function passOn(pipe: Readable, stream: Stream): void {
  let rest = '';
  const onText = contextApi.bind(contextApi.active(), (text: string) => {
    rest += text;
    const end = rest.length > MAX_LINE ? rest.length : rest.lastIndexOf('\n') + 1;
    const lines = rest.slice(0, end);
    rest = rest.slice(end);
    // One by one: each is a log record.
    for (const line of lines.split(/(?<=\n)/)) if (line) process[stream].write(line);
  });
  const onEnd = contextApi.bind(contextApi.active(), () => {
    if (rest) process[stream].write(rest);
    rest = '';
  });
  pipe.setEncoding('utf8').on('data', onText).once('end', onEnd);
}
