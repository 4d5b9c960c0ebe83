export const NODE_WIDTH = 184;
export const NODE_HEIGHT = 58;
const COLUMN_GAP = 112;
/** What stands on a way needs this much. */
const LEAST_COLUMN_GAP = 78;
const ROW_GAP = 26;
/** From one rank to the next when they stand below each other, and between neighbours then. */
const RANK_GAP = 58;
const SIDE_GAP = 30;
const SWEEPS = 6;

export interface MapLayout<Node, Edge> {
  readonly nodes: readonly { readonly node: Node; readonly x: number; readonly y: number }[];
  readonly edges: readonly {
    readonly edge: Edge;
    readonly path: string;
    readonly labelX: number;
    readonly labelY: number;
  }[];
  readonly width: number;
  readonly height: number;
}

interface Place {
  readonly x: number;
  readonly y: number;
}

/**
 * Callers left of what they call, or above it where there is no room for that. A node's rank is the longest way to it; what closes a ring
 * is drawn back without moving anything. Within a rank nodes stand near the middle of their neighbours, so that few ways cross.
 */
export function layOutMap<
  Node extends { readonly id: string },
  Edge extends { readonly from: string; readonly to: string },
>(nodes: readonly Node[], edges: readonly Edge[], room = Infinity): MapLayout<Node, Edge> {
  const known = new Map(nodes.map((node) => [node.id, node]));
  const real = edges.filter(({ from, to }) => known.has(from) && known.has(to) && from !== to);
  const rankOf = columnsOf(nodes, real);
  const ranks: Node[][] = [];
  for (const node of nodes) (ranks[rankOf.get(node.id) ?? 0] ??= []).push(node);
  for (let i = 0; i < ranks.length; i += 1) ranks[i] ??= [];
  order(ranks, real);

  const gap = Math.min(COLUMN_GAP, (room - ranks.length * NODE_WIDTH) / Math.max(1, ranks.length - 1));
  const isDown = gap < LEAST_COLUMN_GAP;
  // Along the ranks, and across them.
  const step = isDown ? NODE_HEIGHT + RANK_GAP : NODE_WIDTH + gap;
  const sideStep = isDown ? NODE_WIDTH + SIDE_GAP : NODE_HEIGHT + ROW_GAP;
  const fullest = ranks.reduce((max, rank) => Math.max(max, rank.length), 0);
  const at = new Map<string, { readonly node: Node } & Place>();
  ranks.forEach((rank, i) =>
    rank.forEach((node, j) => {
      const side = (j + (fullest - rank.length) / 2) * sideStep;
      at.set(node.id, isDown ? { node, x: side, y: i * step } : { node, x: i * step, y: side });
    }),
  );
  const placed = [...at.values()];
  return {
    nodes: placed,
    edges: real.flatMap((edge) => {
      const [from, to] = [at.get(edge.from), at.get(edge.to)];
      return from && to ? [{ edge, ...(isDown ? routeDown(from, to) : routeRight(from, to)) }] : [];
    }),
    width: placed.reduce((max, { x }) => Math.max(max, x + NODE_WIDTH), 0),
    height: placed.reduce((max, { y }) => Math.max(max, y + NODE_HEIGHT), 0),
  };
}

