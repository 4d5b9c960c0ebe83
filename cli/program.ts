import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { Failure, toFailure } from '../server/failure.ts';
import { createCliContext } from './context.ts';
import { parseBytes, parseDays } from './retention.ts';
import { DEFAULT_DATA, DEFAULT_PORTS, nearestData, type Settings } from './settings.ts';
import { terminal } from './terminal-text.ts';
import { outputOption, verb } from './verbs/flags.ts';
import { registerVerbs } from './verbs/register.ts';
import type { Running } from './up.ts';
import * as traceVerbs from './trace/verbs.ts';
import * as flowVerb from './flow.ts';
import * as mcpVerb from './mcp/verb.ts';
import * as whyVerb from './why.ts';
import {
  TAIL_SAMPLING_EXAMPLE,
  tailSamplingFlags,
  tailSamplingOf,
  type TailSamplingFlags,
} from './tail-sampling.ts';

/**
 * The one command. Exit codes: 0 done, 1 failed, 2 wrong usage. What takes long to load (the parts themselves) is imported by
 * the verb that needs it, so that `spoor fn list` answers at once.
 */
const startedAt = Date.now();

// `spoor trace list | head`: who reads us has enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

const program = new Command('spoor')
  .description(
    'Distributed tracing for functions: run them, follow every request through HTTP and Kafka, see why one failed or was slow.',
  )
  .version('0.1.0', '-V, --version')
  .option(
    '--server <url>',
    'internal address of the platform (default: SPOOR_SERVER, else what runs in the data directory)',
  )
  .option('--data <dir>', 'data directory (default: SPOOR_DATA, else ./.spoor, or a running one above)')
  .enablePositionalOptions()
  .showHelpAfterError('(see --help)')
  .exitOverride();

const context = createCliContext(
  () => ({ ...program.opts<{ server?: string }>(), data: namedData() ?? nearestData('.') }),
  {
    drawTrace: async (traceId) => traceVerbs.drawTrace(await context.queryUrl(), traceId, { settle: true }),
    explain: async (traceId) => whyVerb.explainWhenSettled(await context.queryUrl(), traceId),
  },
);

const KAFKA_HELP =
  'host:port,... instead of the embedded log (SASL and TLS: SPOOR_KAFKA_*, docs/triggers.md)';

/** What the collector receives besides OTLP over HTTP: on the default port only if no other program has it. */
const EXTRA_PORTS = {
  otlpGrpc: `OTLP over gRPC (default: ${DEFAULT_PORTS.otlpGrpc} if free)`,
  jaegerHttp: `Jaeger's Thrift over HTTP (default: ${DEFAULT_PORTS.jaegerHttp} if free)`,
  jaegerUdp: `Jaeger's Thrift over UDP (default: ${DEFAULT_PORTS.jaegerUdp} if free)`,
  zipkin: `Zipkin (default: ${DEFAULT_PORTS.zipkin} if free)`,
  sampling: `remote sampling strategies (default: ${DEFAULT_PORTS.sampling} if free)`,
} as const;

const RETENTION = {
  retention: 'keep traces for so many days or weeks, 7d or 2w; then whole days go (default: forever)',
  maxDisk: 'keep traces in so much of the disk, 10GB; past it the oldest days go (default: no limit)',
} as const;

serverFlags(program.command('up'))
  .description('run everything on this machine: platform, agent, backend and UI')
  .option('--specdir <dir>', 'apply the specs in this directory at start')
  .addHelpText('after', '\nExamples:\n  spoor up\n  spoor up --data /var/lib/spoor --router-port 0 -o json')
  .action((flags: ServerFlags & { specdir?: string }) =>
    whileRunning(flags, async ({ endpoints }, stopped) => {
      if (flags.specdir !== undefined) {
        const { applyDirectory } = await import('./verbs/spec.ts');
        await applyDirectory(endpoints.internal, flags.specdir, { wait: true });
      }
      if (flags.output === 'json') console.log(JSON.stringify({ ready: true, ...endpoints }));
      else printAddresses(endpoints);
      await stopped;
    }),
  );

