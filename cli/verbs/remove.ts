import { Failure } from '../../server/failure.ts';
import { describe } from '../../platform/spec/kinds.ts';
import type { ResourceOf } from '../../platform/spec/catalog.ts';
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
    if (ignoreNotFound && error instanceof Failure && error.reason === 'not_found') return;
    throw error;
  }
}

/** The resource, or the Failure that says there is none. */
export async function mustGet<K extends Kind>(
  context: CliContext,
  kind: K,
  reference: Reference,
): Promise<ResourceOf<K>> {
  const found = await (await context.client()).get(kind, reference);
  if (found) return found;
  throw new Failure('spec', 'not_found', `cannot find ${describe(kind, reference)}: there is none`);
}

/** A trigger of nothing is a mistake worth hearing of at once. */
export async function mustExist(
  context: CliContext,
  kind: Kind,
  references: readonly Reference[],
): Promise<void> {
  for (const reference of references) await mustGet(context, kind, reference);
}
