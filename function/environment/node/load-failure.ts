/** Why a function cannot be loaded: the answer to `/specialize` says it. Fission answers `{}` here. */
export class LoadFailure extends Error {
  override readonly name = 'LoadFailure';
}

const MAX_TEXT = 2_000;

/** What to tell whoever deployed the function. The stack above its own files is of no use to them. */
export function loadFailureOf(path: string, error: unknown): LoadFailure {
  if (error instanceof LoadFailure) return error;
  const text =
    error instanceof Error
      ? (error.stack ?? String(error)).split(/\n\s+at .*(?:node:internal|data:)/)[0]
      : String(error);
  return new LoadFailure(`cannot load [${path}]: ${String(text).slice(0, MAX_TEXT)}`, { cause: error });
}
