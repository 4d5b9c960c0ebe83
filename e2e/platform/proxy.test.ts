import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fetchTrace } from '../../cli/trace/fetch-trace.ts';
import { ControlClient } from '../../platform/spec/client.ts';
import { fromManifest } from '../../platform/spec/manifest.ts';
import { spoorUp } from '../support/spoor.ts';
import { outlineOf } from '../support/traces.ts';

const TRACE_MS = 30_000;

const NODE = `module.exports = async () => {
  const answer = await fetch('http://router.fission.svc/greet?who=node');
  return { status: answer.status, body: await answer.text() };
};`;
const PYTHON = `from urllib.request import urlopen

def main():
    return urlopen('http://router.fission/greet?who=python').read().decode()
`;
const GREET = `module.exports = async ({ request }) => ({ status: 200, body: 'hello ' + request.query.who });`;

test('a function reaches another at the name the router has in a cluster, through HTTP_PROXY, in one trace', async () => {
  await using up = await spoorUp();
  const control = new ControlClient(up.internal);
  const put = (kind: string, name: string, spec: object) =>
    control.put(fromManifest({ kind, metadata: { name }, spec }));
  const container = {
    env: [
      { name: 'HTTP_PROXY', value: '$(SPOOR_INTERNAL_URL)' },
      { name: 'http_proxy', value: '$(SPOOR_INTERNAL_URL)' },
      { name: 'NODE_USE_ENV_PROXY', value: '1' },
    ],
  };
  for (const language of ['node', 'python'])
    await put('Environment', language, {
      version: 3,
      runtime: { image: `ghcr.io/fission/${language}-env`, container },
      poolsize: 1,
    });
  for (const [name, language, code] of [
    ['greet', 'node', GREET],
    ['node-caller', 'node', NODE],
    ['python-caller', 'python', PYTHON],
  ] as const) {
    const environment = { name: language };
    const literal = Buffer.from(code).toString('base64');
    await put('Package', name, { environment, deployment: { type: 'literal', literal } });
    await put('Function', name, { environment, package: { packageref: { name } }, functionTimeout: 20 });
    await put('HTTPTrigger', name, {
      relativeurl: `/${name}`,
      methods: ['GET'],
      functionref: { type: 'name', name },
    });
  }
  for (const language of ['node', 'python']) {
    const answer = await fetch(`${up.router}/${language}-caller`);
    assert.equal(await answer.text(), `hello ${language}`);
    const traceId = answer.headers.get('traceresponse')?.split('-')[1] ?? '';
    const deadline = Date.now() + TRACE_MS;
    for (;;) {
      const spans = (await fetchTrace(up.query, traceId)) ?? [];
      const greet = spans.find(
        ({ name, resource }) => name === 'greet' && resource['service.name'] === 'greet',
      );
      const parents: string[] = [];
      for (let span = greet; span; span = spans.find(({ spanId }) => spanId === span?.parentSpanId))
        parents.push(span.name);
      if (parents.at(-1) === `GET /${language}-caller`) {
        assert.deepEqual(parents, [
          'greet',
          'invoke greet',
          'GET /greet',
          'GET',
          `${language}-caller`,
          `invoke ${language}-caller`,
          `GET /${language}-caller`,
        ]);
        break;
      }
      assert.ok(Date.now() < deadline, `not one trace:\n${outlineOf(spans).join('\n')}`);
      await sleep(200);
    }
  }
});
