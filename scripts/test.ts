/**
 * Runs the tests: `npm test` runs all of them, `npm test -- function/span` those below a path. Ends with a line such as
 * `312 passed, 0 failed`. With CI=true a skipped test is a failure: a missing prerequisite must not hide.
 *
 * Each file is a process group of its own, so that one that hangs is killed with what it started, and named; node:test's own
 * runner waits for it for ever. A file with a failure runs once more, alone, at the end: stories of whole systems with real
 * brokers and real kills share two cores here. A test that passes only in one of the two is named, so that it can be mended; one
 * that fails twice has failed.
 */
import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { globSync } from 'tinyglobby';
import type { TestLine } from './test-reporter.ts';

const root = resolve(import.meta.dirname, '..');
const CONCURRENCY = 2;
/** A test file that takes longer than this hangs. */
const FILE_TIMEOUT_MS = 600_000;
/** A whole run that takes longer than this ends with what it has, so that whoever waits for it hears why. */
const TOTAL_TIMEOUT_MS = 40 * 60_000;

const ENDED_EARLY = /^(?:did not end|ended with|not run)/;

const startedAt = Date.now();
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
  paths.length === 0 ? all : all.filter((file) => paths.some((path) => file.startsWith(trim(path))));
if (files.length === 0) {
  console.error(`cannot find a test below ${paths.join(', ')}`);
  process.exit(2);
}

const running = new Set<number>();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    for (const pid of running) killGroup(pid);
    process.exit(130);
  });
const scratch = mkdtempSync(join(tmpdir(), 'spoor-test-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

const results = await runFiles(files, CONCURRENCY);
const again = files.filter((file) => (results.get(file)?.failures.length ?? 0) > 0);
const unsteady: string[] = [];
if (again.length > 0) {
  console.log(`\nonce more, alone: ${again.join(', ')}`);
  for (const [file, second] of await runFiles(again, 1)) {
    const first = results.get(file)?.failures ?? [];
    // What ended the file itself hides tests that never ran.
    const both = second.failures.filter((name) => first.includes(name) || ENDED_EARLY.test(name));
    for (const name of new Set([...first, ...second.failures]))
      if (!both.includes(name)) unsteady.push(`${file}: ${name}`);
    // What failed this time alone had passed before.
    results.set(file, {
      passed: second.passed + second.failures.length - both.length,
      skipped: second.skipped,
      failures: both,
    });
  }
}

const sum = (of: (result: Result) => number) =>
  [...results.values()].reduce((total, result) => total + of(result), 0);
const passed = sum((result) => result.passed);
const skipped = sum((result) => result.skipped);
const skippedIsFailure = process.env['CI'] === 'true' && skipped > 0;
const failed = sum((result) => result.failures.length) + (skippedIsFailure ? skipped : 0);

console.log();
for (const name of unsteady) console.log(`passed in one of two runs: ${name}`);
for (const [file, result] of results)
  for (const name of result.failures) console.log(`failed: ${file}: ${name}`);
if (skippedIsFailure)
  console.log(`${skipped} tests were skipped; with CI=true a missing prerequisite is a failure`);
console.log(
  `${passed} passed, ${failed} failed${skipped > 0 && !skippedIsFailure ? `, ${skipped} skipped` : ''}`,
);
process.exit(failed > 0 || passed === 0 ? 1 : 0);

interface Result {
  readonly passed: number;
  readonly skipped: number;
  readonly failures: readonly string[];
}

async function runFiles(these: readonly string[], concurrency: number): Promise<Map<string, Result>> {
  const ended = new Map<string, Result>();
  const waiting = [...these];
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      for (let file = waiting.shift(); file !== undefined; file = waiting.shift())
        ended.set(file, await runFile(file));
    }),
  );
  return ended;
}

async function runFile(file: string): Promise<Result> {
  const left = startedAt + TOTAL_TIMEOUT_MS - Date.now();
  if (left <= 0)
    return { passed: 0, skipped: 0, failures: [`not run: ${TOTAL_TIMEOUT_MS / 60_000} min are over`] };
  const timeoutMs = Math.min(FILE_TIMEOUT_MS, left);
  const name = file.replaceAll('/', '-');
  const said = join(scratch, `${name}.out`);
  const counted = join(scratch, `${name}.lines`);
  const began = Date.now();
  // Into a file, not a pipe: what a test leaves running may hold a pipe open for ever.
  const fd = openSync(said, 'w');
  const end = await new Promise<string | undefined>((done) => {
    const child = spawn(
      process.execPath,
      [
        '--test-reporter=spec',
        '--test-reporter-destination=stdout',
        `--test-reporter=${join(root, 'scripts/test-reporter.ts')}`,
        `--test-reporter-destination=${counted}`,
        file,
      ],
      {
        cwd: root,
        detached: true,
        stdio: ['ignore', fd, fd],
        env: { ...process.env, NODE_NO_WARNINGS: '1' },
      },
    );
    const pid = child.pid ?? 0;
    running.add(pid);
    let hung = false;
    const timer = setTimeout(() => {
      hung = true;
      killGroup(pid);
    }, timeoutMs);
    child.on('error', (error) => done(error.message));
    child.on('exit', (code, signal) => {
      clearTimeout(timer);
      running.delete(pid);
      killGroup(pid);
      if (hung) done(`did not end within ${Math.round(timeoutMs / 1_000)} s`);
      else done(code === 0 ? undefined : `ended with ${signal ?? `exit code ${code}`}`);
    });
  });
  closeSync(fd);
  const lines = readLines(counted);
  const tests = lines.filter(({ isSuite }) => !isSuite);
  const failures = tests.filter(({ outcome }) => outcome === 'failed').map((line) => line.name);
  // A suite fails with its tests, which are counted; one whose own hook failed has no other failure.
  if (failures.length === 0)
    failures.push(...lines.filter(({ outcome }) => outcome === 'failed').map((line) => line.name));
  if (end !== undefined && (failures.length === 0 || end.startsWith('did not'))) failures.push(end);
  const count = (outcome: TestLine['outcome']) => tests.filter((line) => line.outcome === outcome).length;
  // Node's own sums are left out: ours stands at the end.
  const text = readFileSync(said, 'utf8').replace(
    /^ℹ (?:tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) .*\n/gm,
    '',
  );
  console.log(`== ${file} (${((Date.now() - began) / 1_000).toFixed(1)} s)`);
  process.stdout.write(text);
  if (end !== undefined) console.log(`${file} ${end}`);
  return { passed: count('passed'), skipped: count('skipped'), failures };
}

function readLines(file: string): TestLine[] {
  let text = '';
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    // It ended before its first test.
  }
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as TestLine);
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It is gone.
  }
}

function trim(path: string): string {
  return path.replace(/^\.\//, '').replace(/\/$/, '');
}
