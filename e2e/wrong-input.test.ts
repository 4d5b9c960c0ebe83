import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { freePorts, spoor, spoorUp, type SpoorUp } from './support/spoor.ts';

describe('wrong input gets a clear error', () => {
  let up: SpoorUp;
  before(async () => {
    up = await spoorUp();
  });
  after(async () => {
    await up[Symbol.asyncDispose]();
  });

  test('bad YAML names the file and the line', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'spoor-specs-'));
    writeFileSync(
      join(dir, 'fission-deployment-config.yaml'),
      'apiVersion: fission.io/v1\nkind: DeploymentConfig\nname: bad\nuid: 5ab9e5b6-8d0a-4b8e-9d0d-0a6f6f3b7c11\n',
    );
    writeFileSync(join(dir, 'function-bad.yaml'), 'kind: Function\nmetadata:\n  name: [unclosed\n');
    const run = await spoor(['--server', up.internal, 'spec', 'apply', '--specdir', dir]);
    assert.equal(run.exitCode, 1);
    assert.match(run.stderr, /function-bad\.yaml/);
    assert.match(run.stderr, /:[34]|line [34]/);
  });

  test('an unknown function is not found, by name', async () => {
    const run = await spoor(['--server', up.internal, 'fn', 'test', '--name', 'nobody']);
    assert.equal(run.exitCode, 1);
    assert.match(run.stderr, /nobody/);
    const response = await fetch(`${up.internal}/fission-function/nobody`);
    assert.equal(response.status, 404);
    const body = (await response.json()) as Record<string, string>;
    assert.equal(body['reason'], 'not_found');
    assert.ok(body['requestId'] && body['traceId'], 'an error can be followed');
  });

  test('malformed OTLP is refused with 400 and the collector lives on', async () => {
    const bad = await fetch(`${up.otlpHttp}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-protobuf' },
      body: Buffer.from('ffffffffffffffff', 'hex'),
    });
    assert.equal(bad.status, 400);
    const badJson = await fetch(`${up.otlpHttp}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"resourceSpans": 7',
    });
    assert.equal(badJson.status, 400);
    const wrongType = await fetch(`${up.otlpHttp}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain' },
      body: 'hello',
    });
    assert.equal(wrongType.status, 415);
    const good = await fetch(`${up.otlpHttp}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"resourceSpans":[]}',
    });
    assert.equal(good.status, 200);
  });

  test('a body over the limit is refused with 413', async () => {
    const response = await fetch(`${up.otlpHttp}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-protobuf' },
      body: Buffer.alloc(80 * 1024 * 1024),
    }).catch(() => undefined);
    if (response) assert.equal(response.status, 413);
    const record = await fetch(`${up.internal}/topics/big`, {
      method: 'POST',
      body: Buffer.alloc(4 * 1024 * 1024),
    });
    assert.equal(record.status, 413);
  });

  test('wrong usage exits with 2 and says what was meant', async () => {
    const run = await spoor(['up', '--router-port', 'eighty']);
    assert.equal(run.exitCode, 2);
    assert.match(run.stderr, /eighty/);
  });

  test('a second Spoor on the same data directory is refused', async () => {
    const run = await spoor(['up', '--data', up.data, ...freePorts()]);
    assert.equal(run.exitCode, 1);
    assert.match(run.stderr, /running Spoor \(pid \d+\)/);
  });
});
