import { Failure } from '../../server/failure.ts';
import { describe } from './kinds.ts';
import type { Environment } from './resources.ts';

export type Runtime = 'node' | 'python';

/**
 * Our environment that runs what the image would: `ghcr.io/fission/node-env-22:1.0`, `fission/python-fastapi-env`, plain `node` or
 * `python3.12`. The one place that decides it, for validation, builds and the executor alike: by the last part of the image's
 * name without tag and digest, a language and then nothing or `-…`, so that `nodemon` or `pythonista` is not taken for one. By
 * name and not by a label or a table of known images, because specs written for Fission carry nothing else, and people rename
 * their copies of its images behind the first dash. Throws a Failure (`not_supported`) for any other image.
 */
export function runtimeOf(environment: Environment): Runtime {
  const { image } = environment.spec.runtime;
  const name = (image.split('/').at(-1) as string).split(/[:@]/)[0] as string;
  if (/^node(js)?\d*(-|$)/.test(name)) return 'node';
  if (/^python[\d.]*(-|$)/.test(name)) return 'python';
  throw new Failure(
    'spec',
    'not_supported',
    `cannot run image [${image}] of ${describe('Environment', environment.metadata)} as a process: only node-env and python-env images can be run here`,
  );
}
