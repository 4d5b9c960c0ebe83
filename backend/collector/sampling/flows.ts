import { MAX_LINKS_PER_TRACE, type LinkedPair } from '../../store/tail-sampling.ts';

/** Traces that links join, whichever way and however far. */
export interface Flow {
  readonly traceIds: readonly string[];
  /** False when a limit was met, so that there may be more of it. */
  readonly whole: boolean;
}

/** As the flow that the query API shows. */
const MAX_TRACES = 1_000;
const MAX_DEPTH = 50;
/** Traces whose links are asked for at once. */
const MAX_ASKED = 2_000;
/** Traces looked at besides those that were asked for, in one go. */
const MAX_FOUND = 50_000;

/** The flows that the given traces are of, each once; step by step, all flows at a time. */
export async function findFlows(
  traceIds: readonly string[],
  linked: (traceIds: readonly string[]) => Promise<readonly LinkedPair[]>,
): Promise<readonly Flow[]> {
  const groups = new Groups();
  const unwhole = new Set<string>();
  let border = traceIds;
  for (const traceId of traceIds) groups.add(traceId);
  const most = groups.size + MAX_FOUND;
  for (let depth = 0; border.length > 0; depth += 1) {
    if (depth === MAX_DEPTH || groups.size > most) {
      for (const traceId of border) unwhole.add(traceId);
      break;
    }
    const next: string[] = [];
    for (let at = 0; at < border.length; at += MAX_ASKED) {
      const links = new Map<string, number>();
      for (const [one, other] of await linked(border.slice(at, at + MAX_ASKED))) {
        links.set(one, (links.get(one) ?? 0) + 1);
        if (groups.add(other)) next.push(other);
        groups.join(one, other);
      }
      for (const [traceId, count] of links) if (count > MAX_LINKS_PER_TRACE) unwhole.add(traceId);
    }
    border = next;
  }
  const flows = groups.all();
  const cut = new Set([...unwhole].map((traceId) => groups.rootOf(traceId)));
  return flows.map((members) => ({
    traceIds: members,
    whole: members.length <= MAX_TRACES && !cut.has(groups.rootOf(members[0] as string)),
  }));
}

/** Disjoint sets. */
class Groups {
  readonly #parents = new Map<string, string>();

  get size(): number {
    return this.#parents.size;
  }

  /** False when it was there. */
  add(id: string): boolean {
    if (this.#parents.has(id)) return false;
    this.#parents.set(id, id);
    return true;
  }

  join(one: string, other: string): void {
    this.#parents.set(this.rootOf(one), this.rootOf(other));
  }

  rootOf(id: string): string {
    let at = id;
    for (;;) {
      const parent = this.#parents.get(at) as string;
      if (parent === at) return at;
      // Halves the way for the next one.
      const above = this.#parents.get(parent) as string;
      this.#parents.set(at, above);
      at = above;
    }
  }

  all(): readonly (readonly string[])[] {
    return [...Map.groupBy(this.#parents.keys(), (id) => this.rootOf(id)).values()];
  }
}
