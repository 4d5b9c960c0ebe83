import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { listen } from '../../../server/listen.ts';
import { closeHttpServer } from '../../../server/stop.ts';
import type { LogData, SpanData } from '../../span/span-data.ts';
import { decodeLogs, decodeTraces } from './otlp-decoder.ts';

/** What the sink does with a request: an answer, or undefined to take it. */
export type Mood = (
  request: IncomingMessage,
  body: Buffer,
) => Promise<SinkAnswer | undefined> | SinkAnswer | undefined;

export interface SinkAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | string;
  /** The spans and logs in it are taken all the same. */
  readonly isTaken?: boolean;
}

/** A collector that decodes every OTLP request it takes, and can be in any mood. */
export class OtlpSink implements AsyncDisposable {
  readonly spans: SpanData[] = [];
  readonly logs: LogData[] = [];
  requests = 0;
  /** What could not be decoded: answered with 400, and for the test to look at. */
  readonly faults: string[] = [];
  mood: Mood = () => undefined;
  url = '';
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  static async start(port = 0): Promise<OtlpSink> {
    const sink = new OtlpSink();
    sink.url = (await listen(sink.#server, { port }, 'collector')).url;
    return sink;
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  /** Distinct spans by id. */
  get distinct(): Map<string, SpanData> {
    return new Map(this.spans.map((span) => [`${span.traceId}/${span.spanId}`, span]));
  }

  /** Resolves once `isThere`; the test's own timeout is the limit. */
  async until(isThere: () => boolean): Promise<void> {
    while (!isThere()) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await closeHttpServer(this.#server, 0);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    } catch {
      return; // the sender was killed in the middle
    }
    const body = Buffer.concat(chunks);
    this.requests += 1;
    const answer = await this.mood(request, body);
    if (answer === undefined || answer.isTaken === true) {
      try {
        if (request.url === '/v1/traces') this.spans.push(...decodeTraces(body));
        else this.logs.push(...decodeLogs(body));
      } catch (error) {
        this.faults.push((error as Error).message.slice(0, 200));
        response.statusCode = 400;
        response.end();
        return;
      }
    }
    response.writeHead(answer?.status ?? 200, answer?.headers);
    response.end(answer?.body);
  }
}
