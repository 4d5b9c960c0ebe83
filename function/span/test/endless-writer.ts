/**
 * Writes spans as fast as it can until it is killed: argv are journal, transport, and a file whose first two u32 say how
 * many spans have been started and how many have ended. They are counted in a mapping, or by a write of their own, after the
 * fact, so what they say has happened is a promise the journal must keep.
 */
import { ftruncateSync, openSync, writeSync } from 'node:fs';
import { mapFile } from '../journal-map.ts';
import { startTracing } from '../tracing.ts';

const [journal, transport, counts] = process.argv.slice(2) as [string, 'map' | 'write', string];
const tracing = startTracing({
  journal,
  transport,
  resource: { 'service.name': 'endless' },
  segmentBytes: 4_194_304,
  segmentCount: 256,
});
if (tracing.failure) throw tracing.failure;
const fd = openSync(counts, 'w+');
ftruncateSync(fd, 4096);
const mapped = mapFile(fd, 4096);
const words = mapped ? new Uint32Array(mapped.buffer) : new Uint32Array(2);
const tell = (index: number, value: number) => {
  Atomics.store(words, index, value);
  if (!mapped) writeSync(fd, words, index, 1, index * 4);
};
const tracer = tracing.tracer();
tracer.startSpan('never ends', { attributes: { 'faas.invocation_id': 'i-1' } });
process.stdout.write('writing\n');
for (let i = 1; ; i++) {
  const span = tracer.startSpan('op', { attributes: { i, text: 'some text of a middling length' } });
  tell(0, i);
  span.setAttribute('late', i);
  span.end();
  tell(1, i);
}
