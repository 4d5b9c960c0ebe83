import assert from 'node:assert/strict';
import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { STATUS_CODE, type SpanData } from '../../../function/span/span-data.ts';
import { silentLog } from '../../../server/log.ts';
import { startLocalRun } from './local-run.ts';

void test('a saved change is what answers next, with what lies beside the file, and each call is one whole trace', async () => {
  await using rig = await startRig({
    'hello.js':
      "const { word } = require('./word.js');\nmodule.exports = async () => { console.log('saying', word); return { status: 200, body: word }; };",
    'word.js': "exports.word = 'one';",
  });
  assert.equal(await rig.get('/'), 'one');
  const first = await rig.trace();
  assert.deepEqual(
    first
      .map(({ name }) => name)
      .filter((name) => /^(GET|invoke|hello)/.test(name))
      .sort(),
    ['GET /', 'hello', 'invoke hello'],
  );
  assert.deepEqual(rig.lines, ['saying one']);

  await rig.save('word.js', "exports.word = 'two';");
  assert.equal(await rig.get('/a/b'), 'two');
  assert.ok((await rig.trace()).some(({ name }) => name === 'GET /a/b' || name === 'GET /'));
});

void test('code that cannot be loaded says why, and is mended by the next save', async () => {
  await using rig = await startRig({
    'hello.js': 'module.exports = async () => ({ status: 200, body: "fine" });',
  });
  await rig.save('hello.js', 'module.exports = (((');
  assert.match(await rig.get('/'), /specialization_failed/);
  assert.ok((await rig.trace()).some(({ status }) => status.code === STATUS_CODE.error));
  await rig.save('hello.js', 'module.exports = async () => ({ status: 200, body: "mended" });');
  assert.equal(await rig.get('/'), 'mended');
});

void test('a process that dies half way leaves its span, closed with the reason', async () => {
  await using rig = await startRig({
    'hello.js':
      'module.exports = async () => { process.kill(process.pid, "SIGKILL"); await new Promise(() => {}); };',
  });
  assert.match(await rig.get('/'), /instance_died/);
  const span = (await rig.trace()).find(({ name }) => name === 'hello');
  assert.equal(span?.attributes['spoor.unfinished'], true);
  assert.equal(span.attributes['spoor.end.reason'], 'signal');
});

interface Rig extends AsyncDisposable {
  readonly lines: string[];
  get(path: string): Promise<string>;
  /** The next trace of a call. */
  trace(): Promise<readonly SpanData[]>;
  /** Saves a file, and resolves when the change is in place. */
  save(name: string, text: string): Promise<void>;
}

async function startRig(files: Record<string, string>): Promise<Rig> {
  await using starting = new AsyncDisposableStack();
  const dir = starting.use(await mkdtempDisposable(join(tmpdir(), 'spoor-run-test-')));
  for (const [name, text] of Object.entries(files)) await writeFile(join(dir.path, name), text);
  const lines: string[] = [];
  const traces: (readonly SpanData[])[] = [];
  let wake = () => {};
  let reloaded = Promise.withResolvers<void>();
  const run = starting.use(
    await startLocalRun({
      file: join(dir.path, 'hello.js'),
      name: 'hello',
      language: 'node',
      entrypoint: '',
      env: [],
      port: 0,
      timeout: 60,
      log: silentLog(),
      onLog: ({ body }) => void lines.push(body as string),
      onTrace: (spans) => {
        traces.push(spans);
        wake();
      },
      onReload: () => reloaded.resolve(),
    }),
  );
  const started = starting.move();
  return {
    lines,
    get: async (path) => await (await fetch(`${run.url}${path}`)).text(),
    async trace() {
      while (traces.length === 0) await new Promise<void>((resolve) => (wake = resolve));
      return traces.shift() as readonly SpanData[];
    },
    async save(name, text) {
      reloaded = Promise.withResolvers();
      await writeFile(join(dir.path, name), text);
      await reloaded.promise;
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}
