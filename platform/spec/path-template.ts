/**
 * A path template of gorilla/mux, as Fission's HTTPTriggers write it: `/users/{id}/files/{path:.*}`. `{var}` matches one or more
 * characters but `/`; `{var:regex}` what the regex matches, `/` included.
 */
export interface Template {
  /** The template's segments, for as far as each is either a literal or exactly one plain `{var}`. */
  readonly segments: readonly Segment[];
  /** For the rest, when there is one: matched against the whole path. */
  readonly pattern: RegExp | undefined;
  readonly variables: readonly string[];
}

export type Segment = { readonly literal: string } | { readonly variable: string };

const VARIABLE_NAME = /^[A-Za-z_][A-Za-z0-9_-]*$/;
const TEMPLATE_CHARACTERS = 2_048;

/** Throws an Error that finishes "cannot use the path [...]: …". `isPrefix` leaves the end open. */
export function parseTemplate(path: string, isPrefix: boolean): Template {
  if (!path.startsWith('/')) throw new Error('it does not begin with /');
  if (path.length > TEMPLATE_CHARACTERS)
    throw new Error(`it is longer than ${TEMPLATE_CHARACTERS} characters`);
  const pieces = splitBraces(path);
  const variables: string[] = [];
  let source = '^';
  for (const piece of pieces) {
    if ('literal' in piece) {
      source += piece.literal.replace(/[.*+?^$()|[\]\\]/g, '\\$&');
      continue;
    }
    if (!VARIABLE_NAME.test(piece.variable))
      throw new Error(`[${piece.variable}] is not the name of a variable`);
    if (variables.includes(piece.variable)) throw new Error(`it has the variable [${piece.variable}] twice`);
    variables.push(piece.variable);
    // A capturing group inside the user's regex would shift ours, so ours are named.
    source += `(?<v${variables.length - 1}>${piece.regex ?? '[^/]+'})`;
  }
  const plain = pieces.every((piece) => 'literal' in piece || piece.regex === undefined);
  const segments = simpleSegments(path);
  const isSimple = plain && segments.length === path.split('/').length - 1;
  return {
    segments,
    pattern: isSimple ? undefined : compile(source + (isPrefix ? '(?=/|$)' : '$')),
    variables,
  };
}

type Piece = { literal: string } | { variable: string; regex: string | undefined };

/** Splits at balanced braces, for a regex may hold some of its own: `{id:[0-9]{3}}`. */
function splitBraces(path: string): Piece[] {
  const pieces: Piece[] = [];
  let literal = '';
  for (let i = 0; i < path.length; i++) {
    const char = path[i] as string;
    if (char === '}') throw new Error('its braces do not match');
    if (char !== '{') {
      literal += char;
      continue;
    }
    let depth = 1;
    let end = i + 1;
    for (; end < path.length && depth > 0; end++) {
      if (path[end] === '{') depth += 1;
      if (path[end] === '}') depth -= 1;
    }
    if (depth > 0) throw new Error('its braces do not match');
    const inner = path.slice(i + 1, end - 1);
    const colon = inner.indexOf(':');
    if (literal) pieces.push({ literal });
    literal = '';
    pieces.push(
      colon < 0
        ? { variable: inner, regex: undefined }
        : { variable: inner.slice(0, colon), regex: inner.slice(colon + 1) },
    );
    i = end - 1;
  }
  if (literal) pieces.push({ literal });
  return pieces;
}

function simpleSegments(path: string): Segment[] {
  const segments: Segment[] = [];
  for (const text of path.split('/').slice(1)) {
    const variable = /^\{([^{}:]+)\}$/.exec(text)?.[1];
    if (variable !== undefined) segments.push({ variable });
    else if (text.includes('{') || text.includes('}')) break;
    else segments.push({ literal: text });
  }
  return segments;
}

function compile(source: string): RegExp {
  try {
    return new RegExp(source);
  } catch (error) {
    throw new Error(`its regular expression is not valid: ${(error as Error).message}`, { cause: error });
  }
}
