import type { SamplingDecision } from '../../store/tail-sampling.ts';

interface Count {
  readonly policy: string;
  readonly kept: boolean;
  traces: number;
  spans: number;
}

/** Traces and spans kept and dropped since the start, by policy. */
export class SamplingCounts {
  readonly #counts = new Map<string, Count>();

  add(decisions: readonly SamplingDecision[]): void {
    for (const { policy, kept, spans } of decisions) {
      const key = `${policy} ${kept}`;
      const count = this.#counts.get(key) ?? { policy, kept, traces: 0, spans: 0 };
      count.traces += 1;
      count.spans += spans;
      this.#counts.set(key, count);
    }
  }

  get all(): readonly Readonly<Count>[] {
    return [...this.#counts.values()];
  }

  /** Prometheus' text format (0.0.4). */
  text(): string {
    const family = (what: 'traces' | 'spans') => [
      `# HELP spoor_tail_sampling_${what}_total ${what === 'traces' ? 'Traces' : 'Spans'} decided by tail sampling; sampled is whether they were kept.`,
      `# TYPE spoor_tail_sampling_${what}_total counter`,
      ...this.all.map(
        (count) =>
          `spoor_tail_sampling_${what}_total{policy="${count.policy}",sampled="${count.kept}"} ${count[what]}`,
      ),
    ];
    return `${[...family('traces'), ...family('spans')].join('\n')}\n`;
  }
}
