import { Pool, type Dispatcher } from 'undici';
import type { Lease } from '../executor/client.ts';

/** A unix socket of a living process answers at once; past this its queue is full. */
const DIAL_TIMEOUT_MS = 1_000;

/** Kept-alive connections to instances, a pool for each; an instance's go when it dies. */
export class Connections {
  readonly #pools = new Map<string, Pool>();

  to(lease: Lease): Dispatcher {
    const known = this.#pools.get(lease.socketPath);
    if (known) return known;
    const pool = new Pool('http://instance', {
      socketPath: lease.socketPath,
      connectTimeout: DIAL_TIMEOUT_MS,
      pipelining: 1,
      // The router's own timers bound an invocation (exchange.ts).
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: 64 * 1024,
    });
    this.#pools.set(lease.socketPath, pool);
    void this.#dropWhenDead(lease, pool);
    return pool;
  }

  async close(): Promise<void> {
    await Promise.all(Array.from(this.#pools.values(), (pool) => pool.destroy()));
  }

  async #dropWhenDead(lease: Lease, pool: Pool): Promise<void> {
    const { socketPath } = lease;
    await lease.died;
    this.#pools.delete(socketPath);
    // Answers that were complete before the death are still read; then nothing is left to wait for.
    if (!pool.destroyed) await pool.close();
  }
}
