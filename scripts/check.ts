/** Types, lint, format and import order, in turn. `npm run check`; `.ci/run` calls it. Exits 1 if any of them fails. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const bin = (name: string) => resolve(root, 'node_modules/.bin', name);

const checks: readonly (readonly [title: string, command: string, args: readonly string[]])[] = [
  ['types', bin('tsc'), ['-p', 'tsconfig.json']],
  ...(existsSync(resolve(root, 'ui/tsconfig.json'))
    ? [['types of ui', bin('tsc'), ['-p', 'ui/tsconfig.json']] as const]
    : []),
  ['lint', bin('oxlint'), ['--type-aware', '--quiet']],
  ['format', bin('oxfmt'), ['--check', '.']],
  ['imports', process.execPath, ['scripts/check-imports.ts']],
];

let failed = 0;
for (const [title, command, args] of checks) {
  const run = spawnSync(command, args, { cwd: root, encoding: 'utf8' });
  const ok = run.status === 0;
  if (!ok) failed += 1;
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${title}`);
  if (!ok) console.log(`${run.stdout}${run.stderr}${run.error ? String(run.error) : ''}`);
}
process.exit(failed === 0 ? 0 : 1);
