import { isDeepStrictEqual } from 'node:util';
import { toManifest } from './manifest.ts';
import type { Package } from './resources.ts';

/** The same source, built in the same way. */
export function isSameSource(a: Package, b: Package): boolean {
  const recipe = (pkg: Package) => {
    const { source, environment, buildcmd } = toManifest(pkg).spec;
    return { source, environment, buildcmd };
  };
  return a.metadata.name === b.metadata.name && isDeepStrictEqual(recipe(a), recipe(b));
}
