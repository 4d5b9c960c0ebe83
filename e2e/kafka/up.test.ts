import assert from 'node:assert/strict';
import { rm, writeFile, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { Admin } from '@platformatic/kafka';
import { deployGreetings, spoor, spoorUp, type SpoorUp } from '../support/spoor.ts';
import { startKafka, USER } from './brokers.ts';

const TIMEOUT_MS = 60_000;

test('spoor up on brokers that want a user and TLS; killed, it is the same member again and nobody is moved', async () => {
  await using kafka = await startKafka({ security: true });
  const folder = await mkdtemp(join(tmpdir(), 'spoor-up-'));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const ca = join(folder, 'ca.pem');
  await writeFile(ca, kafka.certificate);
  const env = {
    SPOOR_KAFKA_SASL: 'scram_sha256',
    SPOOR_KAFKA_USERNAME: USER.username,
    SPOOR_KAFKA_PASSWORD: USER.password,
    SPOOR_KAFKA_TLS: 'enable',
    SPOOR_KAFKA_CA: ca,
    // Longer than this test waits: who had to wait for the dead member's end would not pass.
    SPOOR_KAFKA_SESSION_TIMEOUT_MS: String(5 * TIMEOUT_MS),
  };
  const up = stack.use(await spoorUp({ args: ['--kafka', kafka.saslTls.join(',')], env }));
  await deployGreetings(up);
  await publish(up, 'Ada');
  await untilConsumed(up, 1n);

  const admin = new Admin({ clientId: 'test', bootstrapBrokers: [...kafka.brokers] });
  stack.defer(() => admin.close());
  const before = await member(admin);
  assert.match(before.groupInstanceId ?? '', /^spoor-[-0-9a-f]{36}-greetings-0$/);
  const pid = await up.partPid('platform');
  process.kill(pid, 'SIGKILL');
  while ((await up.partPid('platform').catch(() => pid)) === pid) await sleep(20);
  await publish(up, 'Bob');
  await untilConsumed(up, 2n);
  const after = await member(admin);
  assert.equal(after.groupInstanceId, before.groupInstanceId);

  const { exitCode, stderr } = await spoor(['platform', '--data', folder, '--kafka', '127.0.0.1:1'], {
    env: { SPOOR_KAFKA_SASL: 'kerberos' },
  });
  assert.equal(exitCode, 1);
  assert.match(
    stderr,
    /SPOOR_KAFKA_SASL \[kerberos\]: it is one of none, plaintext, scram_sha256, scram_sha512/,
  );
});

interface TopicJson {
  readonly name: string;
  readonly partitions: readonly { readonly endOffset: string }[];
  readonly groups: readonly { readonly partitions: readonly { readonly lag: string }[] }[];
}

/** As soon as the platform takes it. */
async function publish(up: SpoorUp, name: string): Promise<void> {
  const deadline = Date.now() + TIMEOUT_MS;
  for (;;) {
    const answer = await fetch(`${up.internal}/topics/greetings`, {
      method: 'POST',
      body: JSON.stringify({ name, language: 'fr', text: `Bonjour ${name}` }),
      headers: { 'x-record-key': name },
    }).catch(() => undefined);
    if (answer?.ok) return;
    assert.ok(Date.now() < deadline, up.stderr());
    await sleep(50);
  }
}

async function untilConsumed(up: SpoorUp, count: bigint): Promise<void> {
  const deadline = Date.now() + TIMEOUT_MS;
  for (;;) {
    const topics = (await (await fetch(`${up.internal}/topics`)).json()) as TopicJson[];
    const { partitions = [], groups = [] } = topics.find(({ name }) => name === 'greetings') ?? {};
    const ends = partitions.reduce((sum, { endOffset }) => sum + BigInt(endOffset), 0n);
    const lag = groups.flatMap((group) => group.partitions).reduce((sum, each) => sum + BigInt(each.lag), 0n);
    if (groups.length > 0 && ends >= count && lag === 0n) return;
    assert.ok(Date.now() < deadline, `${JSON.stringify(topics)}\n${up.stderr()}`);
    await sleep(50);
  }
}

async function member(admin: Admin) {
  const names = [...(await admin.listGroups()).keys()];
  const groups = await admin.describeGroups({ groups: names });
  const members = [...groups.values()].flatMap((group) => [...group.members.values()]);
  assert.equal(members.length, 1);
  const [only] = members;
  assert.ok(only);
  return only;
}
