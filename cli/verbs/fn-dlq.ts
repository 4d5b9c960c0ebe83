import type { Command } from 'commander';
import type { CliContext } from '../context.ts';
import { outputOption, verb, wholeNumber, wrongUsage } from './flags.ts';
import { callInternal } from './internal-call.ts';

/** One asynchronous invocation, as `GET /async` shows it. */
interface AsyncInvocation {
  readonly invocationId: string;
  /** `namespace/name` */
  readonly function: string;
  readonly state: string;
  readonly attempts: number;
  readonly condition: string;
  readonly status: number;
  readonly message: string;
  readonly traceId: string;
  readonly acceptedAt: string;
  readonly settledAt?: string;
}

const MOST = 1_000;

/** Asynchronous invocations that were given up, until someone looks. */
export function registerDlq(fn: Command, context: CliContext): void {
  const dlq = fn
    .command('dlq')
    .description('asynchronous invocations that failed every attempt (dead letters)');

  verb(dlq, 'list', 'list dead letters, the latest first', 'spoor fn dlq list')
    .option('--name <name>', 'only of this function')
    .option('-n, --namespace <namespace>', 'only of this namespace')
    .option('--limit <n>', 'how many', wholeNumber, 100)
    .addOption(outputOption(['json', 'yaml', 'wide']))
    .action(async (flags: { name?: string; namespace?: string; limit: number; output?: string }) => {
      const found = (await deadLetters(context, flags.limit)).filter((item) => {
        const [namespace, name] = item.function.split('/');
        return (
          (flags.name === undefined || flags.name === name) &&
          (flags.namespace === undefined || flags.namespace === namespace)
        );
      });
      context.out.list(
        found.map((item) => ({
          id: item.invocationId,
          function: item.function.replace(/^default\//, ''),
          reason: item.condition,
          attempts: item.attempts,
          status: item.status === 0 ? '' : String(item.status),
          died: item.settledAt ?? '',
          traceId: item.traceId,
          message: item.message,
        })),
        [
          { title: 'ID', key: 'id' },
          { title: 'FUNCTION', key: 'function' },
          { title: 'REASON', key: 'reason' },
          { title: 'ATTEMPTS', key: 'attempts', align: 'right' },
          { title: 'STATUS', key: 'status', align: 'right' },
          { title: 'DIED', key: 'died', narrow: 'drop' },
          { title: 'TRACE', key: 'traceId' },
          { title: 'MESSAGE', key: 'message', wide: true },
        ],
        flags.output,
        found,
      );
    });

  verb(dlq, 'show', 'show one, with the last answer it got', 'spoor fn dlq show --id 4f8c…')
    .requiredOption('--id <id>', 'id of the invocation')
    .addOption(outputOption(['json', 'yaml']))
    .action(async (flags: { id: string; output?: string }) => {
      const response = await callInternal(context, pathOf(flags.id));
      const { answer, ...rest } = (await response.json()) as AsyncInvocation & { answer: string };
      context.out.object({ ...rest, answer: Buffer.from(answer, 'base64').toString() }, flags.output);
    });

  verb(
    dlq,
    'redrive',
    'deliver dead letters again',
    'spoor fn dlq redrive --id 4f8c…\nspoor fn dlq redrive --all',
  )
    .option('--id <id>', 'id of the invocation')
    .option('--all', 'all of them')
    .action(async (flags: { id?: string; all?: boolean }) => {
      if ((flags.id === undefined) === (flags.all !== true))
        throw wrongUsage('cannot tell what to deliver again: give --id or --all');
      const ids = flags.id === undefined ? await idsOf(context) : [flags.id];
      for (const id of ids) await callInternal(context, `${pathOf(id)}/redrive`, { method: 'POST' });
      context.out.print(`redrove ${ids.length} dead-lettered invocation(s)`);
    });

  verb(dlq, 'purge', 'delete every dead letter', 'spoor fn dlq purge').action(async () => {
    const ids = await idsOf(context);
    for (const id of ids) await callInternal(context, pathOf(id), { method: 'DELETE' });
    context.out.print(`purged ${ids.length} dead-lettered invocation(s)`);
  });
}

async function deadLetters(context: CliContext, limit: number): Promise<AsyncInvocation[]> {
  const response = await callInternal(context, `/async?state=dead&limit=${limit}`);
  return ((await response.json()) as { items: AsyncInvocation[] }).items;
}

async function idsOf(context: CliContext): Promise<string[]> {
  return (await deadLetters(context, MOST)).map(({ invocationId }) => invocationId);
}

function pathOf(id: string): string {
  return `/async/${encodeURIComponent(id)}`;
}