function routeRight(from: Place, to: Place) {
  const [y1, y2] = [from.y + NODE_HEIGHT / 2, to.y + NODE_HEIGHT / 2];
  const isForward = to.x > from.x;
  const [x1, x2] = isForward ? [from.x + NODE_WIDTH, to.x] : [from.x + NODE_WIDTH / 2, to.x + NODE_WIDTH / 2];
  if (isForward) {
    const bend = (x2 - x1) / 2;
    return {
      path: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`,
      // Near its target: ways that begin together part there.
      labelX: x1 + (x2 - x1) * 0.56,
      labelY: y1 + (y2 - y1) * 0.62,
    };
  }
  const low = Math.max(y1, y2) + NODE_HEIGHT;
  return {
    path: `M${x1} ${y1 + NODE_HEIGHT / 2}C${x1} ${low} ${x2} ${low} ${x2} ${y2 + NODE_HEIGHT / 2}`,
    labelX: (x1 + x2) / 2,
    labelY: low - NODE_HEIGHT / 8,
  };
}

function routeDown(from: Place, to: Place) {
  const isForward = to.y > from.y;
  if (isForward) {
    const [x1, x2] = [from.x + NODE_WIDTH / 2, to.x + NODE_WIDTH / 2];
    const [y1, y2] = [from.y + NODE_HEIGHT, to.y];
    const bend = (y2 - y1) / 2;
    return {
      path: `M${x1} ${y1}C${x1} ${y1 + bend} ${x2} ${y2 - bend} ${x2} ${y2}`,
      labelX: x1 + (x2 - x1) * 0.62,
      labelY: y1 + (y2 - y1) * 0.56,
    };
  }
  const [x1, x2] = [from.x + NODE_WIDTH, to.x + NODE_WIDTH];
  const [y1, y2] = [from.y + NODE_HEIGHT / 2, to.y + NODE_HEIGHT / 2];
  const far = Math.max(x1, x2) + RANK_GAP;
  return {
    path: `M${x1} ${y1}C${far} ${y1} ${far} ${y2} ${x2} ${y2}`,
    labelX: far - RANK_GAP / 4,
    labelY: (y1 + y2) / 2,
  };
}

/** Longest way from a node that nobody calls; edges that lead back into the way just walked do not count. */
function columnsOf(
  nodes: readonly { readonly id: string }[],
  edges: readonly { readonly from: string; readonly to: string }[],
): ReadonlyMap<string, number> {
  const out = Map.groupBy(edges, ({ from }) => from);
  const state = new Map<string, 'open' | 'done'>();
  const backward = new Set<object>();
  const sorted: string[] = [];
  const visit = (id: string) => {
    const stack = [{ id, next: 0 }];
    state.set(id, 'open');
    for (let top = stack.at(-1); top; top = stack.at(-1)) {
      const edge = out.get(top.id)?.[top.next];
      top.next += 1;
      if (!edge) {
        state.set(top.id, 'done');
        sorted.push(top.id);
        stack.pop();
      } else if (state.get(edge.to) === 'open') backward.add(edge);
      else if (!state.has(edge.to)) {
        state.set(edge.to, 'open');
        stack.push({ id: edge.to, next: 0 });
      }
    }
  };
  const called = new Set(edges.map(({ to }) => to));
  for (const { id } of nodes) if (!called.has(id) && !state.has(id)) visit(id);
  for (const { id } of nodes) if (!state.has(id)) visit(id);

  const columns = new Map(nodes.map(({ id }) => [id, 0]));
  for (const id of sorted.toReversed())
    for (const edge of out.get(id) ?? [])
      if (!backward.has(edge))
        columns.set(edge.to, Math.max(columns.get(edge.to) ?? 0, (columns.get(id) ?? 0) + 1));
  return columns;
}

/** Barycentres, to and fro. */
function order(
  columns: { readonly id: string }[][],
  edges: readonly { readonly from: string; readonly to: string }[],
): void {
  const neighbours = new Map<string, string[]>();
  for (const { from, to } of edges) {
    neighbours.set(from, [...(neighbours.get(from) ?? []), to]);
    neighbours.set(to, [...(neighbours.get(to) ?? []), from]);
  }
  const position = new Map<string, number>();
  const place = (column: readonly { readonly id: string }[]) =>
    column.forEach(({ id }, i) => position.set(id, (i + 0.5) / column.length));
  for (const column of columns) place(column);
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    for (const column of sweep % 2 === 0 ? columns : columns.toReversed()) {
      const middle = ({ id }: { readonly id: string }) => {
        const of = neighbours.get(id) ?? [];
        if (of.length === 0) return position.get(id) ?? 0;
        return of.reduce((sum, other) => sum + (position.get(other) ?? 0), 0) / of.length;
      };
      const keyed = column.map((node) => ({ node, key: middle(node) }));
      keyed.sort((a, b) => a.key - b.key);
      keyed.forEach(({ node }, i) => (column[i] = node));
      place(column);
    }
  }
}
