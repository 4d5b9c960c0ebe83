import { createHash, createHmac, hkdfSync } from 'node:crypto';

/** Of one request to a router's internal listener, added to its headers. */
export type SignRequest = (
  method: string,
  /** Path and query, as they are sent. */
  requestUri: string,
  body: Uint8Array,
  /** Unix time, s. */
  seconds?: number,
) => { readonly 'x-fission-auth-timestamp': string; readonly 'x-fission-auth-signature': string };

/**
 * Signs as Fission's own components do when `internalAuth` is on, which is its chart's default: HMAC-SHA256 over method, request URI, hash of
 * the body and the minute, by a key derived (HKDF) for this one channel. Fission's connectors do not, and are answered 401
 * (fission/fission, docs/internal-auth/00-design.md).
 */
export function createSigner(master: string): SignRequest {
  const key = Buffer.from(hkdfSync('sha256', master, '', 'fission-internal-v1:router-internal', 32));
  return (method, requestUri, body, seconds = Math.floor(Date.now() / 1_000)) => {
    const bodyHash = createHash('sha256').update(body).digest('hex');
    const said = [method, requestUri, bodyHash, seconds - (seconds % 60)].join('\n');
    return {
      'x-fission-auth-timestamp': String(seconds),
      'x-fission-auth-signature': createHmac('sha256', key).update(said).digest('hex'),
    };
  };
}
