/** A backend as a process of its own, to be killed by tests: store and collector over the data directory in argv[2]. */
import { createInterface } from 'node:readline';
import { silentLog } from '../../server/log.ts';
import { openStore } from '../store/open-store.ts';
import { startCollector } from './collector.ts';

const store = await openStore({ dataDir: process.argv[2] as string });
const collector = await startCollector({
  store: store.writer,
  httpPort: 0,
  log: silentLog(),
  limits: { batchWaitMs: 10 },
});
console.log(collector.url);
// A line with a trace id is answered with how many spans of it are kept.
for await (const line of createInterface({ input: process.stdin }))
  console.log((await store.reader.trace(line)).length);
