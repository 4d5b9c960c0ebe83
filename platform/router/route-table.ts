import { keyOf, type HTTPTrigger } from '../spec/resources.ts';
import { isOlder } from '../spec/route-conflict.ts';
import { parseTemplate, type Template } from '../spec/path-template.ts';

/** A trigger, ready to be matched. */
export interface Route {
  readonly trigger: HTTPTrigger;
  /** The template or prefix as the user wrote it: `http.route`. */
  readonly pattern: string;
  readonly isPrefix: boolean;
  readonly template: Template;
  /** Upper case; empty for any. */
  readonly methods: ReadonlySet<string>;
}

export type Match =
  | { readonly type: 'route'; readonly route: Route; readonly params: Params; readonly rest: string }
  /** The path is known, the method is not. `preflight` is the route whose CORS configuration answers an OPTIONS. */
  | { readonly type: 'method'; readonly allow: readonly string[]; readonly preflight: Route | undefined }
  | { readonly type: 'none' };

export type Params = Readonly<Record<string, string>>;

const NO_PARAMS: Params = Object.freeze({});
const NONE: Match = { type: 'none' };

/**
 * HTTPTriggers, indexed so that a match costs the depth of the path and not the number of routes, and a change costs one route.
 *
 *   host ──> tree of segments ──> node: routes that end here, prefixes that begin here, patterns (regexes) below here
 *
 * Precedence is Fission's (fission.md, section 4): a host before none, an exact path before a prefix, the longest prefix, then
 * the oldest trigger. Among exact paths a literal segment goes before a variable.
 */
export class RouteTable {
  readonly #hosts = new Map<string, Node>();
  readonly #routes = new Map<string, Route>();

  get size(): number {
    return this.#routes.size;
  }

