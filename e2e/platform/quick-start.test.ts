import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempDisposable, readFile, writeFile, mkdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { spoor, spoorUp, type SpoorUp } from '../support/spoor.ts';

const HELLO = `module.exports = async function(context) {
    return {
        status: 200,
        body: "hello, world!\\n"
    };
}
`;

/**
 * What Fission's own pages tell a newcomer to type (README "Getting started"; docs: "Timer Triggers", "HTTP Triggers",
 * "Kafka" and "Specs"), with `spoor` for `fission` and nothing else changed but the address of hello.js.
 */
describe("Fission's quick start, word for word", () => {
  let up: SpoorUp;
  let dir: AsyncDisposable & { readonly path: string };
  let web: ReturnType<typeof createServer>;
  let raw: string;

  before(async () => {
    up = await spoorUp();
    dir = await mkdtempDisposable(join(tmpdir(), 'spoor-quick-'));
    await writeFile(join(dir.path, 'hello.js'), HELLO);
    web = createServer((_request, response) => response.end(HELLO)).listen(0, '127.0.0.1');
    await once(web, 'listening');
    raw = `http://127.0.0.1:${(web.address() as AddressInfo).port}`;
  });
  after(async () => {
    web.close();
    await up[Symbol.asyncDispose]();
    await dir[Symbol.asyncDispose]();
  });

  /** Types a command line, as a shell would part it, in the newcomer's folder; it must succeed. */
  const types = async (line: string) => {
    const run = await tries(line);
    assert.equal(run.exitCode, 0, `${line}\n${run.stderr}`);
    return run;
  };
  const tries = (line: string) => {
    const args = [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
      (match) => match[1] ?? match[2] ?? match[3] ?? '',
    );
    assert.equal(args.shift(), 'spoor');
    return spoor(args, { cwd: dir.path, env: { SPOOR_DATA: up.data } });
  };

  test('an environment, a function from a URL, and its first answer', async () => {
    assert.equal(
      (await types('spoor env create --name nodejs --image ghcr.io/fission/node-env')).stdout,
      "environment 'nodejs' created\n",
    );
    await types(
      `spoor function create --name hello --env nodejs --code ${raw}/fission/examples/main/nodejs/hello.js`,
    );
    const { stdout, stderr } = await types('spoor function test --name hello');
    assert.equal(stdout, 'hello, world!\n');
    assert.match(stderr, /request id [0-9a-f-]{36}\ntrace id {3}[0-9a-f]{32}\n/);
  });

  test('HTTP triggers: a path, methods, a prefix, two functions by weight', async () => {
    await types('spoor fn create --name hello2 --env nodejs --code hello.js');
    await types('spoor httptrigger create --url /hello --method GET --function hello --name hello-route');
    await types(
      'spoor route create --method GET --method POST --url "/guestbook/messages/{id}" --function hello',
    );
    await types('spoor ht create --prefix /app --function hello --keepprefix --createingress');
    await types(
      'spoor route create --name route-canary --method GET --url /canary --function hello --weight 60 --function hello2 --weight 40',
    );
    for (const path of ['/hello', '/guestbook/messages/7', '/app/a/b', '/canary'])
      assert.equal(await (await fetch(`${up.router}${path}`)).text(), 'hello, world!\n', path);
    assert.match((await types('spoor route list')).stdout, /route-canary +GET +\/canary +hello:60,hello2:40/);
    const listed = JSON.parse((await types('spoor ht list -o json')).stdout) as object[];
    assert.equal(listed.length, 4);
  });

  test('timers: six fields, @every, and the schedule', async () => {
    await types('spoor timer create --name halfhourly --function hello --cron "0 */30 * * * *"');
    await types('spoor tt create --name minute --function hello --cron "@every 1m"');
    const { stdout } = await types('spoor timer showschedule --cron "0 30 * * * *" --round 5');
    assert.equal(stdout.match(/:30:00\.000Z/g)?.length, 5);
    assert.match((await types('spoor timer list')).stdout, /minute +@every 1m +hello/);
  });

  test("a Kafka trigger with KEDA's flags answers on the response topic", async () => {
    const { stderr } = await types(
      'spoor mqtrigger create --name kafkatest --function hello --mqtype kafka --mqtkind keda --topic request-topic --resptopic response-topic --errortopic error-topic --maxretries 3 --metadata bootstrapServers=my-cluster-kafka-brokers.my-kafka-project.svc:9092 --metadata consumerGroup=my-group --cooldownperiod=30 --pollinginterval=5',
    );
    assert.match(stderr, /--cooldownperiod has no effect here/);
    await types('spoor topic publish request-topic --key a --body "{}"');
    const deadline = Date.now() + 60_000;
    let records: { key: string; value: string }[] = [];
    while (records.length === 0 && Date.now() < deadline)
      records = JSON.parse(
        (await tries('spoor topic peek response-topic -o json')).stdout || '[]',
      ) as typeof records;
    assert.deepEqual(
      records.map(({ key, value }) => [key, value]),
      [['a', 'hello, world!\n']],
    );
  });

  test('specs: init, create with --spec, validate, apply, destroy', async () => {
    await writeFile(join(dir.path, 'form.js'), HELLO);
    await types('spoor spec init');
    await types(
      'spoor env create --spec --name node-spec --image ghcr.io/fission/node-env --builder ghcr.io/fission/node-builder',
    );
    await types(
      'spoor fn create --spec --name calculator --env node-spec --deploy form.js --entrypoint form',
    );
    await types('spoor route create --spec --method GET --url /form --function calculator');
    await types('spoor spec validate');
    const { stdout } = await types('spoor spec apply --wait');
    assert.match(stdout, /1 environment created: node-spec\n.*1 function created: calculator\n/s);
    assert.equal(await (await fetch(`${up.router}/form`)).text(), 'hello, world!\n');
    // The spec names the file: what stands in it is what the next apply sends.
    await writeFile(join(dir.path, 'form.js'), HELLO.replace('world', 'form'));
    assert.match((await types('spoor spec apply')).stdout, /1 archive uploaded: .*\n1 package updated/);
    assert.equal(await (await fetch(`${up.router}/form`)).text(), 'hello, form!\n');
    assert.match(
      await readFile(join(dir.path, 'specs/fission-deployment-config.yaml'), 'utf8'),
      /kind: DeploymentConfig/,
    );
    assert.match((await types('spoor spec destroy')).stdout, /1 function deleted: calculator\n/);
    assert.equal((await fetch(`${up.router}/form`)).status, 404);
  });

  test('code that changes is what runs next', async () => {
    await mkdir(join(dir.path, 'next'), { recursive: true });
    await writeFile(join(dir.path, 'next/hello.js'), HELLO.replace('world', 'again'));
    await types('spoor fn update --name hello2 --code next/hello.js');
    assert.equal((await types('spoor fn test --name hello2')).stdout, 'hello, again!\n');
    assert.match((await types('spoor fn get --name hello2')).stdout, /hello, again!/);
  });

  test('what is still in use is not deleted by mistake; cleaning up works', async () => {
    const refused = await tries('spoor env delete --name nodejs');
    assert.equal(refused.exitCode, 1);
    assert.match(refused.stderr, /functions run in it \(hello, hello2\).*--force/);
    await types('spoor fn delete --name hello2');
    await types('spoor route delete --function hello');
    await types('spoor mqt delete --name kafkatest');
    await types('spoor tt delete --name minute');
    await types('spoor fn delete --name hello');
    await types('spoor fn delete --name hello --ignorenotfound');
    await types('spoor pkg delete --orphan');
    await types('spoor env delete --name nodejs');
    assert.match((await types('spoor fn list')).stdout, /^NAME .*\n$/);
  });

  test('version and check answer', async () => {
    assert.match((await types('spoor version')).stdout, /client: +\d+\.\d+/);
    assert.equal((await types('spoor check')).stdout.match(/ ok /g)?.length, 4);
  });
});
