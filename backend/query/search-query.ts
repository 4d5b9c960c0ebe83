import { Failure } from '../../server/failure.ts';
import type { SpanCondition, SpanTest } from '../store/store.ts';
import { parseGoDuration } from './go-duration.ts';

/**
 * The language of `q`:
 *
 *     query = and *( "OR" and )
 *     and   = not *( ["AND"] not )
 *     not   = *( "NOT" ) ( "(" query ")" / test )
 *     test  = key [ operator value ]              ; a key alone: the span has it; `error` alone: it failed
 *     operator = ":" / "=" / "!=" / "<" / "<=" / ">" / ">="
 *     key   = word / quoted
 *     value = word [ "*" ] / quoted [ "*" ]       ; "*" at the end: begins with; "*" alone: the span has the key
 *
 *     service:greeter AND (error OR duration>200ms) NOT http.route:/x*
 *
 * Everything is asked of one and the same span. A word is whatever stands between white space, brackets and quotes; a key ends before
 * an operator. In quotes, `\"` and `\\` are the character itself. AND binds tighter than OR; the three words may be written small.
 */
export function parseSearchQuery(text: string): SpanCondition {
  if (text.length > MAX_LENGTH)
    throw new Failure(
      'query',
      'bad_request',
      `cannot read a query of ${text.length} characters: the limit is ${MAX_LENGTH}`,
    );
  const parser = new Parser(text);
  const condition = parser.or(0);
  parser.end();
  return condition;
}

const MAX_LENGTH = 4_000;
const MAX_DEPTH = 16;

/** Sticky: each is tried where the parser stands. */
const SPACE = /\s+/y;
const WORD_OPERATOR = /(AND|OR|NOT)(?=[\s()]|$)/iy;
const KEY = /[^\s()":=!<>]+/y;
const OPERATOR = /:|=|!=|<=|>=|<|>/y;
const VALUE = /[^\s()"]+/y;
const QUOTED = /"((?:[^"\\]|\\["\\])*)"/y;

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    this.#take(SPACE);
  }

  or(depth: number): SpanCondition {
    if (depth > MAX_DEPTH) throw this.#wrong(`brackets may be ${MAX_DEPTH} deep`);
    const all = [this.#and(depth)];
    while (this.#takeWord('OR')) all.push(this.#and(depth));
    return all.length === 1 ? (all[0] as SpanCondition) : { kind: 'or', all };
  }

  end(): void {
    if (this.#at < this.#text.length) throw this.#wrong('there is no bracket to close');
  }

  #and(depth: number): SpanCondition {
    const all = [this.#not(depth)];
    while (this.#at < this.#text.length && !this.#isNext(')') && !this.#peekWord('OR')) {
      this.#takeWord('AND');
      all.push(this.#not(depth));
    }
    return all.length === 1 ? (all[0] as SpanCondition) : { kind: 'and', all };
  }

  #not(depth: number): SpanCondition {
    let negated = false;
    while (this.#takeWord('NOT')) negated = !negated;
    const condition = this.#isNext('(') ? this.#bracket(depth) : this.#test();
    return negated ? { kind: 'not', condition } : condition;
  }

  #bracket(depth: number): SpanCondition {
    this.#at += 1;
    this.#take(SPACE);
    const condition = this.or(depth + 1);
    if (!this.#isNext(')')) throw this.#wrong('a bracket is not closed');
    this.#at += 1;
    this.#take(SPACE);
    return condition;
  }

  #test(): SpanCondition {
    if (this.#peekWord('AND') || this.#peekWord('OR')) throw this.#wrong('here should be a test');
    const key = this.#quoted() ?? this.#take(KEY);
    if (key === undefined || key === '') throw this.#wrong('here should be a key, as in service:greeter');
    const operator = this.#take(OPERATOR);
    if (operator === undefined) {
      this.#take(SPACE);
      return { kind: 'test', field: key, operator: 'exists' };
    }
    const at = this.#at;
    const quoted = this.#quoted();
    const value = quoted ?? this.#take(VALUE);
    if (value === undefined) throw this.#wrong(`here should be a value for ${key}`);
    const hasStar = quoted === undefined ? value.endsWith('*') : this.#take(/\*/y) !== undefined;
    this.#take(SPACE);
    const plain = quoted === undefined && hasStar ? value.slice(0, -1) : value;
    switch (operator) {
      case ':':
      case '=':
        return this.#equal(key, plain, hasStar, at);
      case '!=':
        return { kind: 'not', condition: this.#equal(key, plain, hasStar, at) };
      default:
        return {
          kind: 'test',
          field: key,
          operator: operator as '<' | '<=' | '>' | '>=',
          value: this.#numberOf(key, value, at),
        };
    }
  }

  #equal(field: string, value: string, hasStar: boolean, at: number): SpanTest {
    if (hasStar && value === '') return { kind: 'test', field, operator: 'exists' };
    if (hasStar) return { kind: 'test', field, operator: 'prefix', value };
    return {
      kind: 'test',
      field,
      operator: '=',
      value: field === 'duration' ? this.#numberOf(field, value, at) : value,
    };
  }

  #numberOf(field: string, value: string, at: number): string {
    if (field === 'duration') {
      const nano = parseGoDuration(value);
      if (nano === undefined || nano < 0n)
        throw this.#wrong(`[${value}] is no duration, as 200ms or 1.5s`, at);
      return nano.toString();
    }
    if (!/^[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d{1,3})?$/.test(value))
      throw this.#wrong(`[${value}] is no number to compare ${field} with`, at);
    return value;
  }

  #quoted(): string | undefined {
    QUOTED.lastIndex = this.#at;
    const match = QUOTED.exec(this.#text);
    if (!match) {
      if (this.#isNext('"')) throw this.#wrong('a quote is not closed');
      return undefined;
    }
    this.#at = QUOTED.lastIndex;
    return (match[1] as string).replaceAll(/\\(["\\])/g, '$1');
  }

  #isNext(character: string): boolean {
    return this.#text[this.#at] === character;
  }

  #peekWord(word: string): boolean {
    WORD_OPERATOR.lastIndex = this.#at;
    return WORD_OPERATOR.exec(this.#text)?.[1]?.toUpperCase() === word;
  }

  #takeWord(word: string): boolean {
    if (!this.#peekWord(word)) return false;
    this.#at += word.length;
    this.#take(SPACE);
    return true;
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (!match) return undefined;
    this.#at = pattern.lastIndex;
    return match[0];
  }

  #wrong(why: string, at = this.#at): Failure {
    const rest = this.#text.slice(at, at + 20);
    return new Failure(
      'query',
      'bad_request',
      `cannot read the query at character ${at + 1} ${rest === '' ? '(its end)' : `[${rest}]`}: ${why}`,
    );
  }
}
