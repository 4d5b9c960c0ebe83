import type { IncomingMessage, ServerResponse } from 'node:http';
import { Failure } from '../../server/failure.ts';
import type { Logger } from '../../server/log.ts';
import { readOtlpBody } from './body.ts';
import type { Ingest } from './ingest.ts';
import { answerPlainly } from './plain-http.ts';
import type { TokenGate } from './token.ts';
import { decodeZipkin } from './zipkin.ts';

/** Zipkin's collector: `POST /api/v2/spans` and `/api/v1/spans` in JSON; 202 when they are stored. */
export class ZipkinReceiver {
  readonly #ingest: Ingest;
  readonly #gate: TokenGate;
  readonly #log: Logger;

  constructor(ingest: Ingest, gate: TokenGate, log: Logger) {
    this.#ingest = ingest;
    this.#gate = gate;
    this.#log = log;
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    await answerPlainly(request, response, this.#log, async () => {
      const path = (request.url ?? '').split('?', 1)[0] as string;
      if (path !== '/api/v2/spans' && path !== '/api/v1/spans')
        throw new Failure(
          'collector',
          'not_found',
          `cannot find [${path.slice(0, 200)}]: Zipkin's spans go to /api/v2/spans`,
        );
      if (request.method !== 'POST')
        throw new Failure('collector', 'method_not_allowed', `cannot ${request.method} ${path}: use POST`);
      const type = (request.headers['content-type'] ?? 'application/json')
        .split(';', 1)[0]
        ?.trim()
        .toLowerCase();
      if (type !== 'application/json')
        throw new Failure(
          'collector',
          'unsupported_media_type',
          `cannot read content-type [${type?.slice(0, 64)}]: send application/json`,
        );
      this.#gate.check(request.headers.authorization);
      using held = this.#ingest.budget.reserve();
      const body = await readOtlpBody(request, this.#ingest.limits, held);
      const decoded = await this.#ingest.spans((columns) => decodeZipkin(body, columns));
      if (decoded.accepted === 0 && decoded.rejected > 0)
        throw new Failure('collector', 'bad_request', `cannot store any of the spans: ${decoded.reason}`);
      return { status: 202 };
    });
  }
}