serverFlags(program.command('demo'))
  .description('run everything, deploy Greetings as a Service, call it, and draw its trace')
  .addOption(
    new Option('--fault <kind>', 'send only a greeting with this fault').choices([
      'slow',
      'error',
      'crash',
      'timeout',
    ]),
  )
  .option('--once', 'stop after the traces are drawn')
  .addHelpText('after', '\nExamples:\n  spoor demo\n  spoor demo --fault crash --once')
  .action((flags: ServerFlags & { fault?: 'slow' | 'error' | 'crash' | 'timeout'; once?: boolean }) =>
    whileRunning(flags, async ({ endpoints }, stopped, uiBuilt) => {
      const { demo } = await import('./demo.ts');
      const story = demo({
        endpoints,
        fault: flags.fault,
        ...terminal(),
        startedAt,
        print: (line) => console.log(line),
      });
      const interrupted = (await Promise.race([story.then(() => undefined), stopped])) !== undefined;
      if (interrupted || flags.once === true) return;
      await uiBuilt;
      printAddresses(endpoints);
      console.log('\nCtrl-C stops everything; what was traced stays in the data directory.');
      await stopped;
    }),
  );

partFlags(program.command('platform'))
  .description('the platform alone: router, executor, topics, triggers')
  .option('--router-port <port>', 'public listener', parsePort, DEFAULT_PORTS.router)
  .option('--internal-port <port>', 'internal listener', parsePort, DEFAULT_PORTS.internal)
  .option('--kafka <brokers>', KAFKA_HELP)
  .addHelpText('after', '\nExample:\n  spoor platform --data /var/lib/spoor --host 127.0.0.1')
  .action(async (flags: PartFlags & { routerPort: number; internalPort: number; kafka?: string }) => {
    const { runPart } = await import('./parts/run.ts');
    const { kafkaOptions } = await import('./parts/kafka-options.ts');
    const { startPlatformPart } = await import('./parts/platform.ts');
    await runPart('platform', runOptions(flags), (log) =>
      startPlatformPart(
        {
          data: data(),
          host: flags.host,
          routerPort: flags.routerPort,
          internalPort: flags.internalPort,
          kafka: kafkaOptions(brokers(flags.kafka), process.env),
        },
        log,
      ),
    );
  });

tailSamplingFlags(partFlags(program.command('backend')))
  .description('the tracing backend alone: collector, store, query APIs and UI')
  .option('--query-port <port>', 'query APIs and UI', parsePort, DEFAULT_PORTS.query)
  .option('--otlp-http-port <port>', 'OTLP over HTTP', parsePort, DEFAULT_PORTS.otlpHttp)
  .option('--otlp-grpc-port <port>', EXTRA_PORTS.otlpGrpc, parsePort)
  .option('--jaeger-http-port <port>', EXTRA_PORTS.jaegerHttp, parsePort)
  .option('--jaeger-udp-port <port>', EXTRA_PORTS.jaegerUdp, parsePort)
  .option('--zipkin-port <port>', EXTRA_PORTS.zipkin, parsePort)
  .option('--sampling-port <port>', EXTRA_PORTS.sampling, parsePort)
  .option('--retention <days>', RETENTION.retention, parseDays)
  .option('--max-disk <size>', RETENTION.maxDisk, parseBytes)
  .option('--ui-dir <dir>', 'built UI to serve (default: the one that came along)')
  .addHelpText(
    'after',
    `\nExamples:\n  spoor backend\n  CLICKHOUSE_URL=http://clickhouse:8123 spoor backend --data /var/lib/spoor\n  ${TAIL_SAMPLING_EXAMPLE}`,
  )
  .action(
    async (
      flags: PartFlags &
        ExtraPortFlags &
        RetentionFlags &
        TailSamplingFlags & { queryPort: number; otlpHttpPort: number; uiDir?: string },
    ) => {
      const { runPart } = await import('./parts/run.ts');
      const { startBackendPart } = await import('./parts/backend.ts');
      const { builtUi } = await import('./ui-build.ts');
      await runPart('backend', runOptions(flags), (log) =>
        startBackendPart(
          {
            data: data(),
            host: flags.host,
            queryPort: flags.queryPort,
            otlpHttpPort: flags.otlpHttpPort,
            ...extraPortsOf(flags),
            clickhouseUrl: process.env['CLICKHOUSE_URL'],
            keepDays: flags.retention,
            maxDiskBytes: flags.maxDisk,
            tailSampling: tailSamplingOf(flags),
            uiDir: flags.uiDir ?? builtUi(),
            token: process.env['SPOOR_TOKEN'],
          },
          log,
        ),
      );
    },
  );

