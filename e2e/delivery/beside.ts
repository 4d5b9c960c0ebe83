/**
 * The agent, and the collector it ships to, in a process of their own as in life: what they do must not be counted as the
 * platform's. Takes orders over IPC, one at a time.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { start as startAgent } from '../../function/agent/agent.ts';
import { OtlpSink, type Mood } from '../../function/agent/test/otlp-sink.ts';

export type MoodName = 'healthy' | 'silent' | 'slow' | 'failing';
/** `catch up`: hand over what waits. `settle`: the same, and wait for what is not there yet. */
export type Order = { readonly mood: MoodName } | 'catch up' | 'settle' | 'forget';

/** Since it was last told to forget. */
export interface Seen {
  /** Spans of the function, one for each call. */
  readonly arrived: number;
  readonly repeated: number;
  /** As the agent and the journals count them, all services together. */
  readonly droppedSpans: number;
  /** What the agent could not hand over. */
  readonly failedRequests: number;
  readonly wasDiskFull: boolean;
}

const SLOW_MS = 2_000;
const SETTLE_MS = 60_000;

/** The other side: started by whoever calls the platform. */
export class Beside implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #died: Promise<undefined>;

  static async start(journals: string, spool: string): Promise<Beside> {
    const child = fork(import.meta.filename, [journals, spool], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const beside = new Beside(child);
    await beside.#answer();
    return beside;
  }

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#died = once(child, 'exit').then(() => undefined);
  }

  async tell(order: Order): Promise<Seen> {
    const answer = this.#answer();
    this.#child.send(order);
    return answer;
  }

  async #answer(): Promise<Seen> {
    const answer = await Promise.race([
      new Promise<Seen>((resolve) => this.#child.once('message', (seen) => resolve(seen as Seen))),
      this.#died,
    ]);
    if (answer === undefined) throw new Error('the agent’s process has ended');
    return answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#died;
  }
}

const [journals, spool] = process.argv.slice(2);
if (process.send && process.argv[1] === import.meta.filename)
  await serve(journals as string, spool as string);

async function serve(journalDir: string, spoolDir: string): Promise<void> {
  const sink = await OtlpSink.start();
  const agent = await startAgent({ journalDirs: [journalDir], spoolDir, collectorUrl: sink.url });
  let recovered = Promise.withResolvers<undefined>();
  const moods: Readonly<Record<MoodName, Mood>> = {
    healthy: () => undefined,
    // Given up with 503, as its connection would be by a proxy: the agent's own time-out is 15 s.
    silent: () => recovered.promise.then(() => ({ status: 503 })),
    slow: () => Promise.race([recovered.promise, sleep(SLOW_MS, undefined, { ref: false })]),
    failing: () => ({ status: 500 }),
  };
  const dropped = () => {
    const { dropped: spooled, journalDropped, rejected, overflowedSpans } = agent.status();
    return spooled.spans + journalDropped.spans + rejected.spans + overflowedSpans;
  };
  let before = { dropped: dropped(), failedRequests: agent.status().collector.failedRequests };
  let wasDiskFull = false;
  setInterval(() => (wasDiskFull ||= agent.status().isDiskFull), 20);

  const seen = (): Seen => {
    const own = sink.spans.filter((span) => span.parentSpanId !== '' && 'call' in span.attributes);
    const arrived = new Set(own.map((span) => span.spanId)).size;
    return {
      arrived,
      repeated: own.length - arrived,
      droppedSpans: dropped() - before.dropped,
      failedRequests: agent.status().collector.failedRequests - before.failedRequests,
      wasDiskFull,
    };
  };
  const obey = async (order: Order) => {
    if (order === 'settle' || order === 'catch up') {
      // The last spans end a moment after their answers are read.
      if (order === 'settle') await sleep(300);
      await agent.drained();
      await agent.delivered(AbortSignal.timeout(SETTLE_MS));
    } else if (order === 'forget') {
      sink.spans.length = 0;
      before = { dropped: dropped(), failedRequests: agent.status().collector.failedRequests };
      wasDiskFull = false;
    } else {
      sink.mood = moods[order.mood];
      recovered.resolve(undefined);
      recovered = Promise.withResolvers<undefined>();
    }
    process.send?.(seen());
  };
  process.on('message', (order: Order) => void obey(order));
  process.send?.(seen());
  await once(process, 'disconnect');
  process.exit(0);
}
