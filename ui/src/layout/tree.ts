export interface TreeItem {
  readonly id: string;
  /** '' for a root. */
  readonly parentId: string;
  readonly start: number;
  readonly duration: number;
}

export interface TreeRow<Item> {
  readonly item: Item;
  readonly depth: number;
  /** Rows below this one, at any depth; they follow it. */
  readonly descendants: number;
  /** Names a parent that is not there. */
  readonly isOrphan: boolean;
  /** Where a ring of parents was cut. */
  readonly isRing: boolean;
}

/**
 * Items in the order of a waterfall: parents before children, siblings by start, of two that start together the longer first. An
 * item whose parent is missing is drawn as a root; a ring of parents is cut at its oldest item; an id that comes twice is drawn once.
 */
export function buildRows<Item extends TreeItem>(items: readonly Item[]): TreeRow<Item>[] {
  const byId = new Map<string, Item>();
  for (const item of items) if (!byId.has(item.id)) byId.set(item.id, item);
  const sorted = [...byId.values()].sort(byStart);

  const children = new Map<string, Item[]>();
  const roots: Item[] = [];
  for (const item of sorted) {
    if (item.parentId === '' || item.parentId === item.id || !byId.has(item.parentId)) roots.push(item);
    else {
      const siblings = children.get(item.parentId);
      if (siblings) siblings.push(item);
      else children.set(item.parentId, [item]);
    }
  }
  const rows = flatten(roots, children, byId);
  if (rows.length === sorted.length) return rows;

  // What no root leads to is a ring of parents, or below one.
  const reached = new Set(rows.map(({ item }) => item.id));
  for (const item of sorted) {
    if (reached.has(item.id)) continue;
    const siblings = children.get(item.parentId);
    siblings?.splice(siblings.indexOf(item), 1);
    roots.push(item);
    reach(item, children, reached);
  }
  return flatten(roots.sort(byStart), children, byId);
}

/** The rows that show, as indices: what is below a collapsed row is skipped. */
export function visibleRows(
  rows: readonly { readonly descendants: number; readonly id: string }[],
  collapsed: ReadonlySet<string>,
): number[] {
  const visible: number[] = [];
  for (let i = 0; i < rows.length; i += 1) {
    visible.push(i);
    const row = rows[i];
    if (row && collapsed.has(row.id)) i += row.descendants;
  }
  return visible;
}

function flatten<Item extends TreeItem>(
  roots: readonly Item[],
  children: ReadonlyMap<string, readonly Item[]>,
  byId: ReadonlyMap<string, Item>,
): TreeRow<Item>[] {
  const rows: { item: Item; depth: number; descendants: number; isOrphan: boolean; isRing: boolean }[] = [];
  /** Indices of the rows that are still open, each a level deeper. */
  const open: number[] = [];
  const close = (depth: number) => {
    while (open.length > depth) {
      const index = open.pop() ?? 0;
      const row = rows[index];
      if (row) row.descendants = rows.length - index - 1;
    }
  };
  const items: Item[] = roots.toReversed();
  const depths: number[] = items.map(() => 0);
  for (let item = items.pop(); item; item = items.pop()) {
    const depth = depths.pop() ?? 0;
    close(depth);
    open.push(rows.length);
    const hasParent = depth === 0 && byId.has(item.parentId);
    rows.push({
      item,
      depth,
      descendants: 0,
      isOrphan: depth === 0 && item.parentId !== '' && !hasParent,
      isRing: hasParent,
    });
    const below = children.get(item.id);
    for (let i = (below?.length ?? 0) - 1; i >= 0; i -= 1) {
      items.push(below?.[i] as Item);
      depths.push(depth + 1);
    }
  }
  close(0);
  return rows;
}

function reach<Item extends TreeItem>(
  root: Item,
  children: ReadonlyMap<string, readonly Item[]>,
  reached: Set<string>,
): void {
  const stack = [root];
  for (let item = stack.pop(); item; item = stack.pop()) {
    reached.add(item.id);
    stack.push(...(children.get(item.id) ?? []));
  }
}

function byStart(a: TreeItem, b: TreeItem): number {
  return a.start - b.start || b.duration - a.duration || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}
