/** Head sampling as OpenTelemetry names it: https://opentelemetry.io/docs/languages/sdk-configuration/general/#otel_traces_sampler */
export interface Sampler {
  /**
   * Whether to record a span. `parentFlags` are the W3C flags of its parent, or NO_PARENT;
   * the words are the trace id's, in the order of its bytes.
   */
  isSampled(parentFlags: number, word0: number, word1: number, word2: number, word3: number): boolean;
  toString(): string;
}

export const NO_PARENT = -1;

export const SAMPLER_NAMES = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;
export type SamplerName = (typeof SAMPLER_NAMES)[number];

/** `ratio` is 0..1 and used by the traceidratio samplers only. */
export function createSampler(name: SamplerName, ratio = 1): Sampler {
  const parentBased = name.startsWith('parentbased_');
  const root = parentBased ? name.slice('parentbased_'.length) : name;
  const decide =
    root === 'always_on' ? () => true : root === 'always_off' ? () => false : traceIdRatio(ratio);
  return {
    isSampled: parentBased
      ? (parentFlags, a, b, c, d) =>
          parentFlags === NO_PARENT ? decide(a, b, c, d) : (parentFlags & 1) === 1
      : (_parentFlags, a, b, c, d) => decide(a, b, c, d),
    toString: () => (root === 'traceidratio' ? `${name}(${ratio})` : name),
  };
}

/** The same fold as opentelemetry-js TraceIdRatioBasedSampler, so that processes with either agree about a trace. */
function traceIdRatio(ratio: number) {
  const bound = Math.floor(ratio * 0xffffffff);
  if (ratio >= 1) return () => true;
  return (a: number, b: number, c: number, d: number) => swapBytes(a ^ b ^ c ^ d) < bound;
}

function swapBytes(word: number): number {
  return (((word & 255) << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0;
}
