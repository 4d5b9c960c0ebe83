import { rootOf, withEffects, type Flow, type FlowNode } from './flow.ts';
import { endOf, functionOf, isError, isFunctionSpan, versionOf } from './span-facts.ts';
import { timeAccount, type TimeAccount } from './time-account.ts';

/** One happening from its event to the last thing it caused: what is compared with what. */
export interface Run {
  readonly traceId: string;
  readonly roots: readonly FlowNode[];
  /** Everything below the roots, causes first. */
  readonly nodes: readonly FlowNode[];
  /** End to end. */
  readonly account: TimeAccount;
  readonly isFailed: boolean;
  /** Functions that ran, with the version of each. */
  readonly versions: ReadonlyMap<string, string>;
}

export function toRun(traceId: string, flow: Flow, roots: readonly FlowNode[]): Run {
  const nodes = roots.flatMap(withEffects);
  // What a batch ran for one of these records hangs below another's producer.
  const shared = new Set(nodes.flatMap((node) => node.shared));
  for (const node of nodes) shared.delete(node);
  const all = [...nodes, ...[...shared].flatMap(withEffects)];
  return {
    traceId,
    roots,
    nodes: all,
    account: timeAccount(roots, 'end-to-end'),
    isFailed: all.some((node) => isError(node.span)),
    versions: new Map(
      all.flatMap(({ span }) => (isFunctionSpan(span) ? [[functionOf(span), versionOf(span)] as const] : [])),
    ),
  };
}

/** The run that a trace belongs to: what its own roots go back to over links. */
export function runOfTrace(traceId: string, flow: Flow): Run {
  const own = new Set<FlowNode>();
  for (const node of flow.nodes)
    if (node.span.traceId === traceId && node.cause?.span.traceId !== traceId) own.add(rootOf(node));
  return toRun(
    traceId,
    flow,
    flow.roots.filter((root) => own.has(root)),
  );
}

export function startOf(run: Run): bigint {
  return run.account.startUnixNano;
}

/** When the last of its spans ended. */
export function lastEndOf(run: Run): bigint {
  return run.nodes.reduce(
    (most, { span }) => (endOf(span) > most ? endOf(span) : most),
    run.account.endUnixNano,
  );
}
