/**
 * Edit to traced answer with `fn run`: from the moment a file is saved to the moment its new answer is there and its trace is
 * whole. Run: `node bench/fn-run.ts [edits] [node|python]`.
 */
import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startLocalRun } from '../cli/verbs/run/local-run.ts';
import { silentLog } from '../server/log.ts';

const edits = Number(process.argv[2] ?? 50);
const language = process.argv[3] === 'python' ? 'python' : 'node';
/** Between two edits; nobody saves faster than this. */
const PAUSE_MS = 400;

const codeOf = {
  node: (version: number) => `module.exports = async () => ({ status: 200, body: 'version ${version}' });\n`,
  python: (version: number) => `def main():\n    return 'version ${version}'\n`,
}[language];

await using dir = await mkdtempDisposable(join(tmpdir(), 'spoor-bench-'));
const file = join(dir.path, language === 'node' ? 'hello.js' : 'hello.py');
await writeFile(file, codeOf(0));

let traced = Promise.withResolvers<void>();
let reloaded = Promise.withResolvers<void>();
await using run = await startLocalRun({
  file,
  name: 'hello',
  language,
  entrypoint: '',
  env: [],
  port: 0,
  timeout: 60,
  log: silentLog(),
  onLog: () => {},
  onTrace: (spans) => {
    if (spans.some(({ name }) => name === 'hello')) traced.resolve();
  },
  onReload: () => reloaded.resolve(),
});
await (await fetch(run.url)).text();
await traced.promise;

const totals: number[] = [];
const answers: number[] = [];
for (let edit = 1; edit <= edits; edit++) {
  await sleep(PAUSE_MS);
  traced = Promise.withResolvers();
  reloaded = Promise.withResolvers();
  const savedAt = performance.now();
  await writeFile(file, codeOf(edit));
  await reloaded.promise;
  const text = await (await fetch(run.url)).text();
  if (text !== `version ${edit}`) throw new Error(`edit ${edit} was answered by ${JSON.stringify(text)}`);
  answers.push(performance.now() - savedAt);
  await traced.promise;
  totals.push(performance.now() - savedAt);
}

console.log(`${language}, ${edits} edits, ${cpus().length} cores (${cpus()[0]?.model ?? ''})`);
for (const [what, figures] of [
  ['save to answer', answers],
  ['save to traced answer', totals],
] as const) {
  const sorted = figures.toSorted((a, b) => a - b);
  const at = (share: number) =>
    (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] as number).toFixed(1);
  console.log(`${what.padEnd(22)} p50 ${at(0.5)} ms   p95 ${at(0.95)} ms   max ${at(1)} ms`);
}
