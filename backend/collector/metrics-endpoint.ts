import type { IncomingMessage, ServerResponse } from 'node:http';
import { answerPlainly } from './plain-http.ts';
import type { TokenGate } from './token.ts';

/** `GET /metrics`: what is counted here, in Prometheus' text format. */
export class MetricsEndpoint {
  readonly #text: () => string;
  readonly #gate: TokenGate;

  constructor(text: () => string, gate: TokenGate) {
    this.#text = text;
    this.#gate = gate;
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    await answerPlainly(request, response, undefined, async () => {
      this.#gate.check(request.headers.authorization);
      return { status: 200, text: this.#text() };
    });
  }
}
