import { parse as parseQuery } from 'node:querystring';
import type { TLSSocket } from 'node:tls';
import { http } from './http.ts';
import { matchesType } from './media-type.ts';

/**
 * A request as functions written for Fission know it: Node's own, with what they use of Express on top.
 * Nothing is worked out before it is asked for.
 */
export class FunctionRequest extends http.IncomingMessage {
  /** Set once the body is parsed; undefined when its type is not one that is parsed: then the request is still a stream. */
  body: unknown;
  readonly baseUrl = '';

  get originalUrl(): string {
    return this.url ?? '/';
  }

  get path(): string {
    return pathOf(this.url ?? '/');
  }

  get query(): Record<string, string | string[] | undefined> {
    const url = this.url ?? '/';
    const mark = url.indexOf('?');
    return mark < 0 ? {} : { ...parseQuery(url.slice(mark + 1)) };
  }

  /** The path template's variables, which the router sends as `X-Fission-Params-<name>`; names in lower case. */
  get params(): Record<string, string> {
    const params: Record<string, string> = {};
    for (const [name, value] of Object.entries(this.headers)) {
      if (name.startsWith(PARAMS)) params[name.slice(PARAMS.length)] = String(value);
    }
    return params;
  }

  get(name: string): string | undefined {
    const lower = name.toLowerCase();
    const value =
      lower === 'referer' || lower === 'referrer'
        ? (this.headers['referrer'] ?? this.headers['referer'])
        : this.headers[lower];
    return Array.isArray(value) ? value.join(', ') : value;
  }

  header(name: string): string | undefined {
    return this.get(name);
  }

  /** The first of `types` (`json`, `text/*`, `application/xml`, `+json`) that the body is of, else false. */
  is(...types: (string | string[])[]): string | false {
    const own = this.headers['content-type'];
    if (own === undefined) return false;
    return types.flat().find((type) => matchesType(own, type)) ?? false;
  }

  get secure(): boolean {
    return this.protocol === 'https';
  }

  get protocol(): string {
    return (this.socket as TLSSocket).encrypted ? 'https' : 'http';
  }

  get hostname(): string | undefined {
    return this.headers.host?.replace(/:\d*$/, '');
  }

  get ip(): string | undefined {
    return this.socket.remoteAddress;
  }

  get xhr(): boolean {
    return this.headers['x-requested-with']?.toString().toLowerCase() === 'xmlhttprequest';
  }
}

const PARAMS = 'x-fission-params-';

export function pathOf(url: string): string {
  const mark = url.indexOf('?');
  return mark < 0 ? url : url.slice(0, mark);
}
