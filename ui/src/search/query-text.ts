import type { SearchParams } from './params.ts';

/** All conditions of the bar as one query (docs/api.md, the language of `q`); '' asks for everything. */
export function queryText(search: SearchParams): string {
  const query = search.query.trim();
  return [
    search.service === '' ? '' : `service:${quote(search.service)}`,
    search.operation === '' ? '' : `name:${quote(search.operation)}`,
    search.errors ? 'error' : '',
    search.min === '' ? '' : `duration>=${search.min}`,
    search.max === '' ? '' : `duration<=${search.max}`,
    // In brackets, so that an OR of it does not take the rest apart.
    query === '' || !/\bor\b/i.test(query) ? query : `(${query})`,
  ]
    .filter((part) => part !== '')
    .join(' AND ');
}

/** A value as it can stand in a query: in quotes unless it is a plain word. */
export function quote(value: string): string {
  return /^[\w./:@-]+$/.test(value) ? value : `"${value.replaceAll(/["\\]/g, '\\$&')}"`;
}
