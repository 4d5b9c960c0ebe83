import { authorization } from './client.ts';

/**
 * The data of server-sent events, as they come. EventSource cannot carry a token, so this reads the stream itself. Ends when the server
 * ends it; throws when it cannot be had.
 */
export async function* readEvents(path: string, signal: AbortSignal): AsyncGenerator<string> {
  const response = await fetch(path, {
    signal,
    headers: { accept: 'text/event-stream', ...authorization() },
  });
  if (!response.ok || !response.headers.get('content-type')?.startsWith('text/event-stream'))
    throw new Error(`no stream at ${path}: HTTP ${response.status}`);
  if (!response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split(/\r?\n\r?\n/);
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const data = block
        .split(/\r?\n/)
        .filter((line) => line.startsWith('data:'))
        .map((line) => line.slice(5).trimStart());
      if (data.length > 0) yield data.join('\n');
    }
  }
}
