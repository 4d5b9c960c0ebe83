import type { Server as HttpServer } from 'node:http';
import { closeUnusedConnections } from './unused-connections.ts';

/** How often a stopping server looks which connections have become idle. */
const SWEEP_MS = 20;

/**
 * Stops an HTTP server: no new connections, idle and (after `listen`) never used ones closed, those in flight given `graceMs`
 * before they are cut.
 */
export async function closeHttpServer(server: HttpServer, graceMs = 5_000): Promise<void> {
  if (!server.listening) return;
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  const closeIdle = () => {
    server.closeIdleConnections();
    closeUnusedConnections(server);
  };
  closeIdle();
  // Those that have their answer now are idle, and their client may well keep them.
  const sweep = setInterval(closeIdle, SWEEP_MS);
  const cut = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearTimeout(cut);
  clearInterval(sweep);
}

/**
 * Resolves with the signal's name at the first SIGINT or SIGTERM; a second one ends the process at once with 128 + number,
 * for the person who will not wait.
 */
export function untilStopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let asked = false;
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        if (asked) process.exit(signal === 'SIGINT' ? 130 : 143);
        asked = true;
        resolve(signal);
      });
    }
  });
}
