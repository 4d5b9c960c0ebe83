/**
 * The Node environment: a program that waits, generic and warm, to be specialized with one function.
 *
 *     read settings → start tracing → listen → "listening" on the control pipe → create the journal → (idle) warm up
 *     SIGTERM, SIGINT, control pipe closed → finish what is in flight → exit 0
 */
import { readTracingEnv } from '../../span/tracing-env.ts';
import { registerGlobals, startTracing } from '../../span/tracing.ts';
import { captureChildren } from './capture-children.ts';
import { captureWorkers, whenThreadsAreAskedFor } from './capture-workers.ts';
import { ControlPipe } from './control-pipe.ts';
import { traceKafkaClients } from './kafka-clients.ts';
import { logOutput } from './log-output.ts';
import { offerOpenTelemetryApi } from './offer-api.ts';
import { traceOutgoingCalls } from './outgoing-calls.ts';
import { rehearse } from './rehearse.ts';
import { createEnvironmentServer } from './server.ts';
import { BadSetting, hideOwnSettings, readSettings, type Settings } from './settings.ts';
import { watchDeath } from './watch-death.ts';

const WRONG_USAGE = 2;
const REHEARSAL_DELAY_MS = 50;
/** Loading koffi and node:crypto and mapping the journal takes 5 to 10 ms, which a caller who waits for the first answer need not pay. */
const UPGRADE_DELAY_MS = 50;

try {
  start(readSettings(process.env, process.argv.slice(2)));
} catch (error) {
  if (!(error instanceof BadSetting)) throw error;
  console.error(error.message);
  process.exit(WRONG_USAGE);
}

function start(settings: Settings): void {
  const { warnings, ...wishes } = readTracingEnv(process.env);
  const tracing = startTracing({
    ...wishes,
    journal: settings.journal,
    resource: {},
    // Nothing native before we listen, and no file either.
    transport: 'write',
    opens: 'later',
  });
  for (const warning of warnings) console.error(warning);
  hideOwnSettings(process.env);
  registerGlobals(tracing);

  let rehearsal: NodeJS.Timeout | undefined;
  let rehearsing: Promise<void> | undefined;
  let isAsked = false;
  let upgrade: NodeJS.Timeout | undefined;
  const upgradeLater = () => {
    clearTimeout(upgrade);
    upgrade = setTimeout(() => tracing.upgradeTransport(), UPGRADE_DELAY_MS);
  };
  const environment = createEnvironmentServer({
    settings,
    tracing,
    onLoading: () => {
      isAsked = true;
      clearTimeout(rehearsal);
      return rehearsing;
    },
    onSpecialized: () => {
      upgradeLater();
      traceOutgoingCalls(tracing);
    },
  });
  logOutput(tracing, settings.markOutput);

  let control: ControlPipe | undefined;
  let stopping = false;
  const stop = () => {
    if (stopping) return;
    stopping = true;
    void environment.drain().then(() => process.exit(0));
  };
  const stopForSignal = () => {
    if (!stopping) control?.say({ event: 'draining' });
    stop();
  };
  process.on('SIGTERM', stopForSignal).on('SIGINT', stopForSignal);

  control = settings.controlFd === undefined ? undefined : new ControlPipe(settings.controlFd, stop);
  watchDeath(tracing, environment.open, () => control);

  const { server } = environment;
  server.on('error', (error) => {
    console.error(`cannot listen on ${JSON.stringify(settings.listen)}: ${error.message}`);
    process.exit(1);
  });
  server.listen(
    'socketPath' in settings.listen ? { path: settings.listen.socketPath } : settings.listen,
    () => {
      control?.say({ event: 'listening', pid: process.pid });
      setImmediate(warmUp);
      upgradeLater();
      // An instance that was waited for is asked at once; one of the pool has the time.
      rehearsal = setTimeout(() => {
        rehearsing = rehearse(settings, () => isAsked)
          .catch(() => {})
          .finally(() => (rehearsing = undefined));
      }, REHEARSAL_DELAY_MS);
    },
  );

  /** What the first request or the load of the function would else pay for. */
  function warmUp(): void {
    tracing.open();
    // Tracing is a guest here: the function runs all the same.
    if (tracing.failure) console.error(tracing.failure.message);
    offerOpenTelemetryApi();
    traceKafkaClients(tracing);
    captureChildren();
    const { journal } = settings;
    if (journal !== undefined && tracing.transport !== 'none')
      whenThreadsAreAskedFor(() =>
        captureWorkers(tracing, baseOf(journal, settings.markOutput), import.meta.filename),
      );
    // The first import() of a process takes 4 ms longer than the next.
    const nothing = 'data:text/javascript,';
    void import(nothing);
  }
}

/** What does not change from one thread of the function's to the next. */
function baseOf(journal: string, markOutput: boolean) {
  const otel = Object.entries(process.env).filter(([name]) => name.startsWith('OTEL_'));
  return { journal, markOutput, otel: Object.fromEntries(otel) as Record<string, string> };
}
