/**
 * Runs the tests: `npm test` runs all of them, `npm test -- function/span` those below a path. Ends with a line such as
 * `312 passed, 0 failed`. With CI=true a skipped test is a failure: a missing prerequisite must not hide.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { resolve } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { globSync } from 'tinyglobby';

const root = resolve(import.meta.dirname, '..');
const CONCURRENCY = 2;
/** A test file that takes longer than this hangs. */
const FILE_TIMEOUT_MS = 600_000;

const paths = process.argv.slice(2);
const all = globSync(
  [
    '{function,server,platform,backend,ui,cli,scripts,e2e,bench}/**/*.test.ts',
    '!**/node_modules',
    '!ui/dist',
  ],
  { cwd: root },
).sort();
const files =
  paths.length === 0
    ? all
    : all.filter((file) =>
        paths.some((path) => file.startsWith(path.replace(/^\.\//, '').replace(/\/$/, ''))),
      );
if (files.length === 0) {
  console.error(`cannot find a test below ${paths.join(', ')}`);
  process.exit(2);
}

const child = spawn(
  process.execPath,
  [
    '--test',
    `--test-concurrency=${CONCURRENCY}`,
    `--test-timeout=${FILE_TIMEOUT_MS}`,
    '--test-reporter=spec',
    ...files,
  ],
  {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, FORCE_COLOR: process.stdout.isTTY ? '1' : '0', NODE_NO_WARNINGS: '1' },
  },
);

const counts = new Map<string, number>();
for await (const line of createInterface({ input: child.stdout })) {
  console.log(line);
  const summary = /^ℹ (tests|pass|fail|cancelled|skipped|todo) (\d+)$/.exec(stripVTControlCharacters(line));
  if (summary) counts.set(summary[1] as string, Number(summary[2]));
}
const exitCode =
  child.exitCode ?? (await new Promise<number>((done) => child.once('exit', (code) => done(code ?? 1))));

const count = (name: string) => counts.get(name) ?? 0;
const skipped = count('skipped') + count('todo');
const skippedIsFailure = process.env['CI'] === 'true' && skipped > 0;
const failed = count('fail') + count('cancelled') + (skippedIsFailure ? skipped : 0);
if (skippedIsFailure)
  console.error(`${skipped} tests were skipped; with CI=true a missing prerequisite is a failure`);
const skippedNote = skipped > 0 && !skippedIsFailure ? `, ${skipped} skipped` : '';
console.log(
  `${count('pass')} passed, ${failed}${failed === 0 && exitCode !== 0 ? '+' : ''} failed${skippedNote}`.replace(
    '0+ failed',
    '1 failed',
  ),
);
process.exit(failed > 0 || count('pass') === 0 ? 1 : exitCode);
