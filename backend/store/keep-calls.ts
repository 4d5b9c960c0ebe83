import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../../server/log.ts';
import type { Calls } from './calls.ts';

/** Several minutes at a time share the reading of the hour in which their causes may be. */
const EVERY_MS = 5 * 60_000;
const FIRST_AFTER_MS = 30_000;
const MINUTES_A_DAY = 24 * 60;
/** Younger minutes are about to have more spans. */
const REST_MINUTES = 2;

/** Counts the last day's minutes as they come to rest, so that who asks for them finds them counted, until disposed of. */
export function keepCalls(calls: Calls, log: Logger): AsyncDisposable {
  const stop = new AbortController();
  const running = (async () => {
    for (let waitMs = FIRST_AFTER_MS; ; waitMs = EVERY_MS) {
      await sleep(waitMs, undefined, { signal: stop.signal, ref: false }).catch(() => {});
      if (stop.signal.aborted) return;
      const last = Math.floor(Date.now() / 60_000) - REST_MINUTES;
      try {
        await calls.catchUp({ first: last - MINUTES_A_DAY, last });
      } catch (error) {
        if (!stop.signal.aborted)
          log.warn({ error }, 'cannot count calls between services; trying again later');
      }
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  };
}
