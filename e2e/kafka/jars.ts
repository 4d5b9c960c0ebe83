import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ensureProgram, JAVA, MAVEN } from '../../scripts/system-program.ts';

const POM = join(import.meta.dirname, 'pom.xml');
const CACHE = resolve(import.meta.dirname, '../../node_modules/.cache/spoor/kafka');

/** The class path of Apache Kafka as pom.xml names it, got with Maven the first time (43 MB) and kept. */
export async function kafkaClassPath(say: (line: string) => void): Promise<string> {
  const id = createHash('sha256').update(readFileSync(POM)).digest('hex').slice(0, 12);
  const folder = join(CACHE, id);
  if (!existsSync(folder)) await download(folder, say);
  return join(folder, '*');
}

/** Into a folder of its own that gets its name when it is whole: two tests may both be the first. */
async function download(folder: string, say: (line: string) => void): Promise<void> {
  say('getting Apache Kafka with Maven, once (43 MB)');
  await ensureProgram(JAVA);
  const maven = await ensureProgram(MAVEN);
  await mkdir(CACHE, { recursive: true });
  const partial = `${folder}.${process.pid}`;
  await run(maven, [
    '--batch-mode',
    '--quiet',
    '--file',
    POM,
    'dependency:copy-dependencies',
    '-DincludeScope=runtime',
    `-DoutputDirectory=${partial}`,
  ]);
  try {
    await rename(partial, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error;
    await rm(partial, { recursive: true });
  }
  say('Apache Kafka is here');
}

/** Runs a program to its end; its output is in the error when that is a bad one. */
export async function run(command: string, args: readonly string[]): Promise<void> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const code = await new Promise<number | null>((done, fail) => {
    child.once('error', (cause: NodeJS.ErrnoException) =>
      fail(cause.code === 'ENOENT' ? new Error(missing(command), { cause }) : cause),
    );
    child.once('close', done);
  });
  if (code !== 0) throw new Error(`cannot run ${command} ${args[0]}: it exited with ${code}\n${output}`);
}

function missing(command: string): string {
  return `cannot find ${command}, and the tests with a real Kafka need it: install Java 17 and Maven (Debian: apt-get install default-jdk-headless maven)`;
}
