import type { Schema } from '../shape-schemas.ts';

/** Where a value is not as its schema says, for the keywords that shape-schemas.ts writes; [] when it is. */
export function schemaErrors(
  value: unknown,
  schema: Schema,
  named: Readonly<Record<string, Schema>>,
  at = '$',
): string[] {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.replace('#/components/schemas/', '');
    const target = named[name];
    return target ? schemaErrors(value, target, named, at) : [`${at}: there is no schema ${name}`];
  }
  if (schema.anyOf) {
    const each = schema.anyOf.map((one) => schemaErrors(value, one, named, at));
    return each.some((errors) => errors.length === 0)
      ? []
      : [`${at}: none of ${each.length}`, ...each.flat()];
  }
  if (schema.const !== undefined && value !== schema.const) return [`${at}: not ${schema.const}`];
  if (schema.enum && !schema.enum.includes(value as string))
    return [`${at}: ${JSON.stringify(value)} is no such word`];
  if (schema.type === undefined) return [];
  const type = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
  if (type !== schema.type) return [`${at}: ${type}, not ${schema.type}`];
  if (schema.items)
    return (value as unknown[]).flatMap((item, i) =>
      schemaErrors(item, schema.items as Schema, named, `${at}[${i}]`),
    );
  if (type !== 'object') return [];
  const object = value as Record<string, unknown>;
  const errors = (schema.required ?? [])
    .filter((name) => !(name in object))
    .map((name) => `${at}.${name}: missing`);
  for (const [name, field] of Object.entries(object)) {
    const known = schema.properties?.[name];
    if (known) errors.push(...schemaErrors(field, known, named, `${at}.${name}`));
    else if (schema.additionalProperties === false) errors.push(`${at}.${name}: not documented`);
    else if (typeof schema.additionalProperties === 'object')
      errors.push(...schemaErrors(field, schema.additionalProperties, named, `${at}.${name}`));
  }
  return errors;
}
