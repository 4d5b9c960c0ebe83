/**
 * A platform to be killed: `node run-triggers.ts FOLDER URL ROUND`. Produces numbered records of ten keys and runs a trigger
 * whose functions are at URL; prints the number of each record once it is acknowledged.
 */
import { join } from 'node:path';
import { silentLog } from '../../../server/log.ts';
import { openEmbeddedLog } from '../../queue/embedded-log.ts';
import { startTriggers } from '../triggers.ts';
import { recordedTracing } from './recorded-tracing.ts';
import { httpInvoker, mqTrigger, TestCatalog } from './test-platform.ts';

const [folder, url, round] = process.argv.slice(2) as [string, string, string];
const queue = await openEmbeddedLog({ path: join(folder, 'topics.db') });
const catalog = new TestCatalog();
catalog.put(mqTrigger({ maxRetries: 1 }));
await startTriggers({
  catalog,
  queue,
  invoker: httpInvoker(url),
  tracing: recordedTracing().tracing,
  dataDir: folder,
  log: silentLog(),
});

for (let i = 0; i < 400; i += 10) {
  await Promise.all(
    Array.from({ length: 10 }, async (_, key) => {
      const number = Number(round) * 1_000 + i + key;
      await queue.produce('greetings', [
        { key: Buffer.from(`key ${key}`), value: Buffer.from(String(number)), headers: [] },
      ]);
      console.log(number);
    }),
  );
}
