import assert from 'node:assert/strict';
import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { spoor, spoorUp, type SpoorUp } from '../support/spoor.ts';

const CODE = `
module.exports = async (context) => {
  const { fail, say } = context.request.query;
  if (say) console.log('saying ' + say);
  if (fail) console.error('about to fail'), (() => { throw new Error('failed as asked: ' + fail); })();
  return { status: 200, body: 'fine' };
};`;

describe('looking into a running function from the command line', () => {
  let up: SpoorUp;
  let dir: AsyncDisposable & { readonly path: string };
  const run = async (...args: readonly string[]) =>
    await spoor(['--data', up.data, ...args], { cwd: dir.path });
  const runs = async (...args: readonly string[]) => {
    const result = await run(...args);
    assert.equal(result.exitCode, 0, `${args.join(' ')}\n${result.stderr}`);
    return result;
  };
  /** Traces arrive a moment after the answer. */
  const until = async (args: readonly string[], says: RegExp) => {
    const deadline = Date.now() + 60_000;
    for (;;) {
      const { stdout } = await run(...args);
      if (says.test(stdout)) return stdout;
      assert.ok(Date.now() < deadline, `${args.join(' ')} never said ${String(says)}, but\n${stdout}`);
      await sleep(100);
    }
  };

  before(async () => {
    up = await spoorUp();
    dir = await mkdtempDisposable(join(tmpdir(), 'spoor-inspect-'));
    await writeFile(join(dir.path, 'a.js'), CODE);
    await runs('env', 'create', '--name', 'nodejs', '--image', 'node', '--poolsize', '1');
    await runs('fn', 'create', '--name', 'talker', '--env', 'nodejs', '--code', 'a.js', '--url', '/talker');
  });
  after(async () => {
    await up[Symbol.asyncDispose]();
    await dir[Symbol.asyncDispose]();
  });

  test('wait holds until every kind is ready, and says what is missing', async () => {
    await runs('env', 'wait', '--name', 'nodejs', '--for', 'condition=PoolReady', '--timeout', '30s');
    await runs('fn', 'wait', '--name', 'talker', '--for', 'condition=Ready');
    const nobody = await run('fn', 'wait', '--name', 'nobody', '--timeout', '1h');
    assert.equal(nobody.exitCode, 1);
    assert.match(nobody.stderr, /cannot find function 'nobody': there is none/);
    const odd = await run('fn', 'wait', '--name', 'talker', '--for', 'condition=Pretty');
    assert.equal(odd.exitCode, 2);
    assert.match(odd.stderr, /NAME is Ready, EnvironmentReady, PackageReady/);
  });

  test('log shows lines by count, level, trace and request; describe the calls; pods the instance', async () => {
    await fetch(`${up.router}/talker?say=one`);
    const answer = await fetch(`${up.router}/talker?say=two`);
    const failed = await fetch(`${up.router}/talker?fail=yes&say=three`);
    assert.equal(failed.status, 500);
    const traceId = failed.headers.get('traceresponse')?.split('-')[1] ?? '';

    await until(
      ['fn', 'log', '--name', 'talker'],
      /saying one\n[^]*saying two\n[^]*saying three\n[^]*about to fail/,
    );
    assert.match(
      (await runs('fn', 'logs', '--name', 'talker', '--trace-id', traceId, '-d')).stdout,
      new RegExp(`${traceId} [0-9a-f]{16} +saying three`),
    );
    const byRequest = await runs(
      'fn',
      'log',
      '--name',
      'talker',
      '--request-id',
      answer.headers.get('x-fission-request-id') ?? '',
    );
    assert.match(byRequest.stdout, /saying two\n$/);
    assert.equal(byRequest.stdout.split('\n').length, 2);
    const errors = (await runs('fn', 'log', '--name', 'talker', '--level', 'error')).stdout;
    assert.match(errors, /about to fail/);
    assert.doesNotMatch(errors, /saying/);
    assert.equal(
      (await runs('fn', 'log', '--name', 'talker', '--recordcount', '1')).stdout.match(/^\d{4}-/gm)?.length,
      1,
    );

    const described = await until(
      ['fn', 'describe', '--name', 'talker'],
      /Calls: +3 in the last 60 min: 1 \(33 %\) failed/,
    );
    assert.match(described, /1 \(33 %\) cold starts/);
    assert.match(described, new RegExp(`Failure: .*${traceId}  failed as asked: yes`));
    assert.match((await runs('fn', 'pods', '--name', 'talker')).stdout, /ready +talker +\d+ +0 +\d+s/);
  });

  test('a canary moves to a function that works, and back from one that fails, by what the spans say', async () => {
    await writeFile(join(dir.path, 'b.js'), 'module.exports = async () => ({ status: 200, body: "new" })');
    await writeFile(
      join(dir.path, 'c.js'),
      'module.exports = async () => { throw new Error("new and broken") }',
    );
    await runs('fn', 'create', '--name', 'better', '--env', 'nodejs', '--code', 'b.js');
    await runs('fn', 'create', '--name', 'worse', '--env', 'nodejs', '--code', 'c.js');
    for (const name of ['better', 'worse']) {
      const at = ['--function', name, '--weight', '0', '--function', 'talker', '--weight', '100'];
      await runs('route', 'create', '--name', name, '--url', `/${name}`, ...at);
      const steps = ['--increment-step', '50', '--increment-interval', '2s'];
      await runs(
        'canary',
        'create',
        '--name',
        name,
        '--httptrigger',
        name,
        '--newfunction',
        name,
        '--oldfunction',
        'talker',
        ...steps,
      );
    }
    const calling = new AbortController();
    const calls = (async () => {
      while (!calling.signal.aborted) {
        await Promise.all(
          ['better', 'worse'].map(async (name) => await (await fetch(`${up.router}/${name}`)).text()),
        );
        await sleep(50);
      }
    })();
    await runs('canary', 'wait', '--name', 'better', '--for', 'condition=Succeeded', '--timeout', '60s');
    const gaveUp = await run('canary', 'wait', '--name', 'worse', '--timeout', '60s');
    calling.abort();
    await calls;
    assert.equal(gaveUp.exitCode, 1);
    assert.match(gaveUp.stderr, /its status is failed/);
    const list = (await runs('canary', 'list')).stdout;
    assert.match(list, /better .* 100 +50 +2s +10 +succeeded/);
    assert.match(list, /worse .* 0 +50 +2s +10 +failed/);
    assert.equal(await (await fetch(`${up.router}/better`)).text(), 'new');
    assert.equal(await (await fetch(`${up.router}/worse`)).text(), 'fine');
  });

  test('a canary of a route with one function is refused, with advice', async () => {
    await runs('route', 'create', '--name', 'plain', '--url', '/plain', '--function', 'talker');
    const refused = await run(
      'canary',
      'create',
      '--name',
      'x',
      '--httptrigger',
      'plain',
      '--newfunction',
      'talker',
      '--oldfunction',
      'talker',
    );
    assert.equal(refused.exitCode, 2);
    assert.match(refused.stderr, /route update --name plain/);
  });

  test('an asynchronous call is answered with an id; one that fails for good is a dead letter, redriven or purged', async () => {
    await writeFile(
      join(dir.path, 'e.js'),
      'module.exports = async () => ({ status: 404, body: "not today" })',
    );
    await runs('fn', 'create', '--name', 'refuser', '--env', 'nodejs', '--code', 'e.js');
    const { stdout } = await runs(
      'fn',
      'test',
      '--name',
      'refuser',
      '--method',
      'POST',
      '--body',
      '{}',
      '--async',
    );
    const { invocationId } = JSON.parse(stdout) as { invocationId: string };
    await until(['fn', 'dlq', 'list'], new RegExp(`${invocationId} +refuser +Http4xx +1 +404`));
    assert.match((await runs('fn', 'dlq', 'show', '--id', invocationId)).stdout, /answer: not today/);
    assert.equal(
      (await runs('fn', 'dlq', 'redrive', '--id', invocationId)).stdout,
      'redrove 1 dead-lettered invocation(s)\n',
    );
    await until(['fn', 'dlq', 'list'], new RegExp(`${invocationId} +refuser`));
    assert.equal((await runs('fn', 'dlq', 'purge')).stdout, 'purged 1 dead-lettered invocation(s)\n');
    const gone = await run('fn', 'dlq', 'show', '--id', invocationId);
    assert.equal(gone.exitCode, 1);
    assert.match(gone.stderr, /cannot find asynchronous invocation/);
  });

  test('a secret is a file for the function that names it', async () => {
    await runs('secret', 'create', 'login', '--from-literal', 'user=ada');
    await writeFile(
      join(dir.path, 'd.js'),
      `const { readFileSync } = require('fs');
      module.exports = async () => ({
        status: 200,
        body: readFileSync(process.env.SPOOR_SECRETS_DIR + '/default/login/user', 'utf8'),
      });`,
    );
    await runs('fn', 'create', '--name', 'reader', '--env', 'nodejs', '--code', 'd.js', '--secret', 'login');
    assert.equal((await runs('fn', 'test', '--name', 'reader')).stdout, 'ada');
    await runs('secret', 'delete', 'login');
  });
});
