/**
 * Functions may import `@opentelemetry/api` without bringing it along: where it is not found, ours is taken (under Fission the
 * environment's own modules stood beside the function, too). A copy of their own works as well: both meet at a global symbol.
 */
export function offerOpenTelemetryApi(program = process.argv[1] ?? process.execPath): void {
  const { createRequire, registerHooks } = process.getBuiltinModule('node:module');
  registerHooks({
    resolve(specifier, context, nextResolve) {
      if (specifier !== API) return nextResolve(specifier, context);
      try {
        return nextResolve(specifier, context);
      } catch (error) {
        try {
          const ours = createRequire(program).resolve(API);
          return { url: process.getBuiltinModule('node:url').pathToFileURL(ours).href, shortCircuit: true };
        } catch {
          throw error;
        }
      }
    },
  });
}

const API = '@opentelemetry/api';
