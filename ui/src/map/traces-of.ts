import type { MapEdgeJson } from '../../../backend/query/shapes.ts';
import { quote } from '../search/query-text.ts';

/** The search that finds the traces of a way: every condition must hold on one span, which is the one at its end. */
export function tracesOf(edge: MapEdgeJson): { readonly service?: string; readonly q?: string } {
  const name = (id: string) => id.slice(id.indexOf(':') + 1);
  switch (edge.kind) {
    case 'call':
      return { service: name(edge.to) };
    case 'send':
      return { service: name(edge.from), q: `messaging.destination.name:${quote(name(edge.to))}` };
    case 'receive':
      return {
        q: `messaging.destination.name:${quote(name(edge.from))} messaging.consumer.group.name:${quote(edge.consumerGroup)}`,
      };
  }
}
