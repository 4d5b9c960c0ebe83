import { join } from 'node:path';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { request } from 'node:http';
import type { SpanData } from '../../../function/span/span-data.ts';
import { silentLog } from '../../../server/log.ts';
import { startTestExecutor, openJournal } from '../../executor/test/test-executor.ts';
import type { ExecutorClient } from '../../executor/client.ts';
import { startRouter, type RouterOptions } from '../router.ts';

/** A real router before a real executor. */
export async function startTestRouter(
  options: Partial<RouterOptions> & { readonly wrap?: (executor: ExecutorClient) => ExecutorClient } = {},
) {
  await using starting = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), 'spoor-r-'));
  starting.defer(() => rmSync(folder, { recursive: true, force: true }));
  let prepare: ((socketPath: string) => void) | undefined;
  const prepared: string[] = [];
  const platform = starting.use(
    await startTestExecutor({
      onWarm: (socketPath) => {
        prepared.push(socketPath);
        prepare?.(socketPath);
      },
    }),
  );
  const { wrap, ...rest } = options;
  const journal = starting.use(openJournal(folder, 'router'));
  const router = starting.use(
    await startRouter({
      catalog: platform.catalog,
      executor: wrap?.(platform.executor) ?? platform.executor,
      tracing: journal.tracing,
      port: 0,
      internalPort: 0,
      log: silentLog(),
      ...rest,
    }),
  );
  prepare = (socketPath) => router.prepare(socketPath);
  const stack = starting.move();
  return {
    catalog: platform.catalog,
    executor: platform.executor,
    platform,
    prepared: prepared as readonly string[],
    url: router.url,
    internalUrl: router.internalUrl,
    client: router.client,
    spans: (): readonly SpanData[] => [...journal.spans(), ...platform.spans()],
    span: (name: string) => journal.spans().find((span) => span.name === name),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** A request with a path as it stands, which fetch would have cleaned. */
export function rawRequest(
  url: string,
  options: { path: string; method?: string; headers?: Record<string, string>; body?: string },
): Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; body: string }> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const { path, method, headers } = options;
    const call = request({ hostname, port, path, method, headers, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      response.once('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
      );
      response.once('error', reject);
    });
    call.once('error', reject);
    call.end(options.body);
  });
}
