import { InvalidArgumentError, Option, type Command } from 'commander';
import { DEFAULT_TAIL_SAMPLING, type TailSampling } from '../backend/collector/sampling/policies.ts';

export interface TailSamplingFlags {
  readonly tailSampling?: number;
  readonly tailSamplingWait: number;
  readonly tailSamplingLatency: number;
  readonly tailSamplingRare: number;
}

export const TAIL_SAMPLING_EXAMPLE = 'spoor backend --tail-sampling 10% --tail-sampling-latency 500ms';

/** The flags of tail sampling, each also an environment variable. */
export function tailSamplingFlags(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--tail-sampling <percentage>',
        'keep every flow with an error, slow or rare, and this share of the others, 10% (default: everything)',
      )
        .env('SPOOR_TAIL_SAMPLING')
        .argParser(parsePercentage),
    )
    .addOption(
      new Option('--tail-sampling-wait <duration>', 'a flow is decided when nothing came of it for so long')
        .env('SPOOR_TAIL_SAMPLING_WAIT')
        .argParser(parseMs)
        .default(DEFAULT_TAIL_SAMPLING.decisionWaitMs, '10m'),
    )
    .addOption(
      new Option('--tail-sampling-latency <duration>', 'a flow with a trace that lasts so long is slow')
        .env('SPOOR_TAIL_SAMPLING_LATENCY')
        .argParser(parseMs)
        .default(DEFAULT_TAIL_SAMPLING.latencyThresholdMs, '1s'),
    )
    .addOption(
      new Option('--tail-sampling-rare <flows>', 'so many flows of each shape in an hour are rare')
        .env('SPOOR_TAIL_SAMPLING_RARE')
        .argParser(parseCount)
        .default(DEFAULT_TAIL_SAMPLING.rareFlowsPerHour),
    );
}

/** Undefined: everything is kept. */
export function tailSamplingOf(flags: TailSamplingFlags): TailSampling | undefined {
  if (flags.tailSampling === undefined) return undefined;
  return {
    samplingPercentage: flags.tailSampling,
    decisionWaitMs: flags.tailSamplingWait,
    latencyThresholdMs: flags.tailSamplingLatency,
    rareFlowsPerHour: flags.tailSamplingRare,
  };
}

/** The same as arguments, for a part that is started with them. */
export function tailSamplingArgs(sampling: TailSampling | undefined): string[] {
  if (sampling === undefined) return [];
  return [
    `--tail-sampling=${sampling.samplingPercentage}%`,
    `--tail-sampling-wait=${sampling.decisionWaitMs}ms`,
    `--tail-sampling-latency=${sampling.latencyThresholdMs}ms`,
    `--tail-sampling-rare=${sampling.rareFlowsPerHour}`,
  ];
}

/** `10%`, `10`, `0.1%`: above 0 and at most 100. */
export function parsePercentage(text: string): number {
  const [, number] = /^(\d{1,3}(?:\.\d{1,6})?)%?$/.exec(text) ?? [];
  const percentage = Number(number);
  if (!(percentage > 0 && percentage <= 100))
    throw new InvalidArgumentError('a share is above 0 and at most 100, as in 10% or 0.5%');
  return percentage;
}

/** `500ms`, `30s`, `10m`, `1h`: milliseconds. */
export function parseMs(text: string): number {
  const [, number, unit] = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h)$/.exec(text) ?? [];
  const ms = Math.round(Number(number) * (UNIT_MS[unit ?? ''] ?? NaN));
  if (!(ms >= 1 && ms <= MAX_MS))
    throw new InvalidArgumentError(
      'a duration is a number and ms, s, m or h, at most 24h, as in 500ms or 10m',
    );
  return ms;
}

function parseCount(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('how many is a whole number, 0 for none');
  return Number(text);
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
const MAX_MS = 86_400_000;
