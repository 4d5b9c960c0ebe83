import { readFile, stat } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { Option, type Command } from 'commander';
import {
  EXCEPTION_EVENT,
  HTTP_REQUEST_METHOD,
  HTTP_RESPONSE_STATUS_CODE,
  SERVICE_NAME,
  URL_PATH,
} from '../../function/span/attributes.ts';
import type { SpanData } from '../../function/span/span-data.ts';
import { silentLog } from '../../server/log.ts';
import { untilStopSignal } from '../../server/stop.ts';
import type { CliContext } from '../context.ts';
import { ownFrames } from '../own-frames.ts';
import { terminal } from '../terminal-text.ts';
import { textOf } from '../trace/text-of.ts';
import { collect, collectPairs, verb, wholeNumber, wrongUsage } from './flags.ts';
import { callFunction, type CallFlags } from './fn-test.ts';

interface RunFlags extends CallFlags {
  readonly name?: string;
  readonly code?: string;
  readonly deploy?: string;
  readonly env?: string;
  readonly image?: string;
  readonly entrypoint?: string;
  readonly envVar?: Readonly<Record<string, string>>;
  readonly envFile?: string;
  readonly port?: number;
  readonly fntimeout: number;
  readonly call: boolean;
  readonly once?: boolean;
}

export function registerRun(fn: Command, context: CliContext): void {
  verb(
    fn,
    'run',
    'run one function from its file, without a platform: answers at an address, calls itself after each save, and draws the trace under each call',
    'spoor fn run hello.js\nspoor fn run hello.py --method POST --body \'{"name":"Ada"}\' -H "Content-Type: application/json"',
  )
    .aliases(['run-local', 'runl'])
    .argument('[file]', 'file of the function, or folder')
    .option('--code <file>', 'the same as [file]')
    .option('--deploy <folder>', 'the same as [file], for a folder')
    .option('--name <name>', 'name of the function (default: the name of the file)')
    .option('--entrypoint <name>', 'where the function is: file, or file.function')
    .addOption(new Option('--env <language>', 'node or python (default: by the name of the file)'))
    .addOption(new Option('--image <image>', 'as --env, by the name of an image'))
    .option('--method <method>', 'HTTP method of the call', 'GET')
    .option('-b, --body <text>', 'body of the call; @FILE reads a file')
    .option('-H, --header <header>', 'header of the call, "Name: value"; may be repeated', collect)
    .option('-q, --query <key=value>', 'query parameter of the call; may be repeated', collect)
    .option('--subpath <path>', 'path of the call')
    .option(
      '-e, --env-var <key=value>',
      'environment variable of the function; may be repeated',
      collectPairs,
    )
    .option('--env-file <file>', 'environment variables of the function, KEY=VALUE a line')
    .option('--fntimeout <seconds>', 'longest time of one request', wholeNumber, 60)
    .option('--port <port>', 'where it answers (default: a free one)', wholeNumber)
    .option('--no-call', 'only answer: do not call it after each save')
    .option('--once', 'call it once, draw the trace, and end: with 1 when it failed')
    .option('-w, --watch', 'taken from Fission: it always watches')
    .action((file: string | undefined, flags: RunFlags) => run(context, file, flags));
}

