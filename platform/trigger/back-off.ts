import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Milliseconds to wait after the `failures`-th failure (1, 2, …): doubling from `firstMs` up to `maxMs`, the upper half of it
 * by chance, so that what failed together does not come back together.
 */
export function backOffMs(failures: number, firstMs: number, maxMs: number, random = Math.random()): number {
  const ceiling = Math.min(maxMs, firstMs * 2 ** Math.min(failures - 1, 30));
  return Math.round(ceiling * (0.5 + random / 2));
}

/** Rejects at once with the signal's reason when it aborts. */
export async function wait(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await sleep(ms, undefined, { signal });
}
