import { join } from 'node:path';
import type { Command } from 'commander';
import { Failure } from '../../server/failure.ts';

const ENVIRONMENTS = join(import.meta.dirname, '../../function/environment');

/** `spoor environment node|python`: the server that runs in a function's container, by itself (docs/instance.md). */
export function register(environment: Command): void {
  for (const language of ['node', 'python'] as const)
    environment
      .command(language)
      .description(
        `the ${language === 'node' ? 'Node' : 'Python'} environment server alone, as in a function's container: waits to be specialized, then runs the function, traced`,
      )
      .option('--port <port>', 'where it listens (default: 8888)')
      .option('--codepath <path>', 'what POST /specialize loads (default: /userfunc/user)')
      .addHelpText(
        'after',
        `\nVariables: SPOOR_JOURNAL switches tracing on; docs/instance.md names the others.\n\nExample:\n  spoor environment ${language} --port 8080`,
      )
      .action(async (flags: { port?: string; codepath?: string }) => {
        const { command, args } =
          language === 'node'
            ? { command: process.execPath, args: [join(ENVIRONMENTS, 'node/main.ts')] }
            : await pythonProgram();
        const given = [
          ...(flags.port === undefined ? [] : ['--port', flags.port]),
          ...(flags.codepath === undefined ? [] : ['--codepath', flags.codepath]),
        ];
        become(command, [...args, ...given]);
      });
}

async function pythonProgram() {
  const { pythonProgram: make } = await import('../../function/environment/python/program.ts');
  return await make().catch((error: Error) => {
    throw new Failure('cli', 'unavailable', error.message, { cause: error });
  });
}

/** In this process's place: its pid, its signals and its exit code are the server's own, as a container wants them. */
function become(command: string, args: readonly string[]): never {
  if (process.execve === undefined)
    throw new Failure('cli', 'not_supported', `cannot start ${command} on this system: it has no exec`);
  return process.execve(command, [command, ...args], process.env);
}
