import type { IncomingMessage, ServerResponse } from 'node:http';
import { toFailure } from '../../server/failure.ts';
import type { Logger } from '../../server/log.ts';
import { RETRY_AFTER_SECONDS } from './otlp-http.ts';

/** Runs a handler of Jaeger's or Zipkin's; what fails is said in plain text, as both do. */
export async function answerPlainly(
  request: IncomingMessage,
  response: ServerResponse,
  log: Logger | undefined,
  handle: () => Promise<{ readonly status: number; readonly json?: unknown; readonly text?: string }>,
): Promise<void> {
  try {
    const { status, json, text } = await handle();
    response.writeHead(status, { 'content-type': json === undefined ? 'text/plain' : 'application/json' });
    response.end(json === undefined ? text : JSON.stringify(json));
  } catch (error) {
    if (request.destroyed && !request.complete) return void response.destroy();
    const failure = toFailure(error, 'collector');
    if (failure.status >= 500)
      log?.warn({ error: failure, reason: failure.reason }, 'cannot store what was sent');
    response.writeHead(failure.status, {
      'content-type': 'text/plain',
      ...(failure.status === 405 ? { allow: 'POST' } : {}),
      ...(failure.status === 503 ? { 'retry-after': String(RETRY_AFTER_SECONDS) } : {}),
    });
    response.end(`${failure.message}\n`);
    if (!request.complete) request.resume();
  }
}
