import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** JSON Schema 2020-12, of it what shapes.ts needs. */
export interface Schema {
  readonly $ref?: string;
  readonly type?: 'object' | 'array' | 'string' | 'number' | 'boolean' | 'null';
  readonly const?: string | number | boolean;
  readonly enum?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly description?: string;
}

/**
 * The types of shapes.ts as JSON Schemas by their names, comments as descriptions. The types are the one place where an answer's shape
 * is written down: the compiler holds the server to them, this hands them on. It reads the part of TypeScript that the file uses
 * (interfaces, literals, unions, intersections, arrays, records) and throws at anything else.
 */
export function shapeSchemas(source = readShapes()): Record<string, Schema> {
  const declared = new Reader(source).file();
  return Object.fromEntries(
    [...declared.keys()].map((name) => [name, toSchema(declared.get(name) as Type, declared)]),
  );
}

function readShapes(): string {
  return readFileSync(join(import.meta.dirname, 'shapes.ts'), 'utf8');
}

type Type =
  | { readonly kind: 'name'; readonly name: string; readonly of: readonly Type[] }
  | { readonly kind: 'literal'; readonly value: string | number | boolean }
  | { readonly kind: 'array'; readonly items: Type }
  | { readonly kind: 'union' | 'intersection'; readonly all: readonly Type[]; readonly description?: string }
  | { readonly kind: 'object'; readonly fields: readonly Field[]; readonly description?: string };

interface Field {
  readonly name: string;
  readonly isOptional: boolean;
  readonly type: Type;
  readonly description: string;
}

const TOKEN = /\s+|\/\/.*|\/\*[\s\S]*?\*\/|'(?:[^'\\]|\\.)*'|[A-Za-z_$][\w$]*|\d+|[^\s]/gy;

class Reader {
  readonly #tokens: readonly string[];
  #at = 0;

  constructor(source: string) {
    this.#tokens = [...source.matchAll(TOKEN)]
      .map(([token]) => token)
      .filter((token) => !/^(?:\s|\/\/)/.test(token));
  }

