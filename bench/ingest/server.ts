/** Store and collector as a process of their own for the benches: `server.ts DATA_DIR`. A line on stdin asks for a report. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { startCollector } from '../../backend/collector/collector.ts';
import type { ChdbEngine } from '../../backend/store/chdb-engine.ts';
import { openStore } from '../../backend/store/open-store.ts';
import { openLog } from '../../server/log.ts';

const log = openLog('bench', { level: 'warn' });
const store = await openStore({ dataDir: process.argv[2] as string, log });
const collector = await startCollector({ store: store.writer, httpPort: 0, grpcPort: 0, log });
const delay = monitorEventLoopDelay({ resolution: 5 });
delay.enable();
const engine = store.engine as ChdbEngine;
say({ http: collector.url, grpc: collector.grpcUrl, engine: engine.pid });
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'report')
    say({ p50: delay.percentile(50) / 1e6, p99: delay.percentile(99) / 1e6, max: delay.max / 1e6 });
  if (line === 'rows') say({ rows: Number((await engine.rows('SELECT count() FROM spans'))[0]?.[0]) });
  delay.reset();
}
await collector[Symbol.asyncDispose]();
await store[Symbol.asyncDispose]();

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
