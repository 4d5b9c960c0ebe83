import { Failure } from '../../server/failure.ts';
import { describe } from './kinds.ts';
import type { Environment } from './resources.ts';

export type Runtime = 'node' | 'python';

/**
 * Our environment that runs what the image would: `ghcr.io/fission/node-env-22:1.0`, `fission/python-fastapi-env` and plain
 * `node` or `python` select by language. Throws a Failure (`not_supported`) for any other image.
 */
export function runtimeOf(environment: Environment): Runtime {
  const { image } = environment.spec.runtime;
  const name = (image.split('/').at(-1) as string).split(/[:@]/)[0] as string;
  if (/^(node|nodejs)(-|$)/.test(name)) return 'node';
  if (/^python\d*(-|$)/.test(name)) return 'python';
  throw new Failure(
    'spec',
    'not_supported',
    `cannot run image [${image}] of ${describe('Environment', environment.metadata)} as a process: only node-env and python-env images can be run here`,
  );
}
