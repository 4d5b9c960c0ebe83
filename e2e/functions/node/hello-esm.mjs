import { readFile } from 'node:fs/promises';

export default async () => {
  const self = await readFile(new URL(import.meta.url), 'utf8');
  return { status: 200, body: { module: 'esm', lines: self.trim().split('\n').length } };
};