async function run(context: CliContext, argument: string | undefined, flags: RunFlags): Promise<void> {
  const file = argument ?? flags.code ?? flags.deploy;
  if (file === undefined)
    throw wrongUsage('cannot run a function without its code: name its file, `spoor fn run hello.js`');
  const found = await stat(file).catch(() => undefined);
  if (!found) throw wrongUsage(`cannot run ${file}: there is no such file`);
  const { out } = context;
  const { startLocalRun } = await import('./run/local-run.ts');
  const { drawWaterfall } = await import('../trace/waterfall.ts');
  const stopped = untilStopSignal();
  const name =
    flags.name ??
    (basename(file, extname(file))
      .toLowerCase()
      .replaceAll(/[^a-z0-9-]+/g, '-')
      .replaceAll(/^-+|-+$/g, '') ||
      'function');
  let isCalling = false;
  let isCallWanted = false;
  const drawn = Promise.withResolvers<void>();
  let address = '';
  const said = new Set<string>();

  const call = async () => {
    isCallWanted = true;
    // A save while a call runs is called when that is over.
    if (isCalling) return;
    isCalling = true;
    try {
      while (isCallWanted) {
        isCallWanted = false;
        const answer = await callFunction(new URL(address), name, flags);
        if (flags.once === true && answer.status >= 400) process.exitCode = 1;
        out.bytes(new Uint8Array(answer.body));
        if (answer.body.length > 0 && answer.body.at(-1) !== 10) out.print('');
      }
    } catch (error) {
      out.warn((error as Error).message);
    } finally {
      isCalling = false;
    }
  };

  await using running = await startLocalRun({
    file,
    name,
    language: languageOf(file, flags),
    entrypoint: flags.entrypoint ?? '',
    env: Object.entries({ ...(await readEnvFile(flags.envFile)), ...flags.envVar }).map(([key, value]) => ({
      name: key,
      value,
    })),
    port: flags.port ?? 0,
    timeout: flags.fntimeout,
    log: silentLog(),
    onLog: ({ body, resource }) => {
      if (resource[SERVICE_NAME] !== name) return;
      const text = typeof body === 'string' ? body : JSON.stringify(body);
      said.add(text);
      out.remark(`${name}: ${ownFrames(text)}`);
    },
    onTrace: (spans) => {
      out.remark(headline(spans));
      for (const line of drawWaterfall(spans, terminal())) out.print(line);
      // A stack that was logged has been seen.
      for (const stack of exceptionsOf(spans)) if (!said.has(stack)) out.remark(ownFrames(stack));
      said.clear();
      out.print('');
      drawn.resolve();
    },
    onReload: (path) => {
      out.remark(`${basename(path)} changed`);
      if (flags.call) void call();
    },
  });
  address = running.url;
  out.remark(`${name} answers at ${address}; watching ${file}. Ctrl-C ends it`);
  if (flags.call || flags.once === true) await call();
  await (flags.once === true ? Promise.race([drawn.promise, stopped]) : stopped);
}

function languageOf(file: string, flags: RunFlags): 'node' | 'python' {
  const said = (flags.image ?? flags.env ?? '').split('/').at(-1) ?? '';
  if (/^(node|js)/.test(said)) return 'node';
  if (said.startsWith('py')) return 'python';
  if (said !== '') throw wrongUsage(`cannot run ${JSON.stringify(said)} here: only node and python`);
  const extension = extname(file);
  if (['.js', '.mjs', '.cjs', '.ts', '.mts', '.cts'].includes(extension)) return 'node';
  if (extension === '.py') return 'python';
  throw wrongUsage(`cannot tell the language of ${file}: give --env node or --env python`);
}

async function readEnvFile(path: string | undefined): Promise<Record<string, string>> {
  if (path === undefined) return {};
  const text = await readFile(path, 'utf8').catch((error: Error) => {
    throw wrongUsage(`cannot read ${path}: ${error.message}`);
  });
  const pairs: Record<string, string> = {};
  for (const line of text.split('\n')) {
    const [, key, value] = /^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined) pairs[key] = value.replace(/^(["'])(.*)\1$/, '$2');
  }
  return pairs;
}

/** `GET /hello → 200` */
function headline(spans: readonly SpanData[]): string {
  const root = spans.find(({ attributes }) => attributes[URL_PATH] !== undefined);
  const {
    [HTTP_REQUEST_METHOD]: method,
    [URL_PATH]: path,
    [HTTP_RESPONSE_STATUS_CODE]: status,
  } = root?.attributes ?? {};
  return [method, path, '→', status]
    .filter((part) => part !== undefined)
    .map(String)
    .join(' ');
}

function exceptionsOf(spans: readonly SpanData[]): string[] {
  return spans
    .flatMap(({ events }) => events)
    .filter((event) => event.name === EXCEPTION_EVENT)
    .map(({ attributes }) => textOf(attributes['exception.stacktrace'] ?? attributes['exception.message']));
}
