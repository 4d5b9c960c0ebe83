import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../../server/failure.ts';
import type { Catalog } from '../spec/catalog.ts';
import type { FunctionResource, Reference } from '../spec/resources.ts';

/** A key of a secret is the name of one file (Kubernetes: alphanumerics, `-`, `_`, `.`), never a path. */
const KEY = /^(?!\.{1,2}$)[-._a-zA-Z0-9]{1,253}$/;

/**
 * Writes the secrets and configmaps of a function below the folder of its instance as Fission mounts them:
 * `secrets/<namespace>/<name>/<key>` and `configs/…` (fission.md 1.2). The instance finds them at SPOOR_SECRETS_DIR and
 * SPOOR_CONFIGS_DIR. Throws a Failure `specialization_failed` that names the one that is missing.
 */
export function writeMounts(folder: string, fn: FunctionResource, catalog: Catalog): void {
  for (const reference of fn.spec.secrets)
    write(folder, 'secrets', 'secret', reference, catalog.secret(reference));
  for (const reference of fn.spec.configmaps)
    write(folder, 'configs', 'configmap', reference, catalog.configmap(reference));
}

function write(
  folder: string,
  kind: 'secrets' | 'configs',
  word: string,
  reference: Reference,
  data: Readonly<Record<string, Uint8Array>> | undefined,
): void {
  const name = `${reference.namespace}/${reference.name}`;
  if (!data)
    throw new Failure('executor', 'specialization_failed', `cannot mount ${word} [${name}]: there is none`);
  const target = join(folder, kind, reference.namespace, reference.name);
  mkdirSync(target, { recursive: true, mode: 0o700 });
  for (const [key, value] of Object.entries(data)) {
    if (!KEY.test(key)) {
      throw new Failure(
        'executor',
        'specialization_failed',
        `cannot mount ${word} [${name}]: its key [${key}] is not a file name`,
      );
    }
    writeFileSync(join(target, key), value, { mode: 0o600 });
  }
}
