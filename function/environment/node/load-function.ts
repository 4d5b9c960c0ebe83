import { pathToFileURL } from 'node:url';
import { findFunctionFile, listOf } from './find-function-file.ts';
import { LoadFailure, loadFailureOf } from './load-failure.ts';

export type UserFunction = (...args: unknown[]) => unknown;

/**
 * Loads the function that `entry` names below `path`. `entry` is Fission's `functionName`: '' (the default export of the
 * main file), 'file' (its default export) or 'file.export'; further dots are ignored, as there.
 * ESM, CommonJS and files without an extension are taken alike. Throws LoadFailure.
 */
export async function loadFunction(path: string, entry: string, preferEsm: boolean): Promise<UserFunction> {
  const [entryFile = '', exportName] = entry.split('.');
  const file = findFunctionFile(path, entryFile, preferEsm);
  let exported: Record<string, unknown>;
  try {
    exported = await loadModule(file);
  } catch (error) {
    throw loadFailureOf(file, error);
  }
  const found = exportName ? namedExport(exported, exportName) : defaultExport(exported);
  if (typeof found === 'function') return found as UserFunction;
  const functions = functionsOf(exported);
  throw new LoadFailure(
    `cannot use ${exportName ? `the export [${exportName}]` : 'the default export'} of [${file}]: ` +
      `${found === undefined ? 'there is none' : `it is of type ${found === null ? 'null' : typeof found}, not a function`}; ` +
      `the file exports ${functions.length === 0 ? 'no function' : listOf(functions)}`,
  );
}

/**
 * The exports of a module; those of CommonJS are its default export. `require` takes ESM as well, and less than half a millisecond
 * where `import()` takes one: of a cold start. Only a module that awaits at its top level is left to `import()`.
 */
async function loadModule(file: string): Promise<Record<string, unknown>> {
  if (REQUIRED.test(file)) {
    const { createRequire } = process.getBuiltinModule('node:module');
    const { isModuleNamespaceObject } = process.getBuiltinModule('node:util/types');
    try {
      const exported: unknown = createRequire(file)(file);
      return isModuleNamespaceObject(exported)
        ? (exported as Record<string, unknown>)
        : { default: exported };
    } catch (error) {
      // Nothing of it has run.
      if ((error as NodeJS.ErrnoException).code !== 'ERR_REQUIRE_ASYNC_MODULE') throw error;
    }
  }
  return (await import(pathToFileURL(file).href)) as Record<string, unknown>;
}

/** `.js`, `.cjs`, and names without an extension. */
const REQUIRED = /(?:\.c?js|(?:^|\/)[^./][^./]*)$/;

function namedExport(exported: Record<string, unknown>, name: string): unknown {
  if (Object.hasOwn(exported, name)) return exported[name];
  // A CommonJS export that Node's lexer did not see.
  return (exported['default'] as Record<string, unknown> | null | undefined)?.[name];
}

function defaultExport(exported: Record<string, unknown>): unknown {
  const found = exported['default'];
  // What compilers make of `export default` when they write CommonJS.
  if (found !== null && typeof found === 'object' && 'default' in found) return found.default;
  return found;
}

function functionsOf(exported: Record<string, unknown>): string[] {
  const inside = exported['default'];
  const all =
    inside !== null && typeof inside === 'object'
      ? { ...exported, ...(inside as Record<string, unknown>) }
      : exported;
  return Object.keys(all)
    .filter((name) => typeof all[name] === 'function')
    .map((name) => (name === 'default' ? 'a default function' : `the function ${name}`));
}
