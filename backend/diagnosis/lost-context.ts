import { HTTP_REQUEST_METHOD, URL_FULL, URL_PATH } from '../../function/span/attributes.ts';
import { SPAN_KIND } from '../../function/span/span-data.ts';
import type { Flow, FlowNode } from './flow.ts';
import { endOf, functionOf, isFunctionSpan, isInvoke, serviceOf, textOf } from './span-facts.ts';
import { ownerOf } from './stages.ts';

/** A call that was made and did not carry the context: what it caused is a trace of its own. */
export interface LostContext {
  /** The call, or the invocation that made it. */
  readonly caller: FlowNode;
  /** Where the other trace begins. */
  readonly stray: FlowNode;
  readonly from: string;
  readonly to: string;
}

/** Invocations in which a call is seen, from which on one without it is odd. */
const LEAST_SEEN = 3;
/** Of the traces that begin with a function, those that begin inside an invocation that usually calls it: others come from outside. */
const LEAST_SHARE = 0.5;

/**
 * Two signs, each of which leaves little doubt:
 *
 *     greeter  |--------------|        a CLIENT span whose other side is not here, and while it ran a trace that begins with
 *     └ GET /validate |----|           the same request;
 *     (other trace)    |--| GET /validate
 *
 *     greeter  |--------------|        an invocation without the call that others of its function make, and while it ran a
 *     (other trace)    |--| validator  trace that begins with the function which is usually called.
 */
export function lostContexts(flow: Flow): LostContext[] {
  const strays = flow.roots
    .filter(({ span }) => span.kind === SPAN_KIND.server)
    .map((root) => ({ root, to: functionBelow(root) }));
  const found = new Map<FlowNode, LostContext>();
  for (const lost of [...byRequest(flow, strays), ...byHabit(flow, strays)])
    if (!found.has(lost.stray)) found.set(lost.stray, lost);
  return [...found.values()];
}

interface Stray {
  readonly root: FlowNode;
  /** The function that it begins with; '' when there is none. */
  readonly to: string;
}

function byRequest(flow: Flow, strays: readonly Stray[]): LostContext[] {
  const byPath = Map.groupBy(strays, ({ root }) => requestOf(root));
  return flow.nodes.flatMap((node) => {
    const { span, effects } = node;
    if (span.kind !== SPAN_KIND.client || isInvoke(span)) return [];
    if (effects.some((effect) => effect.span.kind === SPAN_KIND.server)) return [];
    const request = requestOf(node);
    if (request === '') return [];
    const stray = byPath.get(request)?.find(({ root }) => beganDuring(root, node));
    if (!stray) return [];
    return [
      { caller: node, stray: stray.root, from: ownerOf(node), to: stray.to || serviceOf(stray.root.span) },
    ];
  });
}

/** `GET /validate`; '' when the span does not say. */
function requestOf({ span }: FlowNode): string {
  const url = textOf(span.attributes[URL_FULL] ?? span.attributes['http.url']);
  const path = textOf(span.attributes[URL_PATH]) || (URL.canParse(url) ? new URL(url).pathname : '');
  const method = textOf(span.attributes[HTTP_REQUEST_METHOD] ?? span.attributes['http.method']);
  return path === '' || method === '' ? '' : `${method} ${path}`;
}

function byHabit(flow: Flow, strays: readonly Stray[]): LostContext[] {
  const byFunction = Map.groupBy(
    flow.nodes.filter(({ span }) => isFunctionSpan(span)),
    ({ span }) => functionOf(span),
  );
  const strayOf = Map.groupBy(
    strays.filter(({ to }) => to !== ''),
    ({ to }) => to,
  );
  return [...byFunction].flatMap(([from, invocations]) => {
    const callees = new Map(invocations.map((node) => [node, calledBy(node)]));
    return [...strayOf].flatMap(([to, begun]) => {
      const lacking = invocations.filter((node) => !callees.get(node)?.has(to));
      if (invocations.length - lacking.length < LEAST_SEEN || to === from) return [];
      const inside = begun.flatMap(({ root }): LostContext[] => {
        const caller = lacking.find((node) => beganDuring(root, node));
        return caller ? [{ caller, stray: root, from, to }] : [];
      });
      return inside.length >= begun.length * LEAST_SHARE ? inside : [];
    });
  });
}

/** Functions that an invocation calls, and waits for: over a topic the context goes another way. */
function calledBy(node: FlowNode): Set<string> {
  const called = new Set<string>();
  const below = [...node.effects];
  for (let next = below.pop(); next; next = below.pop()) {
    if (next.span.kind === SPAN_KIND.consumer) continue;
    if (isFunctionSpan(next.span)) called.add(functionOf(next.span));
    else below.push(...next.effects);
  }
  return called;
}

function functionBelow(root: FlowNode): string {
  if (isFunctionSpan(root.span)) return functionOf(root.span);
  const [first = ''] = calledBy(root);
  return first;
}

function beganDuring(root: FlowNode, { span }: FlowNode): boolean {
  const at = root.span.startTimeUnixNano;
  return root.span.traceId !== span.traceId && at >= span.startTimeUnixNano && at <= endOf(span);
}
