import { LineCounter, parseAllDocuments, type Document, type YAMLError } from 'yaml';
import { Fields, type Source } from './fields.ts';
import { ALL_KINDS, UNSUPPORTED_KINDS } from './kinds.ts';
import { meant } from './meant.ts';
import { parseResource } from './parse-resource.ts';
import { formatProblem, ProblemError, type Problem } from './problem.ts';
import type { Resource } from './resources.ts';

/** What one or more YAML texts declare. */
export interface ParsedSpec {
  readonly resources: readonly Located<Resource>[];
  readonly archives: readonly Located<ArchiveUploadSpec>[];
  readonly deployments: readonly Located<DeploymentConfig>[];
  readonly problems: readonly Problem[];
  /** Accepted, but without effect here: kinds we do not know or do not run. One line each. */
  readonly warnings: readonly string[];
}

export interface Located<T> {
  readonly file: string;
  /** Of the document's first line, from 1. */
  readonly line: number | undefined;
  readonly value: T;
  readonly lineOf: (path: readonly string[]) => number | undefined;
}

/** Files that `spec apply` gathers: one match becomes a plain file, more (or a directory) a zip. */
export interface ArchiveUploadSpec {
  readonly name: string;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** Relative to the parent of the spec folder; '' for that parent itself. */
  readonly rootdir: string;
}

/** Owner of what a spec folder applies: `uid` marks each resource so that `--delete` knows its own. */
export interface DeploymentConfig {
  readonly name: string;
  readonly uid: string;
}

/** Bytes of one YAML file. Archives inside YAML are at most 256 KiB each. */
export const MAX_SPEC_BYTES = 16 * 1024 * 1024;
/** A YAML bomb grows by aliases of aliases; real specs have a handful. */
const MAX_ALIASES = 100;
const MAX_DOCUMENTS = 20_000;

/**
 * Reads the documents of one YAML text. Never throws for what stands in the text: each document's fault is one of
 * `problems`, and the others are read all the same.
 */
export function parseSpec(text: string, file: string): ParsedSpec {
  const found = { resources: [], archives: [], deployments: [], problems: [], warnings: [] } as Mutable;
  const lines = new LineCounter();
  const problem = (message: string, line?: number) => found.problems.push({ file, line, field: '', message });
  if (text.length > MAX_SPEC_BYTES) {
    problem(`must be at most ${MAX_SPEC_BYTES} bytes, not ${text.length}`);
    return found;
  }
  let documents: Document.Parsed[];
  try {
    documents = [...parseAllDocuments(text, { lineCounter: lines })] as Document.Parsed[];
  } catch (error) {
    // A stack overflow by ten thousand open brackets ends here.
    problem(`is not YAML that can be read: ${(error as Error).message}`);
    return found;
  }
  if (documents.length > MAX_DOCUMENTS) {
    problem(`must hold at most ${MAX_DOCUMENTS} documents, not ${documents.length}`);
    return found;
  }
  for (const document of documents) {
    const fault = document.errors[0];
    if (fault) {
      problem(`is not YAML: ${firstLine(fault)}`, lines.linePos(fault.pos[0]).line);
      continue;
    }
    const source = sourceOf(document, lines, file);
    try {
      readDocument(document.toJS({ maxAliasCount: MAX_ALIASES }), source, found);
    } catch (error) {
      if (error instanceof ProblemError) found.problems.push(error.problem);
      else problem(`cannot be read: ${(error as Error).message}`, source.lineOf([]));
    }
  }
  return found;
}

interface Mutable {
  resources: Located<Resource>[];
  archives: Located<ArchiveUploadSpec>[];
  deployments: Located<DeploymentConfig>[];
  problems: Problem[];
  warnings: string[];
}

function readDocument(value: unknown, source: Source, found: Mutable): void {
  if (value === null || value === undefined) return;
  const document = new Fields(value, source);
  const word = document.string('kind');
  const { file } = source;
  const located = <T>(value: T): Located<T> => ({
    file,
    line: source.lineOf([]),
    value,
    lineOf: (path) => source.lineOf(path),
  });
  if (word === '') document.fail('kind', 'must be given');
  if (word === 'ArchiveUploadSpec') {
    found.archives.push(
      located({
        name: document.string('name') || document.fail('name', 'must be given'),
        include: document.strings('include'),
        exclude: document.strings('exclude'),
        rootdir: document.string('rootdir'),
      }),
    );
    return;
  }
  if (word === 'DeploymentConfig') {
    found.deployments.push(
      located({
        name: document.string('name') || document.fail('name', 'must be given'),
        uid: document.string('uid') || document.fail('uid', 'must be given'),
      }),
    );
    return;
  }
  const kind = ALL_KINDS.find((known) => known.toLowerCase() === word.toLowerCase());
  if (kind) {
    found.resources.push(located(parseResource(kind, document)));
    return;
  }
  found.warnings.push(
    formatProblem({
      file,
      line: source.lineOf(['kind']),
      field: 'kind',
      message: UNSUPPORTED_KINDS.has(word)
        ? `${word} is not supported here and has no effect`
        : `${word} is not known and has no effect${meant(word, ALL_KINDS)}`,
    }),
  );
}

function sourceOf(document: Document.Parsed, lines: LineCounter, file: string): Source {
  return {
    file,
    lineOf(path) {
      // A field that is absent has no place; the nearest map around it has.
      for (let length = path.length; length >= 0; length--) {
        const keys = path.slice(0, length).map((key) => (/^\d+$/.test(key) ? Number(key) : key));
        const node = (length === 0 ? document.contents : document.getIn(keys, true)) as
          | { range?: readonly number[] }
          | null
          | undefined;
        const start = node?.range?.[0];
        if (start !== undefined) return lines.linePos(start).line;
      }
      return undefined;
    },
  };
}

function firstLine(error: YAMLError): string {
  return error.message.split('\n')[0]?.replace(/:$/, '') ?? error.message;
}
