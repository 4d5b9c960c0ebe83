import assert from 'node:assert/strict';
import { mkdtempDisposable, readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { applyFolder, type ApplyTarget } from '../../platform/spec/apply.ts';
import { applySet } from '../../platform/spec/apply-set.ts';
import { toManifest } from '../../platform/spec/manifest.ts';
import { openRegistry } from '../../platform/spec/registry.ts';

const EXAMPLE = join(import.meta.dirname, '../../examples/greetings');
const require = createRequire(import.meta.filename);

type Answer = { status: number; body: unknown; headers?: Record<string, string> };
type UserFunction = (context: object) => Promise<Answer>;

void test('the specs of Greetings as a Service apply without a warning', async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), 'spoor-greetings-'));
  await using registry = await openRegistry({ dataDir: dir.path });
  const target: ApplyTarget = {
    // eslint-disable-next-line require-await
    get: async (kind, reference) => registry.get(kind, reference),
    hasArchive: (sha256) => registry.hasArchive(sha256),
    keepArchive: (content) => registry.keepArchive(content),
    apply: (request) => applySet(registry, { ...request, resources: request.resources.map(toManifest) }),
  };
  const { created, warnings } = await applyFolder(target, join(EXAMPLE, 'specs'));
  assert.deepEqual(warnings, []);
  assert.equal(created.length, 10);
  const { path } = await registry.fetchPackage({ name: 'image', namespace: 'default' });
  assert.deepEqual((await readdir(path)).sort(), ['card.js', 'index.js', 'typography.js']);
});

for (const language of ['en', 'fr', 'de', 'es', 'it', 'hi', 'ja', 'ar'])
  void test(`image draws a card in ${language}, whatever stands in the name`, async () => {
    const image = require(join(EXAMPLE, 'functions/image')) as UserFunction;
    const { status, body, headers } = await image({
      request: { body: { name: '<b>&"\u0000\ud800Ada', language } },
    });
    assert.equal(status, 200);
    assert.equal(headers?.['content-type'], 'image/svg+xml');
    assert.match(body as string, /^<svg [^>]+>[^]*&lt;b&gt;&amp;&quot;\ufffdAda!?[^]*<\/svg>\n$/u);
    assert.doesNotMatch(body as string, /<b>/);
  });

void test('the fault error throws from deep within', async () => {
  const image = require(join(EXAMPLE, 'functions/image')) as UserFunction;
  await assert.rejects(
    image({ request: { body: { name: 'Ada', language: 'en', fault: 'error' } } }),
    (error: Error) => {
      assert.match(error.message, /cannot measure "A": no font is loaded/);
      assert.match(error.stack as string, /glyphOf[^]*measure[^]*breakWord[^]*hyphenate/);
      return true;
    },
  );
});

void test('the validator names everything that is wrong with a greeting', async () => {
  const validator = require(join(EXAMPLE, 'functions/validator/validator.js')) as UserFunction;
  const ask = (body: object) => validator({ request: { method: 'POST', body } });
  assert.deepEqual(await ask({ name: ' Ada ', language: 'fr' }), {
    status: 200,
    body: { name: 'Ada', language: 'fr' },
  });
  const { status, body } = await ask({ name: '', language: 'xx', fault: 'party' });
  assert.equal(status, 422);
  assert.equal((body as { problems: string[] }).problems.length, 3);
});