partFlags(program.command('agent'))
  .description('the agent alone: drains journals and ships them as OTLP')
  .option(
    '--collector <url>',
    'OTLP/HTTP base address (default: OTEL_EXPORTER_OTLP_ENDPOINT, else http://127.0.0.1:4318)',
  )
  .option(
    '--journals <dir>',
    'a directory with journals, besides the data directory’s own; may be repeated',
    (dir: string, dirs: string[]) => [...dirs, dir],
    [],
  )
  .option('--status-port <port>', 'status and metrics over HTTP', parsePort, 0)
  .addOption(
    new Option(
      '--pid-namespace <kind>',
      'separate: the instances run where their pids mean nothing here, as in another container; their end files, or a long silence, tell of their deaths',
    )
      .choices(['shared', 'separate'])
      .default('shared'),
  )
  .addHelpText('after', '\nExample:\n  spoor agent --journals /journals --collector http://collector:4318')
  .action(async (flags: PartFlags & AgentFlags) => {
    const { runPart } = await import('./parts/run.ts');
    const { startAgentPart } = await import('./parts/agent.ts');
    const collectorUrl =
      flags.collector ??
      process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] ??
      `http://127.0.0.1:${DEFAULT_PORTS.otlpHttp}`;
    await runPart('agent', runOptions(flags), (log) =>
      startAgentPart(
        {
          data: data(),
          collectorUrl,
          journals: flags.journals,
          statusPort: flags.statusPort,
          pidNamespace: flags.pidNamespace,
          token: process.env['SPOOR_TOKEN'],
        },
        log,
      ),
    );
  });

partFlags(program.command('connector'))
  .description(
    "one Kafka trigger alone, in place of Fission's KEDA connector and set up by the same variables",
  )
  .addHelpText(
    'after',
    '\nVariables: TOPIC, HTTP_ENDPOINT, BOOTSTRAP_SERVERS, CONSUMER_GROUP, and what docs/triggers.md names.\n\nExample:\n  TOPIC=greetings HTTP_ENDPOINT=http://router.fission/fission-function/image \\\n    BOOTSTRAP_SERVERS=kafka:9092 CONSUMER_GROUP=image spoor connector',
  )
  .action(async (flags: PartFlags) => {
    const { runPart } = await import('./parts/run.ts');
    const { readConnectorOptions } = await import('../platform/trigger/connector.ts');
    const { startConnectorPart } = await import('./parts/connector.ts');
    const options = readConnectorOptions(process.env);
    await runPart('connector', runOptions(flags), (log) =>
      startConnectorPart({ ...options, data: data() }, log),
    );
  });

verb(
  program,
  'doctor',
  'what is installed, what is missing, which ports are taken, and how to mend it',
  'spoor doctor',
)
  .addOption(outputOption(['json', 'yaml']))
  .action(async (flags: { output?: string }) => {
    const { examine } = await import('./doctor.ts');
    const findings = await examine({ data: namedData() ?? nearestData('.') });
    context.out.list(
      findings,
      [
        { title: 'WHAT', key: 'what' },
        { title: 'STATE', key: 'state' },
        { title: 'DETAIL', key: 'detail' },
        { title: 'ADVICE', key: 'advice' },
      ],
      flags.output,
    );
    if (findings.some((finding) => finding.state === 'missing')) process.exitCode = 1;
  });

registerVerbs(program, context);
traceVerbs.register(program, context);
whyVerb.register(program, context);
flowVerb.register(program, context);
mcpVerb.register(program, context);

try {
  await program.parseAsync(process.argv);
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has printed what was wrong; help and version are not errors.
    process.exitCode = error.exitCode === 0 ? 0 : 2;
  } else {
    const failure = toFailure(error, 'cli');
    console.error(`spoor: ${failure.message}`);
    if (failure.reason === 'internal' && process.env['SPOOR_DEBUG'] !== undefined) console.error(error);
    process.exitCode = failure.component === 'cli' && failure.reason === 'bad_request' ? 2 : 1;
  }
}

interface PartFlags {
  readonly host: string;
  readonly output?: string;
  readonly supervised?: boolean;
  readonly logLevel: string;
}

interface AgentFlags {
  readonly collector?: string;
  readonly journals: string[];
  readonly statusPort: number;
  readonly pidNamespace: 'shared' | 'separate';
}

interface ExtraPortFlags {
  readonly otlpGrpcPort?: number;
  readonly jaegerHttpPort?: number;
  readonly jaegerUdpPort?: number;
  readonly zipkinPort?: number;
  readonly samplingPort?: number;
}

interface RetentionFlags {
  readonly retention?: number;
  readonly maxDisk?: number;
}

interface ServerFlags extends ExtraPortFlags, RetentionFlags, TailSamplingFlags {
  readonly host: string;
  readonly routerPort: number;
  readonly internalPort: number;
  readonly queryPort: number;
  readonly otlpHttpPort: number;
  readonly kafka?: string;
  readonly token?: string;
  readonly output?: string;
}

