import { ProblemError } from './problem.ts';

/** Where a document came from, so that a fault can be told with file and line. */
export interface Source {
  readonly file: string;
  /** Line of the value at a path, from 1; undefined when unknown. */
  lineOf(path: readonly string[]): number | undefined;
}

/**
 * Reads typed values out of a document as Fission's own decoder does (Go's encoding/json): keys match whatever their case,
 * null means absent, unknown keys are ignored. A value of the wrong type is a ProblemError that names file, line and field.
 */
export class Fields {
  readonly source: Source;
  readonly path: readonly string[];
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(value: unknown, source: Source, path: readonly string[] = []) {
    this.source = source;
    this.path = path;
    if (!isMap(value)) this.#failAt(path, `must be a map, not ${show(value)}`);
    this.#values = value as Record<string, unknown>;
  }

  string(name: string, fallback = ''): string {
    const value = this.#find(name);
    if (value === undefined) return fallback;
    if (typeof value === 'string') return value;
    const advice = typeof value === 'number' || typeof value === 'boolean' ? '; put it in quotes' : '';
    return this.fail(name, `must be a string, not ${show(value)}${advice}`);
  }

  /** One of `allowed`, whatever its case; '' and absent are the fallback. */
  oneOf<T extends string>(name: string, allowed: readonly T[], fallback: T): T {
    const value = this.string(name);
    if (value === '') return fallback;
    const found = allowed.find((word) => word.toLowerCase() === value.toLowerCase());
    return found ?? this.fail(name, `must be one of ${allowed.join(', ')}, not "${value}"`);
  }

  integer(name: string, fallback: number, bounds: { min: number; max: number }): number {
    const value = this.#find(name);
    if (value === undefined) return fallback;
    if (typeof value !== 'number' || !Number.isInteger(value))
      return this.fail(name, `must be a whole number, not ${show(value)}`);
    if (value < bounds.min || value > bounds.max)
      return this.fail(name, `must lie between ${bounds.min} and ${bounds.max}, not ${value}`);
    return value;
  }

  boolean(name: string, fallback = false): boolean {
    const value = this.#find(name);
    if (value === undefined) return fallback;
    return typeof value === 'boolean' ? value : this.fail(name, `must be true or false, not ${show(value)}`);
  }

  /** The value as it stands, for fields of more than one type. */
  raw(name: string): unknown {
    return this.#find(name);
  }

  map(name: string): Fields | undefined {
    const value = this.#find(name);
    return value === undefined ? undefined : new Fields(value, this.source, this.#pathOf(name));
  }

  /** As `map`, but an absent map reads as an empty one: everything in it takes its default. */
  mapOrEmpty(name: string): Fields {
    return this.map(name) ?? new Fields({}, this.source, this.#pathOf(name));
  }

  maps(name: string): Fields[] {
    return this.#list(name).map(
      (item, index) => new Fields(item, this.source, [...this.#pathOf(name), String(index)]),
    );
  }

  strings(name: string): string[] {
    return this.#list(name).map((item, index) =>
      typeof item === 'string'
        ? item
        : this.#failAt([...this.#pathOf(name), String(index)], `must be a string, not ${show(item)}`),
    );
  }

  /** A map of strings, such as labels. Null values read as ''. */
  stringMap(name: string): Record<string, string> {
    const map = this.map(name);
    if (map === undefined) return {};
    return Object.fromEntries(map.keys().map((key) => [key, map.string(key)]));
  }

  keys(): string[] {
    return Object.keys(this.#values);
  }

  has(name: string): boolean {
    return this.#find(name) !== undefined;
  }

  fail(name: string, message: string): never {
    return this.#failAt(name === '' ? this.path : this.#pathOf(name), message);
  }

  #list(name: string): unknown[] {
    const value = this.#find(name);
    if (value === undefined) return [];
    return Array.isArray(value) ? value : this.fail(name, `must be a list, not ${show(value)}`);
  }

  /** An exact key wins over one that differs in case: a public example holds both `Concurrency` and `concurrency`. */
  #find(name: string): unknown {
    return this.#values[this.#keyOf(name)] ?? undefined;
  }

  #keyOf(name: string): string {
    if (Object.hasOwn(this.#values, name)) return name;
    const wanted = name.toLowerCase();
    return Object.keys(this.#values).find((key) => key.toLowerCase() === wanted) ?? name;
  }

  #pathOf(name: string): string[] {
    return [...this.path, this.#keyOf(name)];
  }

  #failAt(path: readonly string[], message: string): never {
    const { file } = this.source;
    throw new ProblemError({ file, line: this.source.lineOf(path), field: path.join('.'), message });
  }
}

function isMap(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
