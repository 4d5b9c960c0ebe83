import {
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  watch,
  writeFileSync,
  type FSWatcher,
} from 'node:fs';
import type { Server } from 'node:http';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { Failure } from '../../server/failure.ts';
import { listen } from '../../server/listen.ts';
import { silentLog, type Logger } from '../../server/log.ts';
import { closeHttpServer } from '../../server/stop.ts';
import { MAX_SEGMENT_BYTES } from '../span/journal-format.ts';
import { Chunk } from './attribute-writer.ts';
import { Background } from './background.ts';
import { CollectorClient } from './collector-client.ts';
import { endFileOf, endFilesOf, Instance } from './instance.ts';
import { JournalReader } from './journal-reader.ts';
import { OtlpBatch } from './otlp-batch.ts';
import { isAlive, ownStartTicks } from './process-state.ts';
import { Shipper } from './shipper.ts';
import { Spool } from './spool.ts';
import { createStatusServer, type AgentStatus } from './status.ts';

const DEFAULT_MAX_SPOOL_BYTES = 1024 * 1024 * 1024;
/** Journals are polled this often while spans come, and a quarter as often once they are quiet (see also instance.ts). */
const DEFAULT_POLL_MS = 10;
const QUIET_AFTER_MS = 1_000;
/** Folders are listed when something in them changes, and this often in any case. */
const SCAN_MS = 250;
/** A pass that read this much goes on at once. */
const BUSY_BYTES = 64 * 1024;
/** An instance that says nothing of its process and is silent for this long is dead. */
const DEFAULT_ABANDONED_MS = 24 * 60 * 60 * 1000;
/** An end file whose journal never came is removed after this long. */
const ORPHAN_MS = 60_000;
/** How long stopping waits for the collector to take what is in the spool. */
const DEFAULT_STOP_MS = 3_000;
const DISK_RETRY_MS = 200;

export interface AgentOptions {
  /** Folders of journals (docs/journal.md). */
  readonly journalDirs: readonly string[];
  /** Where spans wait for the collector; one agent a folder. */
  readonly spoolDir: string;
  /** Base URL of OTLP/HTTP; `/v1/traces` and `/v1/logs` are added. */
  readonly collectorUrl: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default 1 GiB. When it is full the oldest spans are dropped and counted. */
  readonly maxSpoolBytes?: number;
  readonly pollIntervalMs?: number;
  readonly log?: Logger;
  /** Serves /status, /metrics and /healthz on loopback; 0 picks a free port; undefined: none. */
  readonly statusPort?: number | undefined;
  /** Default: not to a collector on loopback. */
  readonly gzip?: boolean | undefined;
  /**
   * `separate`: pids in journals mean nothing here (another container, no shared pid namespace), so a death is known by its end file
   * or by long silence.
   */
  readonly pidNamespace?: 'shared' | 'separate';
  readonly abandonedAfterMs?: number;
  /** This process does nothing else: its priority may be lowered for as long as the journals have room (background.ts). */
  readonly isOwnProcess?: boolean;
  /** How long a stop tries to deliver; the rest stays in the spool. Default 3 s. */
  readonly stopTimeoutMs?: number;
}

export interface Agent extends AsyncDisposable {
  /** Of the status server. */
  readonly url: string | undefined;
  status(): AgentStatus;
  /** Resolves when everything that was in the journals at the call is in the spool. */
  drained(): Promise<void>;
  /** Resolves when the collector has taken everything in the spool; rejects with the signal's reason. */
  delivered(signal: AbortSignal): Promise<void>;
}

/** Starts draining journals into the spool, and shipping the spool. */
export async function start(options: AgentOptions): Promise<Agent> {
  const agent = new RunningAgent(options);
  await agent.listen();
  return agent;
}

class RunningAgent implements Agent {
  url: string | undefined;

