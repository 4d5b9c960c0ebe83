import { Option, type Command } from 'commander';
import {
  brokers,
  collectorFlags,
  collectorSettings,
  dataOf,
  kafkaFlag,
  parsePort,
  partFlags,
  type CollectorFlags,
  type PartFlags,
} from '../server-flags.ts';
import { DEFAULT_PORTS } from '../settings.ts';
import {
  TAIL_SAMPLING_EXAMPLE,
  tailSamplingFlags,
  tailSamplingOf,
  type TailSamplingFlags,
} from '../tail-sampling.ts';

/** One part alone, as `spoor up` starts it and containers do. What it consists of is loaded when it runs. */
export function register(program: Command): void {
  kafkaFlag(
    partFlags(program.command('platform'))
      .description('the platform alone: router, executor, topics, triggers')
      .option('--router-port <port>', 'public listener', parsePort, DEFAULT_PORTS.router)
      .option('--internal-port <port>', 'internal listener', parsePort, DEFAULT_PORTS.internal),
  )
    .addHelpText('after', '\nExample:\n  spoor platform --data /var/lib/spoor --host 127.0.0.1')
    .action(async (flags: PartFlags & { routerPort: number; internalPort: number; kafka?: string }) => {
      const { runPart } = await import('./run.ts');
      const { kafkaOptions } = await import('./kafka-options.ts');
      const { startPlatformPart } = await import('./platform.ts');
      await runPart('platform', runOptions(flags), (log) =>
        startPlatformPart(
          {
            data: dataOf(flags, program),
            host: flags.host,
            routerPort: flags.routerPort,
            internalPort: flags.internalPort,
            kafka: kafkaOptions(brokers(flags.kafka), process.env),
          },
          log,
        ),
      );
    });

  tailSamplingFlags(collectorFlags(partFlags(program.command('backend'))))
    .description('the tracing backend alone: collector, store, query APIs and UI')
    .option('--query-port <port>', 'query APIs and UI', parsePort, DEFAULT_PORTS.query)
    .option('--ui-dir <dir>', 'built UI to serve (default: the one that came along)')
    .addHelpText(
      'after',
      `\nExamples:\n  spoor backend\n  CLICKHOUSE_URL=http://clickhouse:8123 spoor backend --data /var/lib/spoor\n  ${TAIL_SAMPLING_EXAMPLE}`,
    )
    .action(
      async (
        flags: PartFlags & CollectorFlags & TailSamplingFlags & { queryPort: number; uiDir?: string },
      ) => {
        const { runPart } = await import('./run.ts');
        const { startBackendPart } = await import('./backend.ts');
        const { builtUi } = await import('../ui-build.ts');
        await runPart('backend', runOptions(flags), (log) =>
          startBackendPart(
            {
              ...collectorOptions(program, flags),
              queryPort: flags.queryPort,
              uiDir: flags.uiDir ?? builtUi(),
            },
            log,
          ),
        );
      },
    );

  tailSamplingFlags(collectorFlags(partFlags(program.command('collector'))))
    .description(
      'the collector alone: takes spans and log lines in and stores them, in ClickHouse (CLICKHOUSE_URL) or below the data directory',
    )
    .addHelpText('after', '\nExample:\n  CLICKHOUSE_URL=http://clickhouse:8123 spoor collector')
    .action(async (flags: PartFlags & CollectorFlags & TailSamplingFlags) => {
      const { runPart } = await import('./run.ts');
      const { startCollectorPart } = await import('./collector.ts');
      await runPart('collector', runOptions(flags), (log) =>
        startCollectorPart(collectorOptions(program, flags), log),
      );
    });

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
      const { runPart } = await import('./run.ts');
      const { startAgentPart } = await import('./agent.ts');
      const collectorUrl =
        flags.collector ??
        process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] ??
        `http://127.0.0.1:${DEFAULT_PORTS.otlpHttp}`;
      await runPart('agent', runOptions(flags), (log) =>
        startAgentPart(
          {
            data: dataOf(flags, program),
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
    .option(
      '--collector <url>',
      'OTLP/HTTP base address to deliver its spans to (default: OTEL_EXPORTER_OTLP_ENDPOINT; without one they wait in the data directory for an agent)',
    )
    .addHelpText(
      'after',
      '\nVariables: TOPIC, HTTP_ENDPOINT, BOOTSTRAP_SERVERS, CONSUMER_GROUP, and what docs/triggers.md names.\n\nExample:\n  TOPIC=greetings HTTP_ENDPOINT=http://router.fission/fission-function/image \\\n    BOOTSTRAP_SERVERS=kafka:9092 CONSUMER_GROUP=image spoor connector --collector http://spoor:4318',
    )
    .action(async (flags: PartFlags & { collector?: string }) => {
      const { runPart } = await import('./run.ts');
      const { readConnectorOptions } = await import('../../platform/trigger/connector.ts');
      const options = readConnectorOptions(process.env);
      const data = dataOf(flags, program);
      const collectorUrl = flags.collector ?? process.env['OTEL_EXPORTER_OTLP_ENDPOINT'];
      const deliversItself = collectorUrl && flags.supervised !== true;
      await runPart('connector', runOptions(flags), async (log) => {
        if (deliversItself) {
          const { connectorUp } = await import('../connector-up.ts');
          const say = (line: string) => console.error(line);
          return connectorUp({ data, collectorUrl, logLevel: flags.logLevel, say });
        }
        const { startConnectorPart } = await import('./connector.ts');
        return startConnectorPart({ ...options, data }, log);
      });
    });
}

interface AgentFlags {
  readonly collector?: string;
  readonly journals: string[];
  readonly statusPort: number;
  readonly pidNamespace: 'shared' | 'separate';
}

function runOptions(flags: PartFlags) {
  return { supervised: flags.supervised === true, json: flags.output === 'json', logLevel: flags.logLevel };
}

function collectorOptions(program: Command, flags: PartFlags & CollectorFlags & TailSamplingFlags) {
  return {
    data: dataOf(flags, program),
    host: flags.host,
    ...collectorSettings(flags),
    tailSampling: tailSamplingOf(flags),
    token: process.env['SPOOR_TOKEN'],
  };
}
