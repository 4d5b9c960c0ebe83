import assert from 'node:assert/strict';
import { SPAN_KIND, STATUS_CODE, type SpanData } from '../../function/span/span-data.ts';
import type { LedgerResult } from './ledger.ts';

/** Every message's attempts are as planned; every span has its parent; there are as many of each kind as there must be. */
export function assertLedger({ planned, journeys, spans, redriven }: LedgerResult): void {
  assert.deepEqual(
    [...journeys.keys()].filter((id) => !planned.has(id)),
    [],
    'messages that nobody sent',
  );
  const wrong = [...planned].flatMap(([id, outcomes]) => {
    const told = journeys.get(id)?.outcomes.join(' ') ?? 'nothing';
    return told === outcomes.join(' ')
      ? []
      : [`${id}: planned ${outcomes.join(' ')}, the traces tell ${told}`];
  });
  assert.deepEqual(wrong.slice(0, 20), [], `${wrong.length} messages of ${planned.size}`);
  const dead = [...planned.values()].filter((outcomes) => outcomes.includes('dead_letter')).length;
  assert.equal(redriven, dead);
  assert.deepEqual(orphansOf(spans).slice(0, 20), [], 'orphans');

  const count = (is: (span: SpanData) => boolean) => spans.filter(is).length;
  const isBatch = (span: SpanData) => span.attributes['messaging.batch.message_count'] !== undefined;
  assert.equal(
    count(({ kind }) => kind === SPAN_KIND.producer),
    planned.size + 2 * dead,
    'sends',
  );
  assert.equal(
    count((span) => span.kind === SPAN_KIND.consumer && !isBatch(span)),
    planned.size + dead,
    'spans of processed messages',
  );
  const invokes = count(({ kind, name }) => kind === SPAN_KIND.client && name === 'invoke ledger');
  const runs = count(({ kind, name }) => kind === SPAN_KIND.server && name === 'ledger');
  assert.equal(runs, invokes, 'each invocation ran once');
  assert.deepEqual(
    spans
      .filter((span) => isBatch(span) && span.kind === SPAN_KIND.consumer)
      .filter((span) => span.links.length !== Number(span.attributes['messaging.batch.message_count']))
      .map(
        (span) => `${span.links.length} links of ${Number(span.attributes['messaging.batch.message_count'])}`,
      ),
    [],
    'a batch links to each of its messages',
  );
  assert.equal(
    count((span) => span.attributes['spoor.unfinished'] === true && span.status.code === STATUS_CODE.error),
    0,
    'spans that somebody had to close',
  );
}

function orphansOf(spans: readonly SpanData[]): string[] {
  const ids = new Set(spans.map((span) => `${span.traceId}/${span.spanId}`));
  return spans
    .filter((span) => span.parentSpanId !== '' && !ids.has(`${span.traceId}/${span.parentSpanId}`))
    .map((span) => `${span.name} in ${span.traceId}`);
}
