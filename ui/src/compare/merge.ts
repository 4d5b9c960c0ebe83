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
  readonly service: string;
  readonly name: string;
  readonly spans: { readonly a: Span[]; readonly b: Span[] };
  readonly below: Map<string, Place>;
  /** In the order in which they are shown: the first below, and who stands behind this one. */
  first: Place | undefined;
  next: Place | undefined;
}

/**
 * Both trees laid on each other, in the order of the first; what only the second has stands behind what came before it there:
 *
 *     first   invoke ( image )                second   invoke ( start instance, image )
 *     merged  invoke ( start instance, image )
 */
export function mergeTraces(a: Trace | undefined, b: Trace | undefined): Merged[] {
  const root = placeOf('', '');
  if (a) add(root, a, 'a');
  if (b) add(root, b, 'b');
  const rows: Merged[] = [];
  const stack: { place: Place; depth: number }[] = [];
  const push = (above: Place, depth: number) => {
    const below: Place[] = [];
    for (let place = above.first; place; place = place.next) below.push(place);
    for (const place of below.toReversed()) stack.push({ place, depth });
  };
  push(root, 0);
  for (let next = stack.pop(); next; next = stack.pop()) {
    const { place, depth } = next;
    rows.push({
      key: String(rows.length),
      service: place.service,
      name: place.name,
      depth,
      a: sideOf(place.spans.a),
      b: sideOf(place.spans.b),
    });
    push(place, depth + 1);
  }
  return rows;
}

function add(root: Place, trace: Trace, side: 'a' | 'b'): void {
  const open: Place[] = [root];
  /** The one below a place that came last; the next new one stands behind it. */
  const last = new Map<Place, Place>();
  for (const span of trace.spans) {
    open.length = span.depth + 1;
    const parent = open.at(-1) as Place;
    const key = `${span.service} ${span.name}`;
    let place = parent.below.get(key);
    if (!place) {
      place = placeOf(span.service, span.name);
      parent.below.set(key, place);
      const before = last.get(parent);
      place.next = before ? before.next : parent.first;
      if (before) before.next = place;
      else parent.first = place;
    }
    last.set(parent, place);
    place.spans[side].push(span);
    open.push(place);
  }
}

function placeOf(service: string, name: string): Place {
  return {
    service,
    name,
    spans: { a: [], b: [] },
    below: new Map(),
    first: undefined,
    next: undefined,
  };
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