  /** Replaces what stood under the trigger's name. Throws an Error when its path is no template. Returns the triggers that shadow it. */
  put(trigger: HTTPTrigger): readonly HTTPTrigger[] {
    this.delete(trigger);
    const isPrefix = trigger.spec.prefix !== '';
    const pattern = isPrefix ? trigger.spec.prefix : trigger.spec.relativeurl;
    const template = parseTemplate(pattern, isPrefix);
    const route: Route = {
      trigger,
      pattern,
      isPrefix,
      template,
      methods: new Set(trigger.spec.methods.map((method) => method.toUpperCase())),
    };
    this.#routes.set(keyOf(trigger.metadata), route);
    const routes = listOf(this.#node(route), route);
    insertByAge(routes, route);
    return shadowing(routes, route);
  }

  delete(trigger: HTTPTrigger): void {
    const key = keyOf(trigger.metadata);
    const route = this.#routes.get(key);
    if (!route) return;
    this.#routes.delete(key);
    const routes = listOf(this.#node(route), route);
    routes.splice(routes.indexOf(route), 1);
  }

  /** `host` without port, lower case; `path` as it came, without query. */
  match(host: string, method: string, path: string): Match {
    const search = new Search(method, path);
    const own = host === '' ? undefined : this.#hosts.get(host);
    const any = this.#hosts.get('');
    return (own && search.in(own)) ?? (any && search.in(any)) ?? search.refusal();
  }

  /** The node a route hangs on: the end of its path, or where the part begins that only a regex can tell. */
  #node(route: Route): Node {
    const host = route.trigger.spec.host.toLowerCase();
    let node = getOrAdd(this.#hosts, host);
    for (const segment of segmentsOf(route)) {
      node = 'literal' in segment ? getOrAdd(node.literals, segment.literal) : (node.variable ??= new Node());
    }
    return node;
  }
}

class Node {
  readonly literals = new Map<string, Node>();
  variable: Node | undefined;
  /** Each list stands in order of precedence. */
  readonly exact: Route[] = [];
  readonly prefixes: Route[] = [];
  readonly patterns: Route[] = [];
}

/** One walk through a tree; keeps what it met with another method, for the 405. */
class Search {
  readonly #method: string;
  readonly #path: string;
  readonly #segments: readonly string[];
  #refused: Route[] | undefined;

  constructor(method: string, path: string) {
    this.#method = method;
    this.#path = path;
    this.#segments = path.split('/').slice(1).map(decodeSegment);
  }

  in(root: Node): Match | undefined {
    return this.#exact(root, 0) ?? this.#prefix(root, 0);
  }

  refusal(): Match {
    if (!this.#refused) return NONE;
    const allow = [...new Set(this.#refused.flatMap((route) => [...route.methods]))];
    return {
      type: 'method',
      allow,
      preflight: this.#refused.find((route) => route.trigger.spec.corsConfig !== undefined),
    };
  }

  #exact(node: Node, depth: number): Match | undefined {
    const segment = this.#segments[depth];
    if (segment === undefined) return this.#pick(node.exact) ?? this.#byPattern(node, false);
    const literal = node.literals.get(segment);
    const found =
      (literal && this.#exact(literal, depth + 1)) ??
      (node.variable && segment !== '' ? this.#exact(node.variable, depth + 1) : undefined);
    return found ?? this.#byPattern(node, false);
  }

  /** Deepest first: the longest prefix wins. */
  #prefix(node: Node, depth: number): Match | undefined {
    const segment = this.#segments[depth];
    if (segment !== undefined) {
      const literal = node.literals.get(segment);
      const found =
        (literal && this.#prefix(literal, depth + 1)) ??
        (node.variable && segment !== '' ? this.#prefix(node.variable, depth + 1) : undefined);
      if (found) return found;
    }
    return this.#byPattern(node, true) ?? this.#pick(node.prefixes, depth);
  }

  #byPattern(node: Node, isPrefix: boolean): Match | undefined {
    for (const route of node.patterns) {
      if (route.isPrefix !== isPrefix) continue;
      const found = route.template.pattern?.exec(this.#path);
      if (!found || !this.#allows(route)) continue;
      const params: Record<string, string> = {};
      route.template.variables.forEach((name, i) => {
        params[name] = decodeSegment(found.groups?.[`v${i}`] ?? '');
      });
      return { type: 'route', route, params, rest: this.#path.slice(found[0].length) };
    }
    return undefined;
  }

  #pick(routes: readonly Route[], prefixDepth?: number): Match | undefined {
    for (const route of routes) {
      if (!this.#allows(route)) continue;
      // `/api/` is a prefix of what lies below, not of `/api` itself.
      if (prefixDepth !== undefined && route.pattern.endsWith('/') && this.#segments.length <= prefixDepth)
        continue;
      return {
        type: 'route',
        route,
        params: this.#params(route),
        rest: prefixDepth === undefined ? '' : this.#restAfter(prefixDepth),
      };
    }
    return undefined;
  }

  #allows(route: Route): boolean {
    if (route.methods.size === 0 || route.methods.has(this.#method)) return true;
    (this.#refused ??= []).push(route);
    return false;
  }

  #params(route: Route): Params {
    if (route.template.variables.length === 0) return NO_PARAMS;
    const params: Record<string, string> = {};
    route.template.segments.forEach((segment, i) => {
      if ('variable' in segment) params[segment.variable] = this.#segments[i] ?? '';
    });
    return params;
  }

  #restAfter(depth: number): string {
    let at = 0;
    for (let i = 0; i < depth && at >= 0; i++) at = this.#path.indexOf('/', at + 1);
    return at < 0 ? '' : this.#path.slice(at);
  }
}

/** `/api/` and `/api` hang on the same node. */
function segmentsOf(route: Route): Template['segments'] {
  const { segments } = route.template;
  const last = segments.at(-1);
  const isOpen = route.isPrefix && last !== undefined && 'literal' in last && last.literal === '';
  return isOpen ? segments.slice(0, -1) : segments;
}

function listOf(node: Node, route: Route): Route[] {
  if (route.template.pattern) return node.patterns;
  return route.isPrefix ? node.prefixes : node.exact;
}

function insertByAge(routes: Route[], route: Route): void {
  const at = routes.findIndex((other) => isOlder(route.trigger, other.trigger));
  routes.splice(at < 0 ? routes.length : at, 0, route);
}

function shadowing(routes: readonly Route[], route: Route): HTTPTrigger[] {
  return routes
    .slice(0, routes.indexOf(route))
    .filter((other) => other.pattern === route.pattern && overlap(other.methods, route.methods))
    .map((other) => other.trigger);
}

function overlap(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === 0 || b.size === 0 || !a.isDisjointFrom(b);
}

function decodeSegment(text: string): string {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function getOrAdd(nodes: Map<string, Node>, key: string): Node {
  let node = nodes.get(key);
  if (!node) nodes.set(key, (node = new Node()));
  return node;
}
