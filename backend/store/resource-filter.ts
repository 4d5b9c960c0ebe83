import type { Engine } from './engine.ts';
import { sqlInteger, sqlString } from './sql-literal.ts';
import { attributesFromJson, toText } from './value-text.ts';

export const MAX_UINT64 = 0xffff_ffff_ffff_ffffn;
/** Past so many distinct resources that match, the filter says too little to be worth running. */
const MAX_RESOURCES = 20_000;

/**
 * The condition that a span's resource has the key with a value that fits; undefined when no resource does. Resources are few and
 * the spans of each are many: the small table of distinct ones is asked first, so that a key which no resource has (nearly always)
 * leaves the span's own attributes, and their index, to decide alone.
 */
export async function spansOfResources(
  engine: Engine,
  key: string,
  fits: (text: string) => boolean,
): Promise<string | undefined> {
  const stored = key.startsWith('$') ? `$${key}` : key;
  const rows = await engine.rows(
    `SELECT DISTINCT resource, toString(sipHash64(resource)) FROM resources WHERE JSONHas(resource, ${sqlString(stored)}) LIMIT ${MAX_RESOURCES}`,
  );
  const hashes = rows.flatMap(([resource, hash]) => {
    const found = attributesFromJson(resource as string)[key];
    return found !== undefined && fits(toText(found)) ? [hash as string] : [];
  });
  if (hashes.length === 0) return undefined;
  return `sipHash64(resource) IN (${hashes.map((hash) => sqlInteger(BigInt(hash), 0n, MAX_UINT64)).join(', ')})`;
}
