import { Failure } from '../../server/failure.ts';
import { describe } from '../../platform/spec/kinds.ts';
import type { ControlClient } from '../../platform/spec/client.ts';
import type { ResourceOf } from '../../platform/spec/catalog.ts';
import { meant } from '../../platform/spec/meant.ts';
import type { Kind, Reference } from '../../platform/spec/resources.ts';
import type { CliContext } from '../context.ts';

/** Deletes and says so; what is not there is a failure unless `ignoreNotFound`. */
export async function remove(
  context: CliContext,
  kind: Kind,
  reference: Reference,
  ignoreNotFound = false,
): Promise<void> {
  try {
    await (await context.client()).delete(kind, reference);
    context.out.print(`${describe(kind, reference)} deleted`);
  } catch (error) {
    if (!(error instanceof Failure && error.reason === 'not_found')) throw error;
    if (ignoreNotFound) return;
    await mustGet(context, kind, reference);
    throw error;
  }
}

/** The resource, or the Failure that says there is none. */
export async function mustGet<K extends Kind>(
  context: CliContext,
  kind: K,
  reference: Reference,
): Promise<ResourceOf<K>> {
  return await mustBeThere(await context.client(), kind, reference);
}

export async function mustBeThere<K extends Kind>(
  client: ControlClient,
  kind: K,
  reference: Reference,
): Promise<ResourceOf<K>> {
  const found = await client.get(kind, reference);
  if (found) return found;
  const names = (await client.list(kind, reference.namespace)).map(({ metadata }) => metadata.name);
  const verbs = `\`spoor ${VERBS_OF[kind]}`;
  const advice =
    names.length === 0
      ? `. ${verbs} create --help\` shows how to make one`
      : meant(reference.name, names) || `. ${verbs} list\` shows those there are`;
  throw new Failure('spec', 'not_found', `cannot find ${describe(kind, reference)}: there is none${advice}`);
}

/** Under which name a person finds the verbs of each kind. */
export const VERBS_OF: Readonly<Record<Kind, string>> = {
  Environment: 'env',
  Package: 'pkg',
  Function: 'fn',
  HTTPTrigger: 'route',
  MessageQueueTrigger: 'mqt',
  TimeTrigger: 'tt',
  CanaryConfig: 'canary',
};

/** A trigger of nothing is a mistake worth hearing of at once. */
export async function mustExist(
  context: CliContext,
  kind: Kind,
  references: readonly Reference[],
): Promise<void> {
  for (const reference of references) await mustGet(context, kind, reference);
}
