import type { Span, Trace } from '../model/trace.ts';

/** A place in the tree that both traces may have: spans with the same names from the root down. */
export interface Merged {
  readonly key: string;
  readonly service: string;
  readonly name: string;
  readonly depth: number;
  readonly a: Side | undefined;
  readonly b: Side | undefined;
}

export interface Side {
  readonly count: number;
  /** ns, of all of them together. */
  readonly total: number;
  readonly errors: number;
  /** The longest of them. */
  readonly span: Span;
}

interface Place {
  service: string;
  name: string;
  spans: { a: Span[]; b: Span[] };
  below: Map<string, Place>;
}

/** Both trees laid on each other, in the order of the first; what only the second has follows its siblings. */
export function mergeTraces(a: Trace | undefined, b: Trace | undefined): Merged[] {
  const root: Place = { service: '', name: '', spans: { a: [], b: [] }, below: new Map() };
  if (a) add(root, a, 'a');
  if (b) add(root, b, 'b');
  const rows: Merged[] = [];
  const stack = [...root.below].reverse().map(([key, place]) => ({ key, place, depth: 0 }));
  for (let next = stack.pop(); next; next = stack.pop()) {
    const { key, place, depth } = next;
    rows.push({
      key,
      service: place.service,
      name: place.name,
      depth,
      a: sideOf(place.spans.a),
      b: sideOf(place.spans.b),
    });
    for (const [name, child] of [...place.below].reverse())
      stack.push({ key: `${key}\n${name}`, place: child, depth: depth + 1 });
  }
  return rows;
}

function add(root: Place, trace: Trace, side: 'a' | 'b'): void {
  const open: Place[] = [root];
  for (const span of trace.spans) {
    open.length = span.depth + 1;
    const parent = open.at(-1) as Place;
    const key = `${span.service} ${span.name}`;
    let place = parent.below.get(key);
    if (!place) {
      place = { service: span.service, name: span.name, spans: { a: [], b: [] }, below: new Map() };
      parent.below.set(key, place);
    }
    place.spans[side].push(span);
    open.push(place);
  }
}

function sideOf(spans: readonly Span[]): Side | undefined {
  const [first] = spans;
  if (!first) return undefined;
  return {
    count: spans.length,
    total: spans.reduce((sum, { duration }) => sum + duration, 0),
    errors: spans.filter(({ isError }) => isError).length,
    span: spans.reduce((longest, span) => (span.duration > longest.duration ? span : longest), first),
  };
}