/** Starts everything, gives it to `use`, and stops it in order when that has ended. */
async function whileRunning(
  flags: ServerFlags,
  use: (running: Running, stopped: Promise<NodeJS.Signals>, uiBuilt: Promise<void>) => Promise<void>,
): Promise<void> {
  const { up, sayOnStderr } = await import('./up.ts');
  const { untilStopSignal } = await import('../server/stop.ts');
  const { startUiBuild } = await import('./ui-build.ts');
  const stopped = untilStopSignal();
  const ui = startUiBuild(sayOnStderr);
  const running = await up({ settings: settingsOf(flags), uiDir: ui.dir, say: sayOnStderr });
  try {
    await use(running, stopped, ui.built);
    sayOnStderr('stopping');
  } finally {
    await ui.cancel();
    await running[Symbol.asyncDispose]();
  }
}

function serverFlags(command: Command): Command {
  return tailSamplingFlags(command)
    .option('--data <dir>', 'data directory')
    .option('--host <host>', 'address to listen on; anything but loopback wants a token', '127.0.0.1')
    .option('--router-port <port>', 'HTTP triggers (0 picks a free port)', parsePort, DEFAULT_PORTS.router)
    .option(
      '--internal-port <port>',
      'internal calls, topics, control API',
      parsePort,
      DEFAULT_PORTS.internal,
    )
    .option('--query-port <port>', 'query APIs and UI', parsePort, DEFAULT_PORTS.query)
    .option('--otlp-http-port <port>', 'OTLP over HTTP', parsePort, DEFAULT_PORTS.otlpHttp)
    .option('--otlp-grpc-port <port>', EXTRA_PORTS.otlpGrpc, parsePort)
    .option('--jaeger-http-port <port>', EXTRA_PORTS.jaegerHttp, parsePort)
    .option('--jaeger-udp-port <port>', EXTRA_PORTS.jaegerUdp, parsePort)
    .option('--zipkin-port <port>', EXTRA_PORTS.zipkin, parsePort)
    .option('--sampling-port <port>', EXTRA_PORTS.sampling, parsePort)
    .option('--retention <days>', RETENTION.retention, parseDays)
    .option('--max-disk <size>', RETENTION.maxDisk, parseBytes)
    .option('--kafka <brokers>', KAFKA_HELP)
    .option('--token <token>', 'what callers must send (default: SPOOR_TOKEN)')
    .addOption(
      new Option('-o, --output <format>', 'json: the first line on stdout names every address').choices([
        'json',
      ]),
    );
}

function partFlags(command: Command): Command {
  return command
    .option('--data <dir>', 'data directory')
    .option('--host <host>', 'address to listen on', '127.0.0.1')
    .option('--log-level <level>', 'debug, info, warn or error', 'info')
    .addOption(new Option('--supervised').hideHelp())
    .addOption(
      new Option('-o, --output <format>', 'json: the first line on stdout names every address').choices([
        'json',
      ]),
    );
}

function extraPortsOf(flags: ExtraPortFlags) {
  const { otlpGrpcPort, jaegerHttpPort, jaegerUdpPort, zipkinPort, samplingPort } = flags;
  return { otlpGrpcPort, jaegerHttpPort, jaegerUdpPort, zipkinPort, samplingPort };
}

function runOptions(flags: PartFlags) {
  return { supervised: flags.supervised === true, json: flags.output === 'json', logLevel: flags.logLevel };
}

function settingsOf(flags: ServerFlags): Settings {
  return {
    data: data(),
    host: flags.host,
    routerPort: flags.routerPort,
    internalPort: flags.internalPort,
    queryPort: flags.queryPort,
    otlpHttpPort: flags.otlpHttpPort,
    ...extraPortsOf(flags),
    kafka: brokers(flags.kafka),
    clickhouseUrl: process.env['CLICKHOUSE_URL'],
    keepDays: flags.retention,
    maxDiskBytes: flags.maxDisk,
    tailSampling: tailSamplingOf(flags),
    token: flags.token ?? process.env['SPOOR_TOKEN'],
  };
}

/** `--data` may stand before or after the verb. */
function data(): string {
  const command = program.commands.find((each) => program.args[0] === each.name());
  return command?.opts<{ data?: string }>().data ?? namedData() ?? DEFAULT_DATA;
}

function namedData(): string | undefined {
  return program.opts<{ data?: string }>().data ?? (process.env['SPOOR_DATA'] || undefined);
}

function brokers(list: string | undefined): string[] {
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

function parsePort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new InvalidArgumentError('a port is a number from 0 to 65535');
  return port;
}

function printAddresses(endpoints: { router: string; query: string; otlpHttp: string }): void {
  console.log(
    `\nUI        ${endpoints.query}\nfunctions ${endpoints.router}\nOTLP      ${endpoints.otlpHttp}/v1/traces`,
  );
}
