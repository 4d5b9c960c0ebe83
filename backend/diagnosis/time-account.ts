import { criticalPath, type PathSegment, type Reading } from './critical-path.ts';
import type { FlowNode } from './flow.ts';
import { compareBigInt } from './span-facts.ts';
import { stageOf, type Stage } from './stages.ts';

/** Where the time went, to the nanosecond: `wallNano` is the sum of the stages, and of the segments. */
export interface TimeAccount {
  readonly reading: Reading;
  readonly roots: readonly FlowNode[];
  readonly startUnixNano: bigint;
  readonly endUnixNano: bigint;
  readonly wallNano: bigint;
  /** Largest first. */
  readonly stages: readonly AccountStage[];
  /** In order of time, without gap or overlap. */
  readonly segments: readonly AccountSegment[];
}

export interface AccountStage {
  readonly stage: Stage;
  readonly owner: string;
  readonly nano: bigint;
  /** 0..1 of the wall time. */
  readonly share: number;
  /** Those that spent it, largest part first. */
  readonly nodes: readonly FlowNode[];
}

export interface AccountSegment extends PathSegment {
  readonly stage: Stage;
  readonly owner: string;
}

/**
 * The critical path with a name for each stretch of it. Since the path covers every moment once, the stages sum to the wall time
 * whatever the spans overlap and whatever their clocks say; what no span explains is `unknown`.
 */
export function timeAccount(roots: readonly FlowNode[], reading: Reading): TimeAccount {
  const path = criticalPath(roots, reading);
  const segments = path.segments.map((segment): AccountSegment => ({ ...segment, ...stageOf(segment) }));
  const wallNano = path.endUnixNano - path.startUnixNano;
  const groups = Map.groupBy(segments, ({ stage, owner }) => `${stage}\0${owner}`);
  const stages = [...groups.values()].map((group): AccountStage => {
    const { stage, owner } = group[0] as AccountSegment;
    const nano = sum(group);
    const nodes = new Map<FlowNode, bigint>();
    for (const segment of group)
      for (const node of spentBy(segment)) nodes.set(node, (nodes.get(node) ?? 0n) + lengthOf(segment));
    return {
      stage,
      owner,
      nano,
      share: wallNano === 0n ? 0 : Number(nano) / Number(wallNano),
      nodes: [...nodes].sort(([, a], [, b]) => compareBigInt(b, a)).map(([node]) => node),
    };
  });
  stages.sort((a, b) => compareBigInt(b.nano, a.nano) || (a.stage < b.stage ? -1 : 1));
  return {
    reading,
    roots,
    startUnixNano: path.startUnixNano,
    endUnixNano: path.endUnixNano,
    wallNano,
    stages,
    segments,
  };
}

export function nanoOf(account: TimeAccount, stage: Stage, owner?: string): bigint {
  return account.stages
    .filter((each) => each.stage === stage && (owner === undefined || each.owner === owner))
    .reduce((total, each) => total + each.nano, 0n);
}

export function lengthOf(segment: PathSegment): bigint {
  return segment.endUnixNano - segment.startUnixNano;
}

/** The spans that a stretch rests on; time in a queue rests on both ends of it. */
function spentBy({ node, after, stage }: AccountSegment): FlowNode[] {
  return [node, stage === 'queue wait' ? after : undefined].filter((each) => each !== undefined);
}

function sum(segments: readonly PathSegment[]): bigint {
  return segments.reduce((total, segment) => total + lengthOf(segment), 0n);
}
