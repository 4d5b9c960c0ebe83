import { randomUUID } from 'node:crypto';
import type { Destination } from '../spec/resources.ts';
import { keyOf } from '../spec/resources.ts';
import { TOPIC, type AsyncInvocation, type AsyncRequest, type Settlement } from './async-store.ts';

/** Destinations that lead to destinations end here, so that a ring of them does not go on for ever (RFC-0024). */
export const MAX_DEPTH = 3;
/** Of each payload in an envelope. */
const PAYLOAD_BYTES = 64 * 1024;
const PUBLISH_TIMEOUT_MS = 30_000;

/** What a destination gets: RFC-0024's envelope, which is Lambda's. */
export interface Envelope {
  readonly version: '1.0';
  readonly requestContext: {
    readonly invocationId: string;
    readonly functionRef: string;
    readonly condition: string;
    readonly attempts: number;
  };
  /** JSON as it was, any other text as a string; absent when it is larger than 64 KiB or no text. */
  readonly requestPayload?: unknown;
  readonly responseContext: { readonly statusCode: number };
  readonly responsePayload?: unknown;
}

/** The invocation that tells `to` of an outcome; `carrier` is the trace context of the delivery that had it. */
export function tell(
  to: Destination,
  invocation: AsyncInvocation,
  settlement: Settlement,
  carrier: Readonly<Record<string, string>>,
): AsyncRequest {
  const { id, fn, attempts, requestId, depth } = invocation;
  const envelope: Envelope = {
    version: '1.0',
    requestContext: { invocationId: id, functionRef: keyOf(fn), condition: settlement.condition, attempts },
    ...payload('requestPayload', invocation.body),
    responseContext: { statusCode: settlement.status },
    ...payload('responsePayload', settlement.answer),
  };
  return {
    id: randomUUID(),
    fn: { namespace: to.type === 'topic' ? TOPIC : fn.namespace, name: to.name },
    depth: depth + 1,
    method: 'POST',
    path: '/',
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(JSON.stringify(envelope)),
    carrier,
    requestId,
    // Settled twice (the process died in between) it is told of once.
    dedupKey: `${id} ${attempts} ${to.type}`,
    acceptedMs: Date.now(),
  };
}

/** Through the internal listener of this platform, which makes the PRODUCER span. Throws an Error that says why not. */
export async function publishOver(
  internalUrl: string,
  topic: string,
  message: { readonly body: Uint8Array; readonly headers: Readonly<Record<string, string>> },
): Promise<void> {
  const response = await fetch(`${internalUrl}/topics/${encodeURIComponent(topic)}`, {
    method: 'POST',
    headers: message.headers,
    body: Buffer.from(message.body),
    signal: AbortSignal.timeout(PUBLISH_TIMEOUT_MS),
  });
  const text = await response.text();
  if (!response.ok)
    throw new Error(`cannot publish to topic [${topic}]: ${response.status}: ${text.slice(0, 500)}`);
}

const UTF8 = new TextDecoder('utf-8', { fatal: true });

function payload(name: 'requestPayload' | 'responsePayload', bytes: Uint8Array): Record<string, unknown> {
  if (bytes.length === 0 || bytes.length > PAYLOAD_BYTES) return {};
  let text: string;
  try {
    text = UTF8.decode(bytes);
  } catch {
    return {};
  }
  try {
    return { [name]: JSON.parse(text) as unknown };
  } catch {
    return { [name]: text };
  }
}
