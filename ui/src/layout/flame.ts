/** A span as the flame graph needs it; spans come as in Trace.spans, parents before children. */
export interface FlameItem {
  readonly service: string;
  readonly name: string;
  readonly depth: number;
  readonly duration: number;
  readonly isError: boolean;
}

/** Spans of one service and name below the same place in the tree, joined. */
export interface FlameNode<Item> {
  readonly index: number;
  /** Index of the node above; -1 for a root. */
  readonly parent: number;
  readonly service: string;
  readonly name: string;
  readonly depth: number;
  readonly count: number;
  readonly errors: number;
  /** ns that these spans spent while nothing below them ran. */
  readonly self: number;
  /** ns of self time, with everything below: what the width stands for. */
  readonly total: number;
  /** Fractions of the width of the whole. */
  readonly left: number;
  readonly width: number;
  readonly longest: Item;
}

type Draft<Item> = { -readonly [Key in keyof FlameNode<Item>]: FlameNode<Item>[Key] } & {
  below: Map<string, Draft<Item>>;
};

/**
 * The flame graph of a trace. A node is as wide as the self times of it and of all below it, so children always fit into their parent,
 * whatever ran beside what; time in which only something else ran is nobody's.
 *
 *     |--------- a ---------|        a ran 10, of which b 3 and 4, c 1
 *     |---- b ×2 ----| c |           a: total 10, self 2; b: total 7
 */
export function flameNodes<Item extends FlameItem>(
  items: readonly Item[],
  self: Float64Array,
): FlameNode<Item>[] {
  const nodes: Draft<Item>[] = [];
  const roots = new Map<string, Draft<Item>>();
  const open: Draft<Item>[] = [];
  items.forEach((item, i) => {
    open.length = Math.min(open.length, item.depth);
    const parent = open.at(-1);
    const siblings = parent?.below ?? roots;
    const key = `${item.service}\0${item.name}`;
    let node = siblings.get(key);
    if (!node) {
      node = {
        index: nodes.length,
        parent: parent?.index ?? -1,
        service: item.service,
        name: item.name,
        depth: open.length,
        count: 0,
        errors: 0,
        self: 0,
        total: 0,
        left: 0,
        width: 0,
        longest: item,
        below: new Map(),
      };
      siblings.set(key, node);
      nodes.push(node);
    }
    node.count += 1;
    node.errors += item.isError ? 1 : 0;
    node.self += Math.max(0, self[i] ?? 0);
    if (item.duration > node.longest.duration) node.longest = item;
    open.push(node);
  });
  // A parent was made before what is below it.
  for (const node of nodes.toReversed()) {
    node.total += node.self;
    const parent = nodes[node.parent];
    if (parent) parent.total += node.total;
  }
  const whole = [...roots.values()].reduce((sum, { total }) => sum + total, 0) || 1;
  const reached = new Float64Array(nodes.length);
  let root = 0;
  for (const node of nodes) {
    node.width = node.total / whole;
    const parent = nodes[node.parent];
    node.left = parent ? parent.left + (reached[parent.index] ?? 0) : root;
    if (parent) reached[parent.index] = (reached[parent.index] ?? 0) + node.width;
    else root += node.width;
  }
  return nodes;
}

/** Where nodes stand when one of them fills the width: those above it as well, those beside it not at all. */
export function zoomFlame<Item>(
  nodes: readonly FlameNode<Item>[],
  zoomed: FlameNode<Item> | undefined,
  /** Narrower ones are left out; of the width that shows. */
  least: number,
): readonly (readonly { readonly node: FlameNode<Item>; readonly left: number; readonly width: number }[])[] {
  const from = zoomed?.left ?? 0;
  const width = zoomed?.width || 1;
  const rows: { node: FlameNode<Item>; left: number; width: number }[][] = [];
  for (const node of nodes) {
    const left = Math.max(0, (node.left - from) / width);
    const right = Math.min(1, (node.left + node.width - from) / width);
    if (right - left < least) continue;
    (rows[node.depth] ??= []).push({ node, left, width: right - left });
  }
  return rows;
}
