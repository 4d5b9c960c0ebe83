import type { MapEdgeJson } from '../../../backend/query/shapes.ts';

/** The search that finds the traces of a way: every condition must hold on one span, which is the one at its end. */
export function tracesOf(edge: MapEdgeJson): { readonly service?: string; readonly tags?: string } {
  const name = (id: string) => id.slice(id.indexOf(':') + 1);
  const value = (text: string) => JSON.stringify(text);
  switch (edge.kind) {
    case 'call':
      return { service: name(edge.to) };
    case 'send':
      return { service: name(edge.from), tags: `messaging.destination.name=${value(name(edge.to))}` };
    case 'receive':
      return {
        tags: `messaging.destination.name=${value(name(edge.from))} messaging.consumer.group.name=${value(edge.consumerGroup)}`,
      };
  }
}
