import { openLog, type Logger } from '../../server/log.ts';
import { untilStopSignal } from '../../server/stop.ts';
import { toFailure } from '../../server/failure.ts';

export interface RunningPart extends AsyncDisposable {
  /** Addresses, told in the ready line. */
  readonly endpoints: Readonly<Record<string, string>>;
}

export interface RunOptions {
  /** Started by the supervisor: stop when it goes away (stdin closes). */
  readonly supervised: boolean;
  readonly json: boolean;
  readonly logLevel: string;
}

/** A part as a whole program: start, say so on stdout, run until told to stop, stop in order, exit. */
export async function runPart(
  name: string,
  options: RunOptions,
  start: (log: Logger) => Promise<RunningPart>,
): Promise<void> {
  const log = openLog(name, { level: options.logLevel });
  // An error that nobody caught must not leave a half-working part behind: say it and die, the supervisor starts a fresh one.
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'uncaught exception');
    process.exit(1);
  });
  const stopped = Promise.race([untilStopSignal(), ...(options.supervised ? [untilParentGone()] : [])]);

  let part: RunningPart;
  try {
    part = await start(log);
  } catch (error) {
    // A person is told in a sentence, whoever reads logs in a record.
    if (process.stderr.isTTY) console.error(`spoor: ${(error as Error).message}`);
    else log.error({ reason: toFailure(error, 'cli').reason }, (error as Error).message);
    process.exit(1);
  }
  const ready = { ready: true, ...part.endpoints, pid: process.pid };
  if (options.json) console.log(JSON.stringify(ready));
  else for (const [what, url] of Object.entries(part.endpoints)) console.log(`${what.padEnd(10)} ${url}`);

  const why = await stopped;
  log.info({ why }, 'stopping');
  try {
    await part[Symbol.asyncDispose]();
  } catch (error) {
    log.error({ err: error }, 'cannot stop cleanly');
    process.exit(1);
  }
  process.exit(0);
}

function untilParentGone(): Promise<'parent gone'> {
  return new Promise((resolve) => {
    process.stdin.on('end', () => resolve('parent gone'));
    process.stdin.on('error', () => resolve('parent gone'));
    process.stdin.resume();
  });
}
