import { Failure } from '../../server/failure.ts';
import type { Environment, Package } from './resources.ts';
import { describe } from './kinds.ts';

/** What builds a package: the language's own way, or a program of the package's. */
export type BuildCommand =
  | { readonly type: 'default' }
  | { readonly type: 'program'; readonly argv: readonly [string, ...string[]] };

/** How Fission's builder images name their own script. */
const DEFAULT_NAMES: ReadonlySet<string> = new Set(['build', '/build', '/usr/local/bin/build']);

/**
 * The package's command, else its environment's, else the language's own. There is no shell: the text is parted at white
 * space, and what only a shell would understand is refused, as Fission's builder does (pkg/builder). Throws a Failure.
 */
export function buildCommandOf(pkg: Package, environment: Environment): BuildCommand {
  const text = (pkg.spec.buildcmd || environment.spec.builder?.command || 'build').trim();
  const forbidden = /[;|&`$()<>\n\0]/.exec(text)?.[0];
  if (forbidden !== undefined)
    throw new Failure(
      'spec',
      'bad_request',
      `cannot run the build command ${JSON.stringify(text)} of ${describe('Package', pkg.metadata)}: there is no shell for its ${JSON.stringify(forbidden)}. Put it into a script (./build.sh) of the source`,
    );
  const [program, ...args] = text.split(/\s+/) as [string, ...string[]];
  return args.length === 0 && DEFAULT_NAMES.has(program)
    ? { type: 'default' }
    : { type: 'program', argv: [program, ...args] };
}
