import type { Lease } from '../executor/client.ts';
import { InstanceConnection } from './instance-connection.ts';

/** Idle connections are looked through this often. */
const SWEEP_MS = 5_000;

/** Kept-alive connections to instances; an instance's go when it dies. */
export class Connections {
  readonly #pools = new Map<string, Pool>();
  readonly #sweep = setInterval(() => {
    const now = performance.now();
    for (const pool of this.#pools.values()) pool.dropStale(now);
  }, SWEEP_MS).unref();

  /** An idle connection, or a new one. */
  to(lease: Lease): InstanceConnection {
    const pool = this.#pools.get(lease.socketPath) ?? this.#open(lease.socketPath);
    if (!pool.isWatched) {
      pool.isWatched = true;
      void this.#dropWhenDead(lease);
    }
    return pool.take();
  }

  /** Connects ahead of time, so that the first request need not wait for it. */
  prepare(socketPath: string): void {
    this.#open(socketPath).prepare();
  }

  #open(socketPath: string): Pool {
    const pool = new Pool(socketPath, () => {
      if (!pool.isWatched) this.#pools.delete(socketPath);
    });
    this.#pools.set(socketPath, pool);
    return pool;
  }

  close(): void {
    clearInterval(this.#sweep);
    for (const pool of this.#pools.values()) pool.close();
  }

  async #dropWhenDead(lease: Lease): Promise<void> {
    const { socketPath } = lease;
    await lease.died;
    const pool = this.#pools.get(socketPath);
    this.#pools.delete(socketPath);
    // Those that carry an answer read on to its end: it may have been complete before the death.
    pool?.dropIdle();
  }
}

class Pool {
  /** Who leases it sees it die. */
  isWatched = false;
  readonly #socketPath: string;
  readonly #onEmpty: () => void;
  readonly #all = new Set<InstanceConnection>();
  /** Used last stands last and is used first, so that the surplus grows stale. */
  readonly #idle: InstanceConnection[] = [];

  constructor(socketPath: string, onEmpty: () => void) {
    this.#socketPath = socketPath;
    this.#onEmpty = onEmpty;
  }

  prepare(): void {
    this.#idle.push(this.#connect());
  }

  take(): InstanceConnection {
    const now = performance.now();
    for (let idle = this.#idle.pop(); idle; idle = this.#idle.pop()) {
      if (idle.isUsable(now)) return idle;
      idle.abort();
    }
    return this.#connect();
  }

  #connect(): InstanceConnection {
    const connection = new InstanceConnection(
      this.#socketPath,
      (connection) => this.#idle.push(connection),
      (connection) => this.#gone(connection),
    );
    this.#all.add(connection);
    return connection;
  }

  dropStale(now: number): void {
    for (const connection of this.#idle) if (!connection.isUsable(now)) connection.abort();
  }

  dropIdle(): void {
    for (const connection of this.#idle) connection.abort();
  }

  close(): void {
    for (const connection of this.#all) connection.abort();
  }

  #gone(connection: InstanceConnection): void {
    this.#all.delete(connection);
    const index = this.#idle.indexOf(connection);
    if (index >= 0) this.#idle.splice(index, 1);
    if (this.#all.size === 0) this.#onEmpty();
  }
}
