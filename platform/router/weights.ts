import type { FunctionReference } from '../spec/resources.ts';

/** The function a trigger calls this time: its own, or one of several at random by weight. undefined when every weight is zero. */
export function chooseFunction(
  reference: FunctionReference,
  random: () => number = Math.random,
): string | undefined {
  if (reference.type === 'name') return reference.name;
  const weights = Object.entries(reference.functionweights);
  let left = random() * weights.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [name, weight] of weights) {
    if (left < weight) return name;
    left -= weight;
  }
  return undefined;
}
