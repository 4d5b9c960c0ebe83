import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startWith, textOf } from './start-with.ts';

void test('what is printed under 100 concurrent invocations stands in its own trace, and on stdout', async () => {
  await using environment = await startWith(
    `module.exports = async ({ request }) => {
       const id = request.get('x-spoor-invocation-id');
       console.log('console %s', id);
       await new Promise((resolve) => setTimeout(resolve, Math.random() * 5));
       console.error('error', id);
       process.stdout.write('raw ' + id + '\\n');
       process.stderr.write(Buffer.from('bytes ' + id));
       return { status: 200 };
     };`,
  );
  const ids = Array.from({ length: 100 }, (_, i) => `invocation-${i}.`);
  await Promise.all(ids.map((id) => environment.ask({ headers: { 'x-spoor-invocation-id': id } })));
  environment.child.kill('SIGTERM');
  await environment.ended;

  const { spans, logs } = environment.journal();
  assert.equal(logs.length, 400);
  const traceOf = new Map(spans.map((span) => [textOf(span.attributes['faas.invocation_id']), span.traceId]));
  for (const log of logs) {
    const id = textOf(log.attributes['faas.invocation_id']);
    assert.ok(textOf(log.body).endsWith(` ${id}`), `${textOf(log.body)} under ${id}`);
    assert.equal(log.traceId, traceOf.get(id));
  }
  const first = logs.filter((log) => log.attributes['faas.invocation_id'] === ids[0]);
  assert.deepEqual(
    first.map(({ body, severityNumber, attributes }) => [body, severityNumber, attributes['log.iostream']]),
    [
      [`console ${ids[0]}`, 9, 'stdout'],
      [`error ${ids[0]}`, 17, 'stderr'],
      [`raw ${ids[0]}`, 9, 'stdout'],
      [`bytes ${ids[0]}`, 17, 'stderr'],
    ],
  );
  assert.ok(environment.stdout.includes(`console ${ids[0]}\n`));
  assert.ok(environment.stderr.includes(`bytes ${ids[0]}`));
});

void test('what the function throws is printed in its trace', async () => {
  await using environment = await startWith(`module.exports = () => { throw new Error('no paint'); }`);
  await environment.ask();
  environment.child.kill('SIGTERM');
  await environment.ended;
  const { spans, logs } = environment.journal();
  assert.match(textOf(logs[0]?.body), /Error: no paint\n\s+at /);
  assert.equal(logs[0]?.spanId, spans[0]?.spanId);
});
