import { Option, type Command } from 'commander';
import {
  brokers,
  collectorFlags,
  collectorSettings,
  dataOf,
  kafkaFlag,
  parsePort,
  readyOption,
  type CollectorFlags,
} from './server-flags.ts';
import { DEFAULT_PORTS, type Settings } from './settings.ts';
import { tailSamplingFlags, tailSamplingOf, type TailSamplingFlags } from './tail-sampling.ts';
import { terminal } from './terminal-text.ts';
import type { Running } from './up.ts';

/** `spoor up` and `spoor demo`: everything on this machine. */
export function register(program: Command): void {
  const startedAt = Date.now();

  serverFlags(program.command('up'))
    .description('run everything on this machine: platform, agent, backend and UI')
    .option('--specdir <dir>', 'apply the specs in this directory at start')
    .addHelpText(
      'after',
      '\nExamples:\n  spoor up\n  spoor up --specdir my-app/specs\n  spoor up --data /var/lib/spoor --router-port 0 -o json',
    )
    .action((flags: ServerFlags & { specdir?: string }) =>
      whileRunning(program, flags, async ({ endpoints }, stopped) => {
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
      whileRunning(program, flags, async ({ endpoints }, stopped, uiBuilt) => {
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
        printNext(await story);
        console.log('\nCtrl-C stops everything; what was traced stays in the data directory.');
        await stopped;
      }),
    );
}

interface ServerFlags extends CollectorFlags, TailSamplingFlags {
  readonly data?: string;
  readonly host: string;
  readonly routerPort: number;
  readonly internalPort: number;
  readonly queryPort: number;
  readonly kafka?: string;
  readonly token?: string;
  readonly output?: string;
}

function serverFlags(command: Command): Command {
  command
    .option('--data <dir>', 'data directory')
    .option('--host <host>', 'address to listen on; anything but loopback wants a token', '127.0.0.1')
    .option('--router-port <port>', 'HTTP triggers (0 picks a free port)', parsePort, DEFAULT_PORTS.router)
    .option(
      '--internal-port <port>',
      'internal calls, topics, control API',
      parsePort,
      DEFAULT_PORTS.internal,
    )
    .option('--query-port <port>', 'query APIs and UI', parsePort, DEFAULT_PORTS.query);
  return kafkaFlag(tailSamplingFlags(collectorFlags(command)))
    .option('--token <token>', 'what callers must send (default: SPOOR_TOKEN)')
    .addOption(readyOption());
}

/** Starts everything, gives it to `use`, and stops it in order when that has ended. */
async function whileRunning(
  program: Command,
  flags: ServerFlags,
  use: (running: Running, stopped: Promise<NodeJS.Signals>, uiBuilt: Promise<void>) => Promise<void>,
): Promise<void> {
  const { up, sayOnStderr } = await import('./up.ts');
  const { untilStopSignal } = await import('../server/stop.ts');
  const { startUiBuild } = await import('./ui-build.ts');
  const stopped = untilStopSignal();
  const ui = startUiBuild(sayOnStderr);
  const running = await up({ settings: settingsOf(program, flags), uiDir: ui.dir, say: sayOnStderr });
  try {
    await use(running, stopped, ui.built);
    sayOnStderr('stopping');
  } finally {
    await ui.cancel();
    await running[Symbol.asyncDispose]();
  }
}

function settingsOf(program: Command, flags: ServerFlags): Settings {
  return {
    data: dataOf(flags, program),
    host: flags.host,
    routerPort: flags.routerPort,
    internalPort: flags.internalPort,
    queryPort: flags.queryPort,
    ...collectorSettings(flags),
    kafka: brokers(flags.kafka),
    tailSampling: tailSamplingOf(flags),
    token: flags.token ?? process.env['SPOOR_TOKEN'],
  };
}

/** Three things to type next, in another terminal. */
function printNext(traceId: string): void {
  // Through npm it was typed in the checkout.
  const command = process.env['npm_lifecycle_event'] === undefined ? 'spoor' : 'cli/spoor';
  const lines = [
    [`${command} why ${traceId}`, 'why that one failed'],
    [`${command} trace list --error`, 'what else failed'],
    [`${command} fn run FILE`, 'your own function (.js, .py), called at each save'],
  ] as const;
  const columns = Math.max(...lines.map(([typed]) => typed.length));
  console.log('\nNext, in another terminal:');
  for (const [typed, what] of lines) console.log(`  ${typed.padEnd(columns)}   ${what}`);
}

function printAddresses(endpoints: { router: string; query: string; otlpHttp: string }): void {
  console.log(
    `\nUI        ${endpoints.query}\nfunctions ${endpoints.router}\nOTLP      ${endpoints.otlpHttp}/v1/traces`,
  );
}
