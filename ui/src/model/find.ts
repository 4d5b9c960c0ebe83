import { formatValue } from '../text/value.ts';
import type { Span } from './trace.ts';

/** Indices of the spans that hold the text: in their name, service, ids, status, attributes or events. */
export function findSpans(spans: readonly Span[], text: string): number[] {
  const wanted = text.trim().toLowerCase();
  if (wanted === '') return [];
  const has = (value: string | undefined) => value !== undefined && value.toLowerCase().includes(wanted);
  const found: number[] = [];
  spans.forEach((span, i) => {
    const { source } = span;
    if (
      has(span.name) ||
      has(span.service) ||
      has(span.id) ||
      has(source.status.message) ||
      has(span.marks.killedBy) ||
      source.attributes?.some(({ key, value }) => has(key) || has(formatValue(value))) ||
      source.events?.some(
        (event) => has(event.name) || event.attributes?.some(({ value }) => has(formatValue(value))),
      )
    )
      found.push(i);
  });
  return found;
}