  readonly #options: AgentOptions;
  readonly #log: Logger;
  readonly #spool: Spool;
  readonly #client: CollectorClient;
  readonly #shipper: Shipper;
  readonly #batch: OtlpBatch;
  readonly #background: Background | undefined;
  readonly #chunk = new Chunk(MAX_SEGMENT_BYTES);
  readonly #lockPath: string;
  readonly #watchers: FSWatcher[] = [];
  readonly #instances = new Map<string, Instance>();
  readonly #endFiles = new Set<string>();
  readonly #unreadable = new Map<string, string>();
  /** What must happen once the spool has what was drained: only left over while the disk refuses. */
  #commits: (() => void)[] = [];
  /** Of instances that are gone. */
  readonly #gone = {
    journalDropped: { spans: 0, logs: 0 },
    damaged: 0,
    overflowed: 0,
    unfinished: 0,
  };
  #statusServer: Server | undefined;
  #scannedAt = 0;
  #isScanDue = true;
  #readAt = 0;
  #isStopping = false;
  #wake: (() => void) | undefined;
  #drainWaiters: (() => void)[] = [];
  readonly #running: Promise<void>;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#log = options.log ?? silentLog();
    this.#client = new CollectorClient({
      url: options.collectorUrl,
      headers: options.headers ?? {},
      gzip: options.gzip,
    });
    mkdirSync(options.spoolDir, { recursive: true });
    this.#lockPath = join(options.spoolDir, 'agent.pid');
    takeLock(this.#lockPath, options.spoolDir);
    this.#spool = new Spool(options.spoolDir, options.maxSpoolBytes ?? DEFAULT_MAX_SPOOL_BYTES, this.#log);
    this.#shipper = new Shipper(this.#spool, this.#client, join(options.spoolDir, 'rejected'), this.#log);
    this.#batch = new OtlpBatch((frame, kind, items) => this.#spool.append(frame, kind, items));
    this.#background = options.isOwnProcess === true ? new Background(this.#log) : undefined;
    for (const dir of options.journalDirs) {
      mkdirSync(dir, { recursive: true });
      this.#watch(dir);
    }
    this.#running = this.#run();
  }

  async listen(): Promise<void> {
    if (this.#options.statusPort === undefined) return;
    this.#statusServer = createStatusServer(() => this.status());
    try {
      this.url = (await listen(this.#statusServer, { port: this.#options.statusPort }, 'agent')).url;
    } catch (error) {
      this.#statusServer = undefined;
      await this[Symbol.asyncDispose]();
      throw error;
    }
  }

  status(): AgentStatus {
    const journalDropped = { ...this.#gone.journalDropped };
    let { damaged, overflowed } = this.#gone;
    let openSpans = 0;
    let deadInstances = 0;
    for (const instance of this.#instances.values()) {
      const { transcoder } = instance;
      openSpans += transcoder.open.size;
      deadInstances += instance.isDead ? 1 : 0;
      journalDropped.spans += transcoder.droppedSpans;
      journalDropped.logs += transcoder.droppedLogs;
      damaged += transcoder.damaged + instance.damagedSegments;
      overflowed += transcoder.overflowed;
    }
    return {
      journals: this.#instances.size,
      deadInstances,
      unreadable: Object.fromEntries(this.#unreadable),
      openSpans,
      unfinishedSpans: this.#gone.unfinished,
      spooled: { ...this.#spool.appended },
      waiting: { ...this.#spool.waiting },
      waitingBytes: this.#spool.bytes,
      acknowledged: { ...this.#shipper.acknowledged },
      rejected: { ...this.#shipper.rejected },
      dropped: { ...this.#spool.dropped },
      journalDropped,
      damagedRecords: damaged,
      overflowedSpans: overflowed,
      isDiskFull: this.#spool.isHolding,
      collector: this.#shipper.collector,
    };
  }

  drained(): Promise<void> {
    if (this.#isStopping) return this.#running;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#drainWaiters.push(resolve);
    this.#isScanDue = true;
    this.#wake?.();
    return promise;
  }

  async delivered(signal: AbortSignal): Promise<void> {
    while (!this.#spool.isEmpty) {
      signal.throwIfAborted();
      this.#shipper.hurry();
      await sleepMs(5);
    }
  }

  /** Drains what is in the journals, tries to deliver it for a while, and leaves the rest in the spool. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isStopping) return this.#running;
    this.#background?.[Symbol.dispose]();
    const stopMs = this.#options.stopTimeoutMs ?? DEFAULT_STOP_MS;
    await Promise.race([this.drained(), sleepMs(stopMs)]); // a full disk must not keep us
    this.#isStopping = true;
    this.#wake?.();
    await this.#running;
    await this.delivered(AbortSignal.timeout(stopMs)).catch(() => undefined);
    for (const watcher of this.#watchers) watcher.close();
    if (this.#statusServer !== undefined) await closeHttpServer(this.#statusServer, 500);
    await this.#shipper.stop();
    this.#client.close();
    for (const instance of this.#instances.values()) instance.close();
    this.#spool.close();
    rmSync(this.#lockPath, { force: true });
  }

  async #run(): Promise<void> {
    const pollMs = this.#options.pollIntervalMs ?? DEFAULT_POLL_MS;
    while (!this.#isStopping) {
      const waiters = this.#drainWaiters;
      this.#drainWaiters = [];
      const isStuck = !this.#spool.retryHeld();
      const bytes = isStuck ? 0 : this.#pass(waiters.length > 0);
      if (bytes === 0 && !this.#spool.isHolding && !this.#isUnsettled)
        for (const resolve of waiters) resolve();
      else this.#drainWaiters.unshift(...waiters);
      if (!this.#spool.isEmpty) this.#shipper.wake();
      if (bytes >= BUSY_BYTES || this.#drainWaiters.length > 0) {
        if (isStuck) await this.#pause(DISK_RETRY_MS);
        else if (bytes === 0 && this.#isUnsettled) await this.#pause(1);
        else await setImmediate();
        continue;
      }
      const isQuiet = Date.now() - this.#readAt > QUIET_AFTER_MS;
      await this.#pause(isStuck ? DISK_RETRY_MS : isQuiet ? pollMs * 4 : pollMs);
    }
    for (const resolve of this.#drainWaiters) resolve();
  }

  get #isUnsettled(): boolean {
    for (const instance of this.#instances.values()) if (instance.isUnsettled) return true;
    return false;
  }

  /** One look at every journal that is due, or at all of them. Returns the bytes read. */
  #pass(isUrgent: boolean): number {
    for (const commit of this.#commits) commit();
    this.#commits = [];
    const now = Date.now();
    if (this.#isScanDue || now - this.#scannedAt > SCAN_MS) this.#scan(now);
    let total = 0;
    let fullness = 0;
    for (const instance of this.#instances.values()) {
      const isEnding = this.#hasEnd(instance.path);
      if (isUrgent || isEnding || instance.isDead || instance.isDue(now)) total += this.#drain(instance);
      fullness = Math.max(fullness, instance.fullness);
      if (this.#spool.isHolding) break;
    }
    if (total > 0) this.#readAt = now;
    this.#background?.note(fullness);
    return total;
  }

  #hasEnd(journalPath: string): boolean {
    return endFilesOf(journalPath).some((path) => this.#endFiles.has(path));
  }

  #drain(instance: Instance): number {
    try {
      instance.checkAlive(this.#hasEnd(instance.path));
      const isReadyToFinish = instance.isReadyToFinish;
      const bytes = instance.drain(this.#chunk, this.#batch);
      if (bytes > 0) {
        this.#batch.finish();
        this.#afterSpooled(() => instance.commit());
      } else if (isReadyToFinish) this.#finish(instance);
      return bytes;
    } catch (error) {
      // A journal we cannot read or note in must not keep us from the others.
      this.#log.error({ err: error, journal: instance.path }, 'gave up a journal');
      this.#unreadable.set(instance.path, (error as Error).message);
      this.#forget(instance);
      instance.close();
      return 0;
    }
  }

  #finish(instance: Instance): void {
    const unfinished = instance.finish(this.#batch);
    this.#batch.finish();
    this.#gone.unfinished += unfinished;
    this.#forget(instance);
    this.#endFiles.delete(endFileOf(instance.path));
    this.#log.debug({ instance: instance.id, unfinished }, 'finished the journal of a dead instance');
    this.#afterSpooled(() => instance.remove());
  }

  #forget(instance: Instance): void {
    const { transcoder } = instance;
    this.#instances.delete(instance.path);
    this.#gone.journalDropped.spans += transcoder.droppedSpans;
    this.#gone.journalDropped.logs += transcoder.droppedLogs;
    this.#gone.damaged += transcoder.damaged + instance.damagedSegments;
    this.#gone.overflowed += transcoder.overflowed;
  }

  #afterSpooled(step: () => void): void {
    if (this.#spool.isHolding) this.#commits.push(step);
    else step();
  }

  #scan(now: number): void {
    this.#scannedAt = now;
    this.#isScanDue = false;
    this.#endFiles.clear();
    for (const dir of this.#options.journalDirs) {
      let names: string[];
      try {
        names = readdirSync(dir);
      } catch {
        continue; // removed by hand: it is made anew by whoever writes there
      }
      for (const name of names) if (name.endsWith('.end')) this.#endFiles.add(join(dir, name));
      for (const name of names) {
        const path = join(dir, name);
        if (name.endsWith('.journal')) {
          if (!this.#instances.has(path)) this.#adopt(path, name.slice(0, -'.journal'.length));
        } else if (name.endsWith('.end') && !names.includes(`${name.slice(0, -4)}.journal`)) {
          if (ageMs(path, now) > ORPHAN_MS) rmSync(path, { force: true });
        }
      }
    }
  }

  #adopt(path: string, id: string): void {
    const hasEndFile = this.#hasEnd(path);
    if (this.#unreadable.has(path) && !hasEndFile) return;
    try {
      const opened = JournalReader.open(path);
      if (opened.kind === 'journal') {
        this.#unreadable.delete(path);
        const instance = new Instance({
          id,
          path,
          spoolDir: this.#options.spoolDir,
          reader: opened.reader,
          sharesPids: this.#options.pidNamespace !== 'separate',
          abandonedAfterMs: this.#options.abandonedAfterMs ?? DEFAULT_ABANDONED_MS,
        });
        this.#instances.set(path, instance);
        return;
      }
      if (opened.kind === 'unreadable' && !this.#unreadable.has(path)) {
        this.#unreadable.set(path, opened.why);
        this.#log.warn({ journal: path, why: opened.why }, 'cannot read a journal');
      }
      if (hasEndFile) {
        // Its process is gone: it will not become a journal any more.
        rmSync(path, { force: true });
        rmSync(endFileOf(path), { force: true });
        this.#unreadable.delete(path);
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      if (!this.#unreadable.has(path)) this.#log.warn({ err: error, journal: path }, 'cannot open a journal');
      this.#unreadable.set(path, (error as Error).message);
    }
  }

  /** A hint only: polling finds everything a little later. */
  #watch(dir: string): void {
    try {
      const watcher = watch(dir, { persistent: false }, (event) => {
        if (event === 'rename') this.#isScanDue = true;
      });
      watcher.on('error', () => watcher.close());
      this.#watchers.push(watcher);
    } catch (error) {
      this.#log.debug({ err: error, dir }, 'cannot watch a folder of journals');
    }
  }

  async #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    this.#wake = resolve;
    await promise;
    clearTimeout(timer);
    this.#wake = undefined;
  }
}

/** Two agents on one spool would ship everything twice and drop each other's files. */
function takeLock(path: string, spoolDir: string): void {
  const own = `${process.pid} ${ownStartTicks()}`;
  let holder: string | undefined;
  try {
    holder = readFileSync(path, 'utf8').trim();
  } catch {
    // nobody
  }
  const match = holder === undefined ? null : /^(\d+) (\d+)$/.exec(holder);
  if (match !== null && isAlive(Number(match[1]), BigInt(match[2] as string))) {
    throw new Failure(
      'agent',
      'conflict',
      `cannot use the spool [${spoolDir}]: the agent with pid ${match[1]} uses it. Give each agent a spool folder of its own`,
    );
  }
  writeFileSync(path, own);
}

function ageMs(path: string, now: number): number {
  return now - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? now);
}

function sleepMs(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