  file(): Map<string, Type> {
    const declared = new Map<string, Type>();
    for (;;) {
      const description = this.#comment();
      if (this.#at >= this.#tokens.length) return declared;
      this.#skip('export');
      if (this.#skip('interface')) {
        const name = this.#next();
        const bases: Type[] = [];
        if (this.#skip('extends'))
          do bases.push(this.#primary());
          while (this.#skip(','));
        const own: Type = { kind: 'object', fields: this.#fields(), description };
        declared.set(
          name,
          bases.length === 0 ? own : { kind: 'intersection', all: [...bases, own], description },
        );
      } else {
        this.#take('type');
        const name = this.#next();
        this.#take('=');
        const type = this.#type();
        this.#take(';');
        declared.set(
          name,
          type.kind === 'union' || type.kind === 'intersection' ? { ...type, description } : type,
        );
      }
    }
  }

  #type(): Type {
    this.#skip('|');
    const all = [this.#intersection()];
    while (this.#skip('|')) all.push(this.#intersection());
    return all.length === 1 ? (all[0] as Type) : { kind: 'union', all };
  }

  #intersection(): Type {
    const all = [this.#postfix()];
    while (this.#skip('&')) all.push(this.#postfix());
    return all.length === 1 ? (all[0] as Type) : { kind: 'intersection', all };
  }

  #postfix(): Type {
    this.#comment();
    this.#skip('readonly');
    let type = this.#primary();
    while (this.#skip('[')) {
      this.#take(']');
      type = { kind: 'array', items: type };
    }
    return type;
  }

  #primary(): Type {
    if (this.#peek() === '{') return { kind: 'object', fields: this.#fields() };
    if (this.#skip('(')) {
      const type = this.#type();
      this.#take(')');
      return type;
    }
    const token = this.#next();
    if (token.startsWith("'"))
      return { kind: 'literal', value: token.slice(1, -1).replaceAll(/\\(.)/g, '$1') };
    if (/^\d/.test(token)) return { kind: 'literal', value: Number(token) };
    if (token === 'true' || token === 'false') return { kind: 'literal', value: token === 'true' };
    const of: Type[] = [];
    if (this.#skip('<')) {
      do of.push(this.#type());
      while (this.#skip(','));
      this.#take('>');
    }
    return { kind: 'name', name: token, of };
  }

  #fields(): Field[] {
    this.#take('{');
    const fields: Field[] = [];
    for (;;) {
      const description = this.#comment();
      if (this.#skip('}')) return fields;
      this.#take('readonly');
      const name = this.#next();
      const isOptional = this.#skip('?');
      this.#take(':');
      fields.push({ name, isOptional, type: this.#type(), description });
      // In a literal on one line the last goes without.
      if (this.#peek() !== '}') this.#take(';');
    }
  }

  /** The last comment that stands here, as one line. */
  #comment(): string {
    let text = '';
    while (this.#peek().startsWith('/*')) {
      const body = this.#next();
      text = body.startsWith('/**')
        ? body
            .slice(3, -2)
            .replaceAll(/\n\s*\*/g, ' ')
            .replaceAll(/\s+/g, ' ')
            .trim()
        : '';
    }
    return text;
  }

  #peek(): string {
    return this.#tokens[this.#at] ?? '';
  }

  #next(): string {
    this.#at += 1;
    return this.#tokens[this.#at - 1] ?? '';
  }

  #skip(token: string): boolean {
    if (this.#peek() !== token) return false;
    this.#at += 1;
    return true;
  }

  #take(token: string): void {
    if (this.#skip(token)) return;
    const around = this.#tokens.slice(Math.max(0, this.#at - 8), this.#at + 1).join(' ');
    throw new Error(`cannot read shapes.ts at [${around}]: here should be ${token}`);
  }
}

type Declared = ReadonlyMap<string, Type>;

function toSchema(type: Type, declared: Declared): Schema {
  switch (type.kind) {
    case 'literal':
      return { const: type.value };
    case 'array':
      return { type: 'array', items: toSchema(type.items, declared) };
    case 'object':
      return objectSchema(type.fields, type.description, declared);
    case 'union': {
      const words = type.all.flatMap((each) =>
        each.kind === 'literal' && typeof each.value === 'string' ? [each.value] : [],
      );
      return described(
        words.length === type.all.length
          ? { type: 'string', enum: words }
          : { anyOf: type.all.map((each) => toSchema(each, declared)) },
        type.description,
      );
    }
    case 'intersection': {
      const all = alternatives(type, declared).map((fields) => objectSchema(fields, undefined, declared));
      return described(all.length === 1 ? (all[0] as Schema) : { anyOf: all }, type.description);
    }
    case 'name':
      return namedSchema(type.name, type.of, declared);
  }
}

function namedSchema(name: string, of: readonly Type[], declared: Declared): Schema {
  switch (name) {
    case 'string':
    case 'number':
    case 'boolean':
    case 'null':
      return { type: name };
    case 'unknown':
      return {};
    case 'Readonly':
      return toSchema(of[0] as Type, declared);
    case 'Record':
      return { type: 'object', additionalProperties: toSchema(of[1] as Type, declared) };
    default:
      if (!declared.has(name)) throw new Error(`cannot read shapes.ts: it does not say what ${name} is`);
      return { $ref: `#/components/schemas/${name}` };
  }
}

function objectSchema(fields: readonly Field[], description: string | undefined, declared: Declared): Schema {
  return described(
    {
      type: 'object',
      properties: Object.fromEntries(
        fields.map((field) => [field.name, described(toSchema(field.type, declared), field.description)]),
      ),
      required: fields.filter(({ isOptional }) => !isOptional).map(({ name }) => name),
      additionalProperties: false,
    },
    description,
  );
}

function described(schema: Schema, description: string | undefined): Schema {
  return description ? { ...schema, description } : schema;
}

/** The lists of fields that an object type may have: one, or for a union within it one each. */
function alternatives(type: Type, declared: Declared): (readonly Field[])[] {
  switch (type.kind) {
    case 'object':
      return [type.fields];
    case 'union':
      return type.all.flatMap((each) => alternatives(each, declared));
    case 'intersection':
      return type.all.reduce<(readonly Field[])[]>(
        (lists, each) =>
          lists.flatMap((fields) => alternatives(each, declared).map((more) => [...fields, ...more])),
        [[]],
      );
    case 'name': {
      const named = declared.get(type.name);
      if (named) return alternatives(named, declared);
      throw new Error(`cannot read shapes.ts: ${type.name} is no object`);
    }
    default:
      throw new Error(`cannot read shapes.ts: a ${type.kind} cannot be joined with an object`);
  }
}
