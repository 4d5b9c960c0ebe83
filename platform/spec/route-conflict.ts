import { keyOf, type HTTPTrigger } from './resources.ts';

/** Another trigger that takes what one asked for. */
export interface Shadow {
  readonly by: HTTPTrigger;
  /** Upper case; empty: all of them. */
  readonly methods: readonly string[];
}

/** As Kubernetes has conditions, with Fission's words for a trigger's (fission.md, section 4, "Matching"). */
export interface RouteCondition {
  readonly type: 'RouteAdmitted';
  readonly status: 'True' | 'False';
  readonly reason: 'Admitted' | 'RouteConflict';
  readonly message: string;
}

/**
 * Who is asked instead of a trigger: those of the same host and path that are older (then: whose name comes first), as the router
 * decides it. `all` are the triggers of every namespace, for they share one router.
 */
export function shadowsOf(trigger: HTTPTrigger, all: readonly HTTPTrigger[]): readonly Shadow[] {
  const place = placeOf(trigger);
  const shadows: Shadow[] = [];
  for (const other of all) {
    if (placeOf(other) !== place || !isOlder(other, trigger)) continue;
    const methods = shared(trigger.spec.methods, other.spec.methods);
    if (methods) shadows.push({ by: other, methods });
  }
  return shadows;
}

/** Not admitted when nothing is left of it; who is shadowed for some of its methods is told so and admitted for the others. */
export function routeCondition(trigger: HTTPTrigger, all: readonly HTTPTrigger[]): RouteCondition {
  const shadows = shadowsOf(trigger, all);
  const type = 'RouteAdmitted';
  if (shadows.length === 0) return { type, status: 'True', reason: 'Admitted', message: '' };
  const message = `shadowed by ${shadows.map(describeShadow).join(', ')}`;
  const taken = new Set(shadows.flatMap(({ methods }) => methods));
  const isLost =
    shadows.some(({ methods }) => methods.length === 0) ||
    (trigger.spec.methods.length > 0 &&
      trigger.spec.methods.every((method) => taken.has(method.toUpperCase())));
  return { type, status: isLost ? 'False' : 'True', reason: 'RouteConflict', message };
}

/** By key, for a list as long as ten thousand. */
export function routeConditions(all: readonly HTTPTrigger[]): ReadonlyMap<string, RouteCondition> {
  const places = Map.groupBy(all, placeOf);
  return new Map(
    all.map((trigger) => [
      keyOf(trigger.metadata),
      routeCondition(trigger, places.get(placeOf(trigger)) as HTTPTrigger[]),
    ]),
  );
}

function describeShadow({ by, methods }: Shadow): string {
  return `${keyOf(by.metadata)}${methods.length === 0 ? '' : ` (${methods.join(', ')})`}`;
}

function placeOf({ spec }: HTTPTrigger): string {
  return `${spec.host.toLowerCase()} ${spec.prefix === '' ? `path ${spec.relativeurl}` : `prefix ${spec.prefix}`}`;
}

export function isOlder(a: HTTPTrigger, b: HTTPTrigger): boolean {
  const [one, other] = [a.metadata, b.metadata];
  if (one.creationTimestamp !== other.creationTimestamp)
    return one.creationTimestamp < other.creationTimestamp;
  return one.name < other.name;
}

/** Which of `mine` stand in `theirs`; undefined for none, empty for all. No methods at all means any. */
function shared(mine: readonly string[], theirs: readonly string[]): readonly string[] | undefined {
  if (theirs.length === 0) return [];
  const upper = theirs.map((method) => method.toUpperCase());
  if (mine.length === 0) return upper;
  const both = mine.map((method) => method.toUpperCase()).filter((method) => upper.includes(method));
  return both.length === 0 ? undefined : both;
}
