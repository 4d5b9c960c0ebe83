import type { CorsConfig } from '../spec/resources.ts';

/**
 * Headers that let a page of `origin` read the answer (https://fetch.spec.whatwg.org/#http-cors-protocol), flat name and value;
 * none when the trigger does not allow that origin.
 */
export function corsHeaders(config: CorsConfig | undefined, origin: string): string[] {
  if (!config || origin === '') return [];
  const allowed = allowedOrigin(config, origin);
  if (allowed === undefined) return ['vary', 'Origin'];
  const headers = ['access-control-allow-origin', allowed, 'vary', 'Origin'];
  if (config.allowCredentials) headers.push('access-control-allow-credentials', 'true');
  if (config.exposeHeaders.length > 0)
    headers.push('access-control-expose-headers', config.exposeHeaders.join(', '));
  return headers;
}

/** The answer to an OPTIONS that asks whether `method` is allowed. */
export function preflightHeaders(
  config: CorsConfig,
  origin: string,
  asked: { readonly method: string; readonly headers: string; readonly routeMethods: readonly string[] },
): string[] {
  const headers = corsHeaders(config, origin);
  if (!headers.includes('access-control-allow-origin')) return headers;
  const methods = config.allowMethods.length > 0 ? config.allowMethods : asked.routeMethods;
  headers.push('access-control-allow-methods', methods.join(', ') || asked.method);
  const allowHeaders = config.allowHeaders.includes('*') ? asked.headers : config.allowHeaders.join(', ');
  if (allowHeaders) headers.push('access-control-allow-headers', allowHeaders);
  if (config.maxAge > 0) headers.push('access-control-max-age', String(config.maxAge));
  return headers;
}

/** `*` may not be said together with credentials, so the origin itself is. */
function allowedOrigin(config: CorsConfig, origin: string): string | undefined {
  if (config.allowOrigins.includes('*')) return config.allowCredentials ? origin : '*';
  return config.allowOrigins.includes(origin) ? origin : undefined;
}
