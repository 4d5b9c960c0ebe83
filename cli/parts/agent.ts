import type { Logger } from '../../server/log.ts';
import { start as startAgent } from '../../function/agent/agent.ts';
import { makePlaces } from '../settings.ts';
import type { RunningPart } from './run.ts';

export interface AgentPartOptions {
  readonly data: string;
  readonly collectorUrl: string;
  /** More directories with journals, for an agent that serves other containers. */
  readonly journals: readonly string[];
  readonly statusPort: number;
  /** Whether the pids in journals are those of this agent's own pid namespace. Default: they are. */
  readonly pidNamespace?: 'shared' | 'separate';
  readonly token: string | undefined;
}

/** How long a stopping agent tries to hand over what it has; the rest waits in the spool. */
const DELIVERY_MS = 5_000;

export async function startAgentPart(options: AgentPartOptions, log: Logger): Promise<RunningPart> {
  const places = makePlaces(options.data);
  const agent = await startAgent({
    journalDirs: [places.journals, ...options.journals],
    spoolDir: places.spool,
    collectorUrl: options.collectorUrl,
    headers: options.token === undefined ? {} : { authorization: `Bearer ${options.token}` },
    statusPort: options.statusPort,
    pidNamespace: options.pidNamespace,
    isOwnProcess: true,
    log,
  });
  return {
    endpoints: agent.url === undefined ? {} : { agent: agent.url },
    async [Symbol.asyncDispose]() {
      await agent.drained();
      await agent
        .delivered(AbortSignal.timeout(DELIVERY_MS))
        .catch(() => log.warn('the collector did not take everything: the rest waits in the spool'));
      await agent[Symbol.asyncDispose]();
    },
  };
}
