import { mock } from 'node:test';
import { greeting, greetingLogs } from '../../backend/query/test/greetings.ts';
import { memoryReader } from '../../backend/query/test/memory-reader.ts';
import { startQuery } from '../../backend/query/query.ts';
import type { SpanData } from '../../function/span/span-data.ts';
import { buildUi } from '../../scripts/build-ui.ts';
import { silentLog } from '../../server/log.ts';

/** When the pictures are taken, for the server and the page alike: a Thursday noon. */
export const FIXED_NOW_MS = Date.UTC(2026, 0, 15, 12);

export interface FixedGreetings extends AsyncDisposable {
  readonly url: string;
  readonly traceIdOf: (kind: 'cold' | 'warm' | 'slow' | 'error' | 'crash') => string;
}

/**
 * The query server over the same greetings on every machine and every day, one of each fault in the ten minutes before FIXED_NOW_MS, at
 * which this process's Date stands still meanwhile. Open its pages with `openScreen(browser, { nowMs: FIXED_NOW_MS })`.
 */
export async function startFixed(more: readonly SpanData[] = []): Promise<FixedGreetings> {
  const uiDir = await buildUi();
  const at = (minutesAgo: number) => BigInt(FIXED_NOW_MS - minutesAgo * 60_000) * 1_000_000n;
  const traces = {
    cold: greeting(1, at(9), 'none'),
    warm: greeting(2, at(8), 'warm'),
    slow: greeting(3, at(6), 'slow'),
    error: greeting(4, at(4), 'error'),
    crash: greeting(5, at(2), 'crash'),
  };
  // Others like them, so that "usually" means something.
  const usual = Array.from({ length: 12 }, (_, i) => greeting(100 + i, at(9 - i / 2), 'warm'));
  const spans = [...[...Object.values(traces), ...usual].flat(), ...more];
  mock.timers.enable({ apis: ['Date'], now: FIXED_NOW_MS });
  const server = await startQuery({
    reader: memoryReader(spans, greetingLogs(spans)),
    port: 0,
    uiDir,
    log: silentLog(),
  });
  return {
    url: server.url,
    traceIdOf: (kind) => traces[kind][0]?.traceId ?? '',
    [Symbol.asyncDispose]: async () => {
      mock.timers.reset();
      await server[Symbol.asyncDispose]();
    },
  };
}
