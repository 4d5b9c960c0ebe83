/** What the environment server was told when it was started: docs/instance.md, and Fission's own knobs. */
export interface Settings {
  readonly listen: { readonly socketPath: string } | { readonly host: string; readonly port: number };
  /** `faas.instance`; empty outside Spoor's executor. */
  readonly instanceId: string;
  /** Path of the journal to create; undefined: tracing is off. */
  readonly journal: string | undefined;
  readonly internalUrl: string | undefined;
  readonly controlFd: number | undefined;
  /** Whether lines that are in the journal are marked for who reads our output (docs/instance.md, "Output"). */
  readonly markOutput: boolean;
  /** What `POST /specialize` (v1) loads. */
  readonly codePath: string;
  /** Whether a missing extension is tried as .mjs before .cjs. */
  readonly preferEsm: boolean;
  readonly bodyLimitBytes: number;
  readonly webSocketPingMs: number;
  /** Fission's fetcher, to be told of the first and the last websocket; undefined: nobody is told. */
  readonly webSocketEventsUrl: string | undefined;
}

/** A setting that cannot be used. The program prints it and exits with 2. */
export class BadSetting extends Error {
  override readonly name = 'BadSetting';
}

const DEFAULT_PORT = 8888;
const DEFAULT_CODE_PATH = '/userfunc/user';
const DEFAULT_BODY_LIMIT = '1mb';
const DEFAULT_PING_MS = 60_000;

/** `args` are those after the program's name: `--port N`, `--codepath PATH`. Throws BadSetting. */
export function readSettings(env: NodeJS.ProcessEnv, args: readonly string[]): Settings {
  const flags = readFlags(args);
  const socketPath = env['SPOOR_SOCKET'];
  const port = wholeNumber('--port', flags.get('port') ?? String(DEFAULT_PORT), 65_535);
  const controlFd = env['SPOOR_CONTROL_FD'];
  return {
    listen: socketPath ? { socketPath } : { host: '0.0.0.0', port },
    instanceId: env['SPOOR_INSTANCE_ID'] ?? '',
    journal: env['SPOOR_JOURNAL'] || undefined,
    internalUrl: httpUrl('SPOOR_INTERNAL_URL', env),
    controlFd: controlFd ? wholeNumber('SPOOR_CONTROL_FD', controlFd, 65_535) : undefined,
    markOutput: env['SPOOR_OUTPUT_MARK'] === '1',
    codePath: flags.get('codepath') ?? DEFAULT_CODE_PATH,
    preferEsm: env['LOAD_ESM'] !== 'false',
    bodyLimitBytes: byteSize('BODY_PARSER_LIMIT', env['BODY_PARSER_LIMIT'] || DEFAULT_BODY_LIMIT),
    webSocketPingMs: wholeNumber('TIMEOUT', env['TIMEOUT'] || String(DEFAULT_PING_MS), 2 ** 31 - 1),
    webSocketEventsUrl: httpUrl('SPOOR_WEBSOCKET_EVENTS_URL', env),
  };
}

/**
 * Takes what concerns this process alone out of the environment, so that a program which the function starts does not
 * write into our journal or speak for us.
 */
export function hideOwnSettings(env: NodeJS.ProcessEnv): void {
  delete env['SPOOR_SOCKET'];
  delete env['SPOOR_JOURNAL'];
  delete env['SPOOR_CONTROL_FD'];
  delete env['SPOOR_OUTPUT_MARK'];
}

function readFlags(args: readonly string[]): Map<string, string> {
  const flags = new Map<string, string>();
  for (let i = 0; i < args.length; i += 1) {
    const arg = args[i] as string;
    const name = /^--(port|codepath)(?:=|$)/.exec(arg)?.[1];
    if (!name) throw new BadSetting(`cannot use the argument [${arg}]: only --port and --codepath are known`);
    const equals = arg.indexOf('=');
    const value = equals < 0 ? args[(i += 1)] : arg.slice(equals + 1);
    if (!value) throw new BadSetting(`cannot use --${name} without a value`);
    flags.set(name, value);
  }
  return flags;
}

function wholeNumber(name: string, text: string, max: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > max)
    throw new BadSetting(`cannot use ${name} [${text}]: it must be a whole number from 0 to ${max}`);
  return value;
}

function httpUrl(name: string, env: NodeJS.ProcessEnv): string | undefined {
  const text = env[name];
  if (!text) return undefined;
  if (!URL.canParse(text) || !/^https?:/.test(text))
    throw new BadSetting(`cannot use ${name} [${text}]: it must be an http URL`);
  return text.replace(/\/+$/, '');
}

const UNITS = { b: 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 } as const;

/** body-parser's way to write a limit: `1mb`, `500kb`, `1000`. */
function byteSize(name: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(b|kb|mb|gb)?$/i.exec(text.trim());
  if (!match) throw new BadSetting(`cannot use ${name} [${text}]: write it as 1mb, 500kb or 1000`);
  const unit = (match[2]?.toLowerCase() ?? 'b') as keyof typeof UNITS;
  return Math.floor(Number(match[1]) * UNITS[unit]);
}
