import type { Command } from 'commander';
import { Failure } from '../../server/failure.ts';
import { authorization } from '../ask-query.ts';
import type { CliContext } from '../context.ts';
import { outputOption, verb } from './flags.ts';

const TIMEOUT_MS = 5_000;

/** `version` and `check`: is it there, and does all of it answer? */
export function register(program: Command, context: CliContext): void {
  verb(program, 'version', 'versions of this command and of the platform', 'spoor version')
    .addOption(outputOption(['json', 'yaml']))
    .action(async (flags: { output?: string }) => {
      const versions = { client: program.version() ?? '', platform: await platformVersion(context) };
      if (flags.output !== undefined) context.out.object(versions, flags.output);
      else {
        context.out.print(`client:   ${versions.client}`);
        context.out.print(`platform: ${versions.platform ?? '(none is running)'}`);
      }
    });

  verb(program, 'check', 'ask every part of a running Spoor whether it answers', 'spoor check')
    .addOption(outputOption(['json', 'yaml']))
    .action(async (flags: { output?: string }) => {
      const checks = await Promise.all([
        check('router', context.routerUrl(), '/router-healthz'),
        check('control API', context.server(), '/control/v1/environments'),
        check('topics', context.server(), '/topics'),
        check('query API', context.queryUrl(), '/api/services'),
      ]);
      context.out.list(
        checks,
        [
          { title: 'PART', key: 'part' },
          { title: 'STATE', key: 'state' },
          { title: 'ADDRESS', key: 'address' },
          { title: 'DETAIL', key: 'detail', narrow: 'cut' },
        ],
        flags.output,
      );
      const broken = checks.filter(({ state }) => state !== 'ok').map(({ part }) => part);
      if (broken.length > 0)
        throw new Failure(
          'cli',
          'unavailable',
          `cannot use all of Spoor: ${broken.join(', ')} did not answer. \`spoor up\` starts it, \`spoor doctor\` looks for what is missing`,
        );
    });
}

async function platformVersion(context: CliContext): Promise<string | null> {
  try {
    const response = await fetch(`${await context.routerUrl()}/_version`, {
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const { version } = (await response.json()) as { version?: string };
    return version === undefined || version === '' ? 'running' : version;
  } catch {
    return null;
  }
}

interface Check {
  readonly part: string;
  readonly state: 'ok' | 'failed';
  readonly address: string;
  readonly detail: string;
}

async function check(part: string, url: Promise<string>, path: string): Promise<Check> {
  let address = '';
  try {
    address = await url;
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetch(`${address}${path}`, { headers: authorization(), signal });
    await response.body?.cancel();
    return { part, address, state: response.ok ? 'ok' : 'failed', detail: `status ${response.status}` };
  } catch (error) {
    const { cause, message } = error as Error;
    return { part, address, state: 'failed', detail: cause instanceof Error ? cause.message : message };
  }
}
