import { keyOf, type FunctionResource, type HTTPTrigger, type Reference } from '../spec/resources.ts';
import type { Catalog } from '../spec/catalog.ts';
import type { Match, Params } from './route-table.ts';
import { chooseFunction } from './weights.ts';

/** Where a request goes: which function, and as what it will see the request. */
export interface Target {
  readonly fn: Reference;
  /** What the function sees: path and query. */
  readonly path: string;
  /** Path and query as the client sent them. */
  readonly fullUrl: string;
  /** `http.route` */
  readonly route: string;
  readonly params: Params;
  readonly trigger: HTTPTrigger | undefined;
}

/** A request-target (RFC 9112, section 3.2), taken apart. */
export interface RequestUrl {
  /** Of an absolute-form target, as a proxy gets it; '' else. */
  readonly authority: string;
  readonly path: string;
  /** With its `?`; '' when there is none. */
  readonly query: string;
}

const ABSOLUTE = /^https?:\/\/([^/?#]*)(.*)$/i;

export function splitUrl(url: string): RequestUrl {
  if (!url.startsWith('/')) {
    const absolute = ABSOLUTE.exec(url);
    if (!absolute) return { authority: '', path: '/', query: '' };
    const rest = absolute[2] as string;
    return { ...splitUrl(rest.startsWith('/') ? rest : `/${rest}`), authority: absolute[1] as string };
  }
  const mark = url.indexOf('?');
  if (mark < 0) return { authority: '', path: url, query: '' };
  return { authority: '', path: url.slice(0, mark), query: url.slice(mark) };
}

/** Host without port, lower case. */
export function hostName(host: string): string {
  const colon = host.indexOf(':', host.startsWith('[') ? host.indexOf(']') : 0);
  return (colon < 0 ? host : host.slice(0, colon)).toLowerCase();
}

/**
 * What a trigger makes of a request (fission.md 1.3): a relativeurl is always `/` to the function, a prefix is taken off unless
 * keepPrefix. undefined when its weights are all zero.
 */
export function targetOf(match: Extract<Match, { type: 'route' }>, url: RequestUrl): Target | undefined {
  const { trigger, pattern, isPrefix } = match.route;
  const name = chooseFunction(trigger.spec.functionref);
  if (name === undefined) return undefined;
  let path = '/';
  if (isPrefix) path = trigger.spec.keepPrefix ? url.path : match.rest || '/';
  return {
    fn: { name, namespace: trigger.metadata.namespace },
    path: path + url.query,
    fullUrl: url.path + url.query,
    route: pattern,
    params: match.params,
    trigger,
  };
}

export const INTERNAL_PREFIX = '/fission-function/';

/**
 * `/fission-function/[ns/]NAME[/sub]`. When both readings name a function, the one with the namespace is meant, as Fission's longer
 * route would match first. undefined when no function has that name.
 */
export function internalTarget(catalog: Catalog, url: RequestUrl): Target | undefined {
  const parts = url.path.slice(INTERNAL_PREFIX.length).split('/');
  const [first = '', second] = parts;
  const found =
    (second !== undefined && findFunction(catalog, first, second)) || findFunction(catalog, 'default', first);
  if (!found) return undefined;
  const { name, namespace } = found.metadata;
  const used = found.metadata.name === second && namespace === first ? 2 : 1;
  const reference = { name, namespace };
  return {
    fn: reference,
    path: `/${parts.slice(used).join('/')}${url.query}`,
    fullUrl: url.path + url.query,
    route: INTERNAL_PREFIX + (namespace === 'default' ? name : keyOf(reference)),
    params: {},
    trigger: undefined,
  };
}

function findFunction(catalog: Catalog, namespace: string, name: string): FunctionResource | undefined {
  return catalog.get('Function', { namespace, name });
}
