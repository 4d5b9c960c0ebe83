import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SpanData } from '../../function/span/span-data.ts';
import { SPAN_KIND, STATUS_CODE } from '../../function/span/span-data.ts';

/** A folder of one's own for the time of a test. */
export async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'spoor-store-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

export const traceIdOf = () => randomBytes(16).toString('hex');
export const spanIdOf = () => randomBytes(8).toString('hex');

/** 2026-03-01T12:00:00Z */
export const NOON = 1_772_366_400_000_000_000n;

/** A plain span, with what the test cares about in place of the defaults. */
export function span(fields: Partial<SpanData> = {}): SpanData {
  return {
    traceId: traceIdOf(),
    spanId: spanIdOf(),
    parentSpanId: '',
    name: 'greeter',
    kind: SPAN_KIND.server,
    startTimeUnixNano: NOON,
    endTimeUnixNano: NOON + 5_000_000n,
    status: { code: STATUS_CODE.unset, message: '' },
    attributes: {},
    events: [],
    links: [],
    traceState: '',
    flags: 1,
    resource: { 'service.name': 'greeter' },
    scope: { name: 'spoor', version: '1' },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
    ...fields,
  };
}
