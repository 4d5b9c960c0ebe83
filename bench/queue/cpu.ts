import { readdir, readFile } from 'node:fs/promises';

/** µs of user and system time so far of a process and all below it, each counted by `nameOf` its command line. */
export async function cpuMicros(
  pid: number,
  nameOf: (commandLine: string, pid: number) => string,
  into: Record<string, number> = {},
): Promise<Readonly<Record<string, number>>> {
  const stat = await readText(`/proc/${pid}/stat`);
  if (stat === '') return into;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const name = nameOf((await readText(`/proc/${pid}/cmdline`)).replaceAll('\0', ' '), pid);
  // utime and stime (proc_pid_stat(5)), in ticks of 10 ms.
  into[name] = (into[name] ?? 0) + (Number(fields[11]) + Number(fields[12])) * 10_000;
  const tasks = await readdir(`/proc/${pid}/task`).catch(() => []);
  const children = await Promise.all(tasks.map((task) => readText(`/proc/${pid}/task/${task}/children`)));
  for (const child of children
    .join(' ')
    .split(' ')
    .filter((each) => each !== ''))
    await cpuMicros(Number(child), nameOf, into);
  return into;
}

/** '' when the process has gone meanwhile. */
async function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}
