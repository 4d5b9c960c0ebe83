/**
 * Checks that each folder imports only what the architecture allows it to (ARCHITECTURE.md, "Folders").
 * Run: `node scripts/check-imports.ts`. Exits 1 and names each import that is out of place.
 */
import { readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { globSync } from 'tinyglobby';

/** A folder may import itself, and what stands here: a folder, or a single file of one. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'function/span': [],
  'function/environment': ['function/span'],
  'function/agent': ['function/span', 'server'],
  server: ['function/span'],
  'platform/spec': ['server'],
  'platform/executor': ['platform/spec', 'function/span', 'server'],
  'platform/router': ['platform/spec', 'function/span', 'server', 'platform/executor/client.ts'],
  'platform/queue': ['function/span', 'server'],
  'platform/trigger': [
    'platform/spec',
    'function/span',
    'server',
    'platform/queue',
    'platform/router/client.ts',
  ],
  'backend/store': ['function/span', 'server'],
  'backend/collector': ['function/span', 'server', 'backend/store'],
  'backend/diagnosis': ['function/span'],
  'backend/query': ['function/span', 'server', 'backend/store', 'backend/diagnosis'],
  ui: [],
  cli: ['function', 'server', 'platform', 'backend'],
  scripts: ['cli', 'function', 'server', 'platform', 'backend'],
  e2e: ['cli', 'function', 'server', 'platform', 'backend', 'scripts', 'examples'],
  bench: ['cli', 'function', 'server', 'platform', 'backend', 'scripts', 'e2e'],
  examples: [],
};

/** Allowed for `import type` only. */
const MAY_IMPORT_TYPES: Readonly<Record<string, readonly string[]>> = {
  ui: ['backend/query'],
};

/** Tests may also start the real neighbours they talk to, and share helpers. */
const TESTS_MAY_IMPORT = ['server', 'function', 'platform', 'backend'];

const IMPORT =
  /(?:^|\n)\s*(import|export)\s+(type\s+)?[^'"`;]*?from\s*['"](\.[^'"]+)['"]|import\(\s*['"](\.[^'"]+)['"]\s*\)|(?:^|\n)\s*import\s+['"](\.[^'"]+)['"]/g;

const root = resolve(import.meta.dirname, '..');
const folders = Object.keys(MAY_IMPORT).sort((a, b) => b.length - a.length);
const faults: string[] = [];
let checked = 0;

for (const file of globSync(
  [
    '{function,server,platform,backend,ui,cli,scripts,e2e,bench}/**/*.{ts,tsx}',
    '!**/node_modules',
    '!**/dist',
  ],
  { cwd: root },
)) {
  const from = folderOf(file);
  if (!from) continue;
  checked += 1;
  const text = readFileSync(join(root, file), 'utf8');
  for (const match of text.matchAll(IMPORT)) {
    const specifier = match[3] ?? match[4] ?? match[5];
    if (!specifier) continue;
    const target = relative(root, resolve(root, dirname(file), specifier));
    if (isAllowed(file, from, target, match[2] !== undefined)) continue;
    const line = text.slice(0, match.index).split('\n').length;
    faults.push(
      `${file}:${line} imports ${target}: ${from}/ may import ${MAY_IMPORT[from]?.join(', ') || 'nothing of ours'}`,
    );
  }
}

for (const fault of faults) console.error(fault);
console.log(`${checked} files checked, ${faults.length} imports out of place`);
process.exitCode = faults.length === 0 ? 0 : 1;

function folderOf(path: string): string | undefined {
  return folders.find((folder) => path.startsWith(`${folder}/`));
}

function isAllowed(file: string, from: string, target: string, typeOnly: boolean): boolean {
  if (folderOf(target) === from) return true;
  const allowed = [...(MAY_IMPORT[from] ?? [])];
  if (typeOnly) allowed.push(...(MAY_IMPORT_TYPES[from] ?? []));
  if (/\.test\.tsx?$/.test(file) || file.includes('/test/')) allowed.push(...TESTS_MAY_IMPORT);
  return allowed.some((entry) => target === entry || target.startsWith(`${entry}/`));
}
