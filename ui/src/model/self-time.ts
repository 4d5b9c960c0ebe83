import type { Span } from './trace.ts';

/**
 * ns that each span spent while none of its children ran, in the order of `spans` (parents before children, as Trace.spans). Children
 * that overlap count once; what a child does after its parent ended is not the parent's.
 */
export function selfTimes(spans: readonly Span[]): Float64Array {
  const self = new Float64Array(spans.length);
  const children = new Map<number, Span[]>();
  const open: number[] = [];
  spans.forEach((span, i) => {
    while (open.length > 0 && (spans[open.at(-1) as number] as Span).depth >= span.depth) open.pop();
    const parent = open.at(-1);
    if (parent !== undefined) {
      const siblings = children.get(parent);
      if (siblings) siblings.push(span);
      else children.set(parent, [span]);
    }
    open.push(i);
  });
  spans.forEach((span, i) => {
    const end = span.start + span.duration;
    let reached = span.start;
    let covered = 0;
    // Siblings stand in order of their starts.
    for (const child of children.get(i) ?? []) {
      const from = Math.max(reached, child.start);
      const to = Math.min(end, child.start + child.duration);
      if (to > from) {
        covered += to - from;
        reached = to;
      }
    }
    self[i] = span.duration - covered;
  });
  return self;
}
