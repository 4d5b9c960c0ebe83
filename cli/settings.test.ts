import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { examine } from './doctor.ts';
import { DEFAULT_DATA, makePlaces, nearestData, placesOf } from './settings.ts';

void test('what runs is found from every folder below it, and nothing is found where nothing runs', async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), 'spoor-settings-'));
  const below = join(dir.path, 'a/b');
  await mkdir(below, { recursive: true });
  assert.equal(nearestData(below), DEFAULT_DATA);
  const data = join(dir.path, '.spoor');
  await mkdir(data);
  await writeFile(placesOf(data).endpoints, '{}');
  assert.equal(nearestData(below), data);
  assert.equal(nearestData(dir.path), data);
});

void test('a data directory that cannot be made says which, and what to do', async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), 'spoor-settings-'));
  const file = join(dir.path, 'file');
  await writeFile(file, '');
  for (const data of [file, join(file, 'below'), '/proc/none'])
    assert.throws(() => makePlaces(data), { message: new RegExp(`cannot write to ${data}.*--data`) });
});

void test('doctor looks and makes nothing', async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), 'spoor-settings-'));
  const data = join(dir.path, 'not/there');
  const findings = await examine({ data });
  for (const what of [/^Node$/, /^chDB/, /^Python/, /^disk$/, /^port 8888/, /^port 6831/])
    assert.ok(
      findings.some((finding) => what.test(finding.what)),
      String(what),
    );
  for (const { state, what, advice } of findings)
    assert.equal(advice === '', state === 'ok', `${what}: advice where it is wanted`);
  assert.equal(existsSync(data), false);
  const full = await examine({ data: '/proc/none' });
  assert.match(full.find(({ what }) => what === 'disk')?.advice ?? '', /--data/);
});
