import { InvalidArgumentError, Option, type Command } from 'commander';
import { Failure } from '../server/failure.ts';
import { parseBytes, parseDays } from './retention.ts';
import { DEFAULT_DATA, DEFAULT_PORTS } from './settings.ts';

/** Flags of what listens: `up`, `demo`, and each part alone. */

export interface PartFlags {
  readonly data?: string;
  readonly host: string;
  readonly output?: string;
  readonly supervised?: boolean;
  readonly logLevel: string;
}

export function partFlags(command: Command): Command {
  return command
    .option('--data <dir>', 'data directory')
    .option('--host <host>', 'address to listen on', '127.0.0.1')
    .option('--log-level <level>', 'debug, info, warn or error', 'info')
    .addOption(new Option('--supervised').hideHelp())
    .addOption(readyOption());
}

/** `-o json` of what stays up. */
export function readyOption(): Option {
  return new Option('-o, --output <format>', 'json: the first line on stdout names every address').choices([
    'json',
  ]);
}

export interface CollectorFlags {
  readonly otlpHttpPort: number;
  readonly otlpGrpcPort?: number;
  readonly jaegerHttpPort?: number;
  readonly jaegerUdpPort?: number;
  readonly zipkinPort?: number;
  readonly samplingPort?: number;
  /** Whole days. */
  readonly retention?: number;
  /** Bytes. */
  readonly maxDisk?: number;
}

/** Where spans come in, and how long they are kept. Those without a default are on the default port only if no other program has it. */
export function collectorFlags(command: Command): Command {
  return command
    .option('--otlp-http-port <port>', 'OTLP over HTTP', parsePort, DEFAULT_PORTS.otlpHttp)
    .option(
      '--otlp-grpc-port <port>',
      `OTLP over gRPC (default: ${DEFAULT_PORTS.otlpGrpc} if free)`,
      parsePort,
    )
    .option(
      '--jaeger-http-port <port>',
      `Jaeger's Thrift over HTTP (default: ${DEFAULT_PORTS.jaegerHttp} if free)`,
      parsePort,
    )
    .option(
      '--jaeger-udp-port <port>',
      `Jaeger's Thrift over UDP (default: ${DEFAULT_PORTS.jaegerUdp} if free)`,
      parsePort,
    )
    .option('--zipkin-port <port>', `Zipkin (default: ${DEFAULT_PORTS.zipkin} if free)`, parsePort)
    .option(
      '--sampling-port <port>',
      `remote sampling strategies (default: ${DEFAULT_PORTS.sampling} if free)`,
      parsePort,
    )
    .option(
      '--retention <days>',
      'keep traces for so many days or weeks, 7d or 2w; then whole days go (default: forever)',
      parseDays,
    )
    .option(
      '--max-disk <size>',
      'keep traces in so much of the disk, 10GB; past it the oldest days go (default: no limit)',
      parseBytes,
    );
}

/** What those flags say, and where to store it. */
export function collectorSettings(flags: CollectorFlags) {
  const { otlpHttpPort, otlpGrpcPort, jaegerHttpPort, jaegerUdpPort, zipkinPort, samplingPort } = flags;
  return {
    otlpHttpPort,
    otlpGrpcPort,
    jaegerHttpPort,
    jaegerUdpPort,
    zipkinPort,
    samplingPort,
    clickhouseUrl: process.env['CLICKHOUSE_URL'],
    keepDays: flags.retention,
    maxDiskBytes: flags.maxDisk,
  };
}

export function kafkaFlag(command: Command): Command {
  return command.option(
    '--kafka <brokers>',
    'host:port,... instead of the embedded log (SASL and TLS: SPOOR_KAFKA_*, docs/triggers.md)',
  );
}

export function brokers(list: string | undefined): string[] {
  const entries = (list ?? '').split(',').filter((entry) => entry !== '');
  for (const entry of entries)
    if (!/^[^:\s]+:\d+$|^\[[^\]]+\]:\d+$/.test(entry))
      throw new Failure(
        'cli',
        'bad_request',
        `cannot read the broker ${JSON.stringify(entry)}: it wants host:port`,
      );
  return entries;
}

export function parsePort(text: string): number {
  const port = Number(text);
  if (text.trim() === '' || !Number.isInteger(port) || port < 0 || port > 65_535)
    throw new InvalidArgumentError('a port is a number from 0 to 65535');
  return port;
}

/** `--data` may stand before or after the verb. */
export function dataOf(flags: { readonly data?: string }, program: Command): string {
  return flags.data ?? namedData(program) ?? DEFAULT_DATA;
}

export function namedData(program: Command): string | undefined {
  return program.opts<{ data?: string }>().data ?? (process.env['SPOOR_DATA'] || undefined);
}
