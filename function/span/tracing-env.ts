import { isPropagatorName, PROPAGATOR_NAMES, type PropagatorName } from './propagation.ts';
import { createSampler, SAMPLER_NAMES, type Sampler, type SamplerName } from './sampler.ts';

/** OpenTelemetry's span limits; Infinity for none. Lengths in UTF-16 units, counts in pieces. */
export interface SpanLimits {
  readonly attributeValueLength: number;
  readonly attributeCount: number;
  readonly eventCount: number;
  readonly linkCount: number;
  readonly attributePerEventCount: number;
  readonly attributePerLinkCount: number;
}

/** The specification's, but for the value length: a record must fit a segment of the journal. */
export const DEFAULT_LIMITS: SpanLimits = {
  attributeValueLength: 32_768,
  attributeCount: 128,
  eventCount: 128,
  linkCount: 128,
  attributePerEventCount: 128,
  attributePerLinkCount: 128,
};

export interface TracingEnv {
  readonly propagators: readonly PropagatorName[];
  readonly sampler: Sampler;
  readonly limits: SpanLimits;
  /** What was set to something we cannot use, one sentence each; the default stands in its place. */
  readonly warnings: readonly string[];
}

/**
 * Reads what OpenTelemetry's environment variables say of propagators, sampler and limits. A wrong value is no reason to
 * stop a function: it is told in `warnings`, as the specification asks
 * (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#parsing-empty-value).
 */
export function readTracingEnv(env: Readonly<Record<string, string | undefined>>): TracingEnv {
  const warnings: string[] = [];
  const warn = (name: string, expected: string) =>
    warnings.push(`cannot use ${name} [${env[name]}]: expected ${expected}`);

  const limit = (names: readonly string[], fallback: number, least: number): number => {
    for (const name of names) {
      const text = env[name]?.trim();
      if (!text) continue;
      if (/^\d{1,9}$/.test(text)) return Math.max(least, Number(text));
      warn(name, 'a whole number, 0 or more');
    }
    return fallback;
  };

  return {
    propagators: readPropagators(env['OTEL_PROPAGATORS'], (word) =>
      warnings.push(
        `cannot use OTEL_PROPAGATORS [${word}]: expected a list of ${PROPAGATOR_NAMES.join(', ')}`,
      ),
    ),
    sampler: readSampler(env, warn),
    limits: {
      attributeValueLength: Math.min(
        DEFAULT_LIMITS.attributeValueLength,
        limit(
          ['OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT', 'OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT'],
          DEFAULT_LIMITS.attributeValueLength,
          0,
        ),
      ),
      attributeCount: limit(
        ['OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT', 'OTEL_ATTRIBUTE_COUNT_LIMIT'],
        DEFAULT_LIMITS.attributeCount,
        0,
      ),
      eventCount: limit(['OTEL_SPAN_EVENT_COUNT_LIMIT'], DEFAULT_LIMITS.eventCount, 0),
      linkCount: limit(['OTEL_SPAN_LINK_COUNT_LIMIT'], DEFAULT_LIMITS.linkCount, 0),
      attributePerEventCount: limit(
        ['OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT'],
        DEFAULT_LIMITS.attributePerEventCount,
        0,
      ),
      attributePerLinkCount: limit(
        ['OTEL_LINK_ATTRIBUTE_COUNT_LIMIT'],
        DEFAULT_LIMITS.attributePerLinkCount,
        0,
      ),
    },
    warnings,
  };
}

export const DEFAULT_PROPAGATORS: readonly PropagatorName[] = ['tracecontext', 'baggage'];

function readPropagators(text: string | undefined, warn: (word: string) => void): readonly PropagatorName[] {
  const words = (text ?? '')
    .split(',')
    .map((word) => word.trim().toLowerCase())
    .filter((word) => word !== '');
  if (words.length === 0) return DEFAULT_PROPAGATORS;
  if (words.includes('none')) return [];
  const names = new Set<PropagatorName>();
  for (const word of words) {
    if (isPropagatorName(word)) names.add(word);
    else warn(word);
  }
  return names.size === 0 ? DEFAULT_PROPAGATORS : [...names];
}

function readSampler(
  env: Readonly<Record<string, string | undefined>>,
  warn: (name: string, expected: string) => void,
): Sampler {
  const name = env['OTEL_TRACES_SAMPLER']?.trim().toLowerCase() || 'parentbased_always_on';
  if (!(SAMPLER_NAMES as readonly string[]).includes(name)) {
    warn('OTEL_TRACES_SAMPLER', `one of ${SAMPLER_NAMES.join(', ')}`);
    return createSampler('parentbased_always_on');
  }
  if (!name.endsWith('traceidratio')) return createSampler(name as SamplerName);
  const text = env['OTEL_TRACES_SAMPLER_ARG']?.trim();
  const ratio = text ? Number(text) : 1;
  if (ratio >= 0 && ratio <= 1) return createSampler(name as SamplerName, ratio);
  warn('OTEL_TRACES_SAMPLER_ARG', 'a ratio between 0 and 1');
  return createSampler(name as SamplerName, 1);
}
