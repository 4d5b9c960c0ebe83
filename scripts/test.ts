/**
 * Runs the tests: `npm test` runs all of them, `npm test -- function/span` those below a path. Ends with a line such as
 * `312 passed, 0 failed`. With CI=true a skipped test is a failure: a missing prerequisite must not hide.
 *
 * A file with a failure runs once more, alone, at the end: stories of whole systems with real brokers and real kills share two
 * cores here. What passes only then is named, so that it can be mended; what fails twice has failed.
 */
import { resolve } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
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
  paths.length === 0 ? all : all.filter((file) => paths.some((path) => file.startsWith(trim(path))));
if (files.length === 0) {
  console.error(`cannot find a test below ${paths.join(', ')}`);
  process.exit(2);
}
process.env['NODE_NO_WARNINGS'] = '1';

const first = await runFiles(files, CONCURRENCY);
const results = new Map(first);
const again = [...first].filter(([, result]) => result.failed > 0).map(([file]) => file);
const mended: string[] = [];
if (again.length > 0) {
  console.log(`\nonce more, alone: ${again.join(', ')}`);
  for (const [file, result] of await runFiles(again, 1)) {
    results.set(file, result);
    if (result.failed === 0) mended.push(file);
  }
}

const sum = (of: (result: Result) => number) =>
  [...results.values()].reduce((total, result) => total + of(result), 0);
const passed = sum((result) => result.passed);
const skipped = sum((result) => result.skipped);
const skippedIsFailure = process.env['CI'] === 'true' && skipped > 0;
const failed = sum((result) => result.failed) + (skippedIsFailure ? skipped : 0);

console.log();
if (mended.length > 0) console.log(`passed only when run alone: ${mended.join(', ')}`);
for (const [file, result] of results)
  for (const name of result.failures) console.log(`failed: ${file}: ${name}`);
if (skippedIsFailure)
  console.log(`${skipped} tests were skipped; with CI=true a missing prerequisite is a failure`);
console.log(
  `${passed} passed, ${failed} failed${skipped > 0 && !skippedIsFailure ? `, ${skipped} skipped` : ''}`,
);
process.exit(failed > 0 || passed === 0 ? 1 : 0);

interface Result {
  passed: number;
  failed: number;
  skipped: number;
  readonly failures: string[];
}

async function runFiles(these: readonly string[], concurrency: number): Promise<Map<string, Result>> {
  const counted = new Map<string, Result>(
    these.map((file) => [file, { passed: 0, failed: 0, skipped: 0, failures: [] }]),
  );
  const stream = run({
    files: these.map((file) => resolve(root, file)),
    concurrency,
    timeout: FILE_TIMEOUT_MS,
    cwd: root,
  });
  const resultOf = (file: string | undefined) => counted.get(trim((file ?? '').slice(root.length + 1)));
  stream.on('test:pass', (event) => {
    const result = resultOf(event.file);
    if (!result || event.details.type === 'suite') return;
    if (event.skip !== undefined || event.todo !== undefined) result.skipped += 1;
    else result.passed += 1;
  });
  stream.on('test:fail', (event) => {
    const result = resultOf(event.file) ?? counted.get(event.name);
    // A suite fails with its tests, which are counted; one whose own hook failed has no other failure.
    if (!result || (event.details.type === 'suite' && result.failed > 0)) return;
    result.failed += 1;
    result.failures.push(event.name);
  });
  const lines = stream.compose(spec as never) as NodeJS.ReadableStream;
  for await (const chunk of lines) process.stdout.write(chunk);
  return counted;
}

function trim(path: string): string {
  return path.replace(/^\.\//, '').replace(/\/$/, '');
}
