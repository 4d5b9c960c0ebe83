import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DerivedInsert } from './engine.ts';
import type { SpanColumns } from './span-columns.ts';

/** The inserts that a block of spans calls for beside its own; most blocks of most senders call for none. */
export function derivedOf(columns: SpanColumns): readonly DerivedInsert[] {
  const has = (...keys: readonly string[]) =>
    keys.some((key) => columns.attributes.map.keys.findText(key) >= 0);
  const wanted: DerivedInsert[] = [];
  if (columns.links > 0) wanted.push(LINKS);
  if (has('messaging.destination.name', 'messaging.destination')) wanted.push(MESSAGES);
  if (has('faas.name', 'faas.invoked_name')) wanted.push(FUNCTIONS);
  return wanted;
}

/** What goes into `spans` itself: what most spans lack becomes one column there, and is not looked for where there is none. */
export function spansOf(columns: SpanColumns): DerivedInsert {
  return columns.hasRare ? PACKED_SPANS : PLAIN_SPANS;
}

const SPAN_COLUMNS = [
  'trace_id',
  'span_id',
  'parent_span_id',
  'service',
  'name',
  'kind',
  'status',
  'status_message',
  'start',
  'duration',
  'attributes',
  'attribute_types',
  'resource',
  'scope_name',
  'scope_version',
  'flags',
  'more',
];
const PACKED_SPANS = derived('spans', SPAN_COLUMNS, 'packed-spans');
const PLAIN_SPANS = derived('spans', SPAN_COLUMNS, 'plain-spans');
const LINKS = derived('links', [
  'to_trace_id',
  'to_span_id',
  'from_trace_id',
  'from_span_id',
  'from_service',
  'from_start',
  'attributes',
  'attribute_types',
]);
const MESSAGES = derived('messages', [
  'topic',
  'partition',
  'offset',
  'start',
  'trace_id',
  'span_id',
  'service',
  'name',
  'kind',
  'status',
  'duration',
  'record_key',
  'has_key',
  'consumer_group',
]);
const FUNCTIONS = derived('functions', [
  'minute',
  'function',
  'invocations',
  'errors',
  'cold_starts',
  'timeouts',
  'retries',
  'durations',
  'last_seen',
]);

/** `sql/derive/FILE.sql`, named after the table if not said otherwise, selects these columns, in this order, from `{block}`. */
export function derived(table: string, columns: readonly string[], file = table): DerivedInsert {
  const sql = readFileSync(join(import.meta.dirname, 'sql', 'derive', `${file}.sql`), 'utf8')
    .split('\n')
    .filter((line) => !line.startsWith('--'))
    .join('\n')
    .trim();
  return { table, columns, select: (source) => sql.replace('{block}', source) };
}
