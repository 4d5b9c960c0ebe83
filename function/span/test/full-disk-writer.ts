/**
 * Traces into a journal on a file system that is full. argv: folder of a small tmpfs, transport. Prints what came of it as
 * JSON; that it lives to print it is the point.
 */
import { readdirSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readJournal } from '../read-journal.ts';
import { startTracing } from '../tracing.ts';

const [folder, transport] = process.argv.slice(2) as [string, 'map' | 'write'];
const journal = join(folder, 'j');
const ballast = join(folder, 'ballast');
const tracing = startTracing({ journal, transport, resource: { 'service.name': 'full' } });
if (tracing.failure) throw tracing.failure;
const tracer = tracing.tracer();
const write = (count: number) => {
  for (let i = 0; i < count; i++) tracer.startSpan('op', { attributes: { text: 't'.repeat(500) } }).end();
};
write(10);
try {
  writeFileSync(ballast, Buffer.alloc(64 * 1024 * 1024));
} catch {
  // as meant: it is full now
}
const ballastBytes = statSync(ballast).size;
write(5000);
const whileFull = { ...tracing.dropped };
unlinkSync(ballast);
write(100);
const { spans, problems } = readJournal(journal);
console.log(
  JSON.stringify({
    ballastBytes,
    transport: tracing.transport,
    whileFull: whileFull.spans,
    dropped: tracing.dropped.spans,
    spans: spans.length,
    problems,
    files: readdirSync(folder),
  }),
);
