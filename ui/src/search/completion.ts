import { quote } from './query-text.ts';

/** What is being typed at the end of a query: a key, or the value of one. */
export type Term =
  | { readonly kind: 'key'; readonly head: string; readonly prefix: string }
  | { readonly kind: 'value'; readonly head: string; readonly key: string; readonly prefix: string };

const VALUE = /(?:^|[\s(])([^\s()":=!<>]+)(?:!=|[:=])("[^"]*|[^\s()"]*)$/;
const KEY = /(?:^|[\s(])([^\s()":=!<>]*)$/;
/** Fields that are no attributes, and the words between tests. */
const FIELDS = ['service', 'name', 'duration', 'error', 'kind', 'status', 'status.message'];
const WORDS = new Set(['and', 'or', 'not']);

/** `undefined` where nothing can be completed: after a comparison, inside a key in quotes. */
export function termAt(text: string): Term | undefined {
  const value = VALUE.exec(text);
  if (value) {
    const [, key = '', typed = ''] = value;
    return {
      kind: 'value',
      head: text.slice(0, text.length - typed.length),
      key,
      prefix: typed.replace(/^"/, ''),
    };
  }
  const key = KEY.exec(text);
  if (!key) return undefined;
  const [, prefix = ''] = key;
  return WORDS.has(prefix.toLowerCase())
    ? undefined
    : { kind: 'key', head: text.slice(0, text.length - prefix.length), prefix };
}

export interface Suggestion {
  /** The whole query with it. */
  readonly query: string;
  readonly shown: string;
}

/** Keys get their colon, values a blank, so that typing goes on; what is typed in full already is not offered. */
export function suggestionsFor(term: Term, known: readonly string[]): readonly Suggestion[] {
  const texts =
    term.kind === 'key'
      ? [...FIELDS.filter((field) => term.prefix !== '' && field.startsWith(term.prefix)), ...known]
      : known;
  return [...new Set(texts)].flatMap((text) => {
    if (term.kind === 'key')
      return /[\s()":=!<>]/.test(text) ? [] : [{ shown: text, query: `${term.head}${text}:` }];
    return text === term.prefix ? [] : [{ shown: text, query: `${term.head}${quote(text)} ` }];
  });
}
