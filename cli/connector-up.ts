import { makePlaces } from './settings.ts';
import type { RunningPart } from './parts/run.ts';
import { startPart } from './supervisor.ts';
import { howItDied, writeEnds } from './part-ends.ts';

export interface ConnectorUpOptions {
  readonly data: string;
  /** OTLP/HTTP base address that its spans go to. */
  readonly collectorUrl: string;
  readonly logLevel: string;
  /** A JSON log line of one of the two. */
  readonly say: (line: string) => void;
}

/** Under Kubernetes' 30 s together. */
const CONNECTOR_GRACE_MS = 18_000;
const AGENT_GRACE_MS = 8_000;

/**
 * A connector that delivers its own spans: for a pod with one container, as Fission makes them, where no agent is beside it. The two are
 * processes of their own, so the spans of a connector that is killed still arrive, with how it died; it is started again.
 */
export async function connectorUp(options: ConnectorUpOptions): Promise<RunningPart> {
  const { data, collectorUrl, say } = options;
  const places = makePlaces(data);
  await using starting = new AsyncDisposableStack();
  const common = { logDir: places.logs, onLine: (_name: string, line: string) => say(line) };
  const tell = (name: string, pid: number, how: string) =>
    say(JSON.stringify({ level: 'warn', part: name, pid, msg: `${name} ${how}; starting it again` }));

  const agent = await startPart({
    ...common,
    name: 'agent',
    args: () => [
      'agent',
      '--data',
      places.data,
      '--collector',
      collectorUrl,
      '--log-level',
      options.logLevel,
    ],
    onDeath: (death) => tell('agent', death.pid, howItDied(death)),
  });
  // It goes last: the spans of a connector that stops must find it awake.
  starting.defer(() => agent.stop(AGENT_GRACE_MS));
  const connector = await startPart({
    ...common,
    name: 'connector',
    args: () => ['connector', '--data', places.data, '--log-level', options.logLevel],
    onDeath: (death) => {
      tell('connector', death.pid, howItDied(death));
      void writeEnds(places, death);
    },
  });
  starting.defer(() => connector.stop(CONNECTOR_GRACE_MS));
  const started = starting.move();
  return { endpoints: {}, [Symbol.asyncDispose]: () => started.disposeAsync() };
}
