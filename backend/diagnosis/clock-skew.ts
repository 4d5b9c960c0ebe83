import { SPAN_KIND } from '../../function/span/span-data.ts';
import type { FlowNode } from './flow.ts';
import { durationOf, endOf } from './span-facts.ts';

/**
 * How far a span lies outside of what caused it, which cannot be but by another clock: before its cause's start; and the answering
 * half of a call, also after its end. 0 when it does not, ns.
 */
export function skewOf(cause: FlowNode, node: FlowNode): bigint {
  const early = cause.span.startTimeUnixNano - node.span.startTimeUnixNano;
  const isCall = cause.span.kind === SPAN_KIND.client && node.span.kind === SPAN_KIND.server;
  // A server may be busy after its client has gone; but not when it took less time than its client waited.
  const late =
    isCall && durationOf(node.span) <= durationOf(cause.span) ? endOf(node.span) - endOf(cause.span) : 0n;
  const most = early > late ? early : late;
  return most > 0n ? most : 0n;
}
