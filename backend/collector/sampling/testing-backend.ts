/** A backend that samples, as a process of its own, to be killed by tests: over the data directory in argv[2]. */
import { silentLog } from '../../../server/log.ts';
import { openStore } from '../../store/open-store.ts';
import { startCollector } from '../collector.ts';
import { startTailSampling } from './tail-sampler.ts';
import { KILLED_SAMPLING } from './testing-policies.ts';

const store = await openStore({ dataDir: process.argv[2] as string, tailSampling: true });
startTailSampling({ store: store.sampling, policies: KILLED_SAMPLING, log: silentLog() });
const collector = await startCollector({
  store: store.writer,
  httpPort: 0,
  log: silentLog(),
  limits: { batchWaitMs: 10 },
});
console.log(collector.url);
