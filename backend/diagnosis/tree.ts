import type { SpanData } from '../../function/span/span-data.ts';

export interface TraceTree {
  /** Spans with no parent in the trace, oldest first; orphans stand among them, so that every span is drawn once. */
  readonly roots: readonly TreeNode[];
  /** Spans that name a parent the trace does not have, oldest first. */
  readonly orphans: readonly SpanData[];
}

export interface TreeNode {
  readonly span: SpanData;
  /** Oldest first. */
  readonly children: readonly TreeNode[];
  /** 0 for a root. */
  readonly depth: number;
}

/**
 * The spans of one trace as a forest by parent ids. A span that comes twice (same id) is taken once, the first time.
 * Parents that form a ring (a hostile or broken sender) are cut at the ring's oldest span, which then stands as an orphan root.
 *
 *     a          roots: a, x        x names a parent that is not there
 *     ├─ b       orphans: x
 *     │  └─ c
 *     x
 */
export function buildTree(spans: readonly SpanData[]): TraceTree {
  const byId = new Map<string, MutableNode>();
  for (const span of spans)
    if (!byId.has(span.spanId)) byId.set(span.spanId, { span, children: [], depth: 0 });
  // Sorting before linking leaves every list of children in order of time.
  const nodes = [...byId.values()].sort((a, b) => compareByStart(a.span, b.span));

  const roots: MutableNode[] = [];
  const orphans: SpanData[] = [];
  for (const node of nodes) {
    const { parentSpanId } = node.span;
    const parent = parentSpanId === '' ? undefined : byId.get(parentSpanId);
    if (parent && parent !== node) parent.children.push(node);
    else {
      roots.push(node);
      if (parentSpanId !== '') orphans.push(node.span);
    }
  }

  const reached = new Set<MutableNode>();
  for (const root of roots) setDepths(root, reached);
  for (const node of nodes) {
    if (reached.has(node)) continue;
    const parent = byId.get(node.span.parentSpanId);
    if (parent) parent.children.splice(parent.children.indexOf(node), 1);
    roots.push(node);
    orphans.push(node.span);
    setDepths(node, reached);
  }
  roots.sort((a, b) => compareByStart(a.span, b.span));
  orphans.sort(compareByStart);
  return { roots, orphans };
}

/** Every node, parents before their children, as a waterfall draws them. */
export function* walkTree(roots: readonly TreeNode[]): Generator<TreeNode> {
  const stack = roots.toReversed();
  for (let node = stack.pop(); node; node = stack.pop()) {
    yield node;
    for (let i = node.children.length - 1; i >= 0; i -= 1) stack.push(node.children[i] as TreeNode);
  }
}

/** Oldest first; of two that start together the longer one, which may hold the other; then by id, to be stable. */
export function compareByStart(a: SpanData, b: SpanData): number {
  if (a.startTimeUnixNano !== b.startTimeUnixNano) return a.startTimeUnixNano < b.startTimeUnixNano ? -1 : 1;
  if (a.endTimeUnixNano !== b.endTimeUnixNano) return a.endTimeUnixNano > b.endTimeUnixNano ? -1 : 1;
  return a.spanId < b.spanId ? -1 : a.spanId > b.spanId ? 1 : 0;
}

interface MutableNode {
  readonly span: SpanData;
  readonly children: MutableNode[];
  depth: number;
}

/** Iterative: a chain of 50,000 spans must not overflow the stack. */
function setDepths(root: MutableNode, reached: Set<MutableNode>): void {
  const stack = [root];
  for (let node = stack.pop(); node; node = stack.pop()) {
    reached.add(node);
    for (const child of node.children) {
      child.depth = node.depth + 1;
      stack.push(child);
    }
  }
}
