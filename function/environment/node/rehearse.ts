import { startTracing } from '../../span/tracing.ts';
import { createEnvironmentServer } from './server.ts';
import type { Settings } from './settings.ts';

/** A rehearsal that has not come to its end by then is given up. */
const LIMIT_MS = 5_000;

/** As most of Fission's functions come: CommonJS in a file without an extension. */
const FUNCTION = 'module.exports = async (context) => ({ status: 200, body: context.request.path });';

/**
 * Specializes a server of its own with a function of its own and calls it, so that what Node compiles and sets up when it first
 * parses a request, loads a module and answers is done before a real request waits for it (18 ms of a cold start, which then
 * takes 3). Its spans go to a journal of its own, deleted with it. It is warmth, not work: who calls lets go whatever goes wrong.
 * It stops early when `isOver` says so: what a function loads may trace every request of the process, and must not see these.
 */
export async function rehearse(settings: Settings, isOver: () => boolean): Promise<void> {
  const { mkdtempSync, rmSync, writeFileSync } = process.getBuiltinModule('node:fs');
  const path = process.getBuiltinModule('node:path');
  const { connect } = process.getBuiltinModule('node:net');
  const folder = mkdtempSync(path.join(process.getBuiltinModule('node:os').tmpdir(), 'spoor-'));
  const tracing = startTracing({
    journal: path.join(folder, 'journal'),
    resource: {},
    segmentBytes: 64 * 1024,
    segmentCount: 1,
  });
  const { server } = createEnvironmentServer({ settings, tracing, onSpecialized: () => {} });
  try {
    const filepath = path.join(folder, 'user');
    writeFileSync(filepath, FUNCTION);
    const socketPath = path.join(folder, 's');
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen({ path: socketPath }, resolve);
    });
    const ask = async (head: string, body: string) => {
      if (isOver()) return;
      await new Promise<void>((resolve) => {
        const socket = connect({ path: socketPath });
        socket.setTimeout(LIMIT_MS, () => socket.destroy());
        socket.on('error', () => {}).on('close', () => resolve());
        socket.once('data', () => socket.destroy());
        socket.write(`${head} HTTP/1.1\r\nHost: i\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      });
    };
    const load = { filepath, functionName: '', FunctionMetadata: { name: 'rehearsal' }, envVersion: 3 };
    await ask('POST /v2/specialize', JSON.stringify(load));
    await ask('GET /', '');
    await ask('POST /', 'x');
  } finally {
    server.close();
    tracing[Symbol.dispose]();
    rmSync(folder, { recursive: true, force: true });
  }
}
