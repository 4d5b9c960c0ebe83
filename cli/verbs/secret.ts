import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Command } from 'commander';
import type { CliContext } from '../context.ts';
import { collect, collectPairs, namespaced, verb, wrongUsage } from './flags.ts';

/** What `kubectl create secret generic` and `kubectl create configmap` do for Fission's functions. */
export function register(program: Command, context: CliContext): void {
  for (const kind of ['secret', 'configmap'] as const) {
    const group = program
      .command(kind)
      .description(
        kind === 'secret'
          ? 'secrets: files that a function finds below /secrets'
          : 'configmaps: files that a function finds below /configs',
      );
    namespaced(
      verb(
        group,
        'create',
        `create or replace a ${kind}`,
        `spoor ${kind} create my-${kind} --from-literal user=ada --from-file ./key.pem`,
      ),
    )
      .argument('<name>', `name of the ${kind}`)
      .option('--from-literal <key=value>', 'a key and its value; may be repeated', collectPairs)
      .option('--from-file <[key=]path>', 'a key with what a file holds; may be repeated', collect)
      .action(async (name: string, flags: DataFlags) => {
        const reference = { name, namespace: flags.namespace };
        const data = await dataOf(flags);
        if (Object.keys(data).length === 0)
          throw wrongUsage(`cannot create an empty ${kind}: give --from-literal or --from-file`);
        const client = await context.client();
        await (kind === 'secret' ? client.putSecret(reference, data) : client.putConfigmap(reference, data));
        context.out.print(`${kind} '${name}' created`);
      });
    namespaced(verb(group, 'delete', `delete a ${kind}`, `spoor ${kind} delete my-${kind}`))
      .argument('<name>', `name of the ${kind}`)
      .action(async (name: string, flags: { namespace: string }) => {
        const client = await context.client();
        const reference = { name, namespace: flags.namespace };
        await (kind === 'secret' ? client.deleteSecret(reference) : client.deleteConfigmap(reference));
        context.out.print(`${kind} '${name}' deleted`);
      });
  }
}

interface DataFlags {
  readonly namespace: string;
  readonly fromLiteral?: Readonly<Record<string, string>>;
  readonly fromFile?: readonly string[];
}

async function dataOf(flags: DataFlags): Promise<Record<string, Uint8Array>> {
  const data: Record<string, Uint8Array> = {};
  for (const [key, value] of Object.entries(flags.fromLiteral ?? {})) data[key] = Buffer.from(value);
  for (const entry of flags.fromFile ?? []) {
    const at = entry.indexOf('=');
    const path = entry.slice(at + 1);
    const content = await readFile(path).catch((error: Error) => {
      throw wrongUsage(`cannot read ${path}: ${error.message}`);
    });
    data[at < 0 ? basename(path) : entry.slice(0, at)] = new Uint8Array(content);
  }
  return data;
}
