import { Failure } from '../../server/failure.ts';
import type { Environment } from '../spec/resources.ts';

export type Language = 'node' | 'python';

/**
 * Which of our environments stands for a Fission image: by the last part of its name, as in `ghcr.io/fission/node-env-22:1.0`
 * or `fission/python-fastapi-env`. Throws a Failure `specialization_failed` for any other.
 */
export function languageOf(environment: Environment): Language {
  const { image } = environment.spec.runtime;
  const name = image.split('/').at(-1) ?? '';
  if (/^(node|nodejs)\b/.test(name)) return 'node';
  if (name.startsWith('python')) return 'python';
  throw new Failure(
    'executor',
    'specialization_failed',
    `cannot run environment [${environment.metadata.name}]: its image [${image}] is neither a node nor a python environment`,
  );
}
