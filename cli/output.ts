import { styleText } from 'node:util';
import { stringify } from 'yaml';
import { isColoured } from './terminal-text.ts';

export interface Column<Row> {
  readonly title: string;
  readonly key: keyof Row & string;
  readonly align?: 'left' | 'right';
  /** Shown with `-o wide` only. */
  readonly wide?: boolean;
}

/** What verbs say. Results go to stdout, remarks to stderr; colours only where a terminal shows them. */
export interface Output {
  /** Rows as an aligned table, or the rows' own data with `json` and `yaml`. */
  list<Row extends object>(
    rows: readonly Row[],
    columns: readonly Column<Row>[],
    format?: string,
    data?: readonly unknown[],
  ): void;
  table<Row extends object>(rows: readonly Row[], columns: readonly Column<Row>[]): void;
  /** One thing, as JSON or YAML (the default). */
  object(value: unknown, format?: string): void;
  json(value: unknown): void;
  yaml(value: unknown): void;
  print(line: string): void;
  bytes(content: Uint8Array): void;
  /** To stderr. */
  remark(line: string): void;
  warn(line: string): void;
}

interface Stream {
  write(content: string | Uint8Array): unknown;
  readonly isTTY?: boolean;
}

export interface OutputOptions {
  readonly stdout: Stream;
  readonly stderr: Stream;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export function createOutput({ stdout, stderr, env = {} }: OutputOptions): Output {
  const print = (line: string) => void stdout.write(`${line}\n`);
  const json = (value: unknown) => print(JSON.stringify(value, bigintAsText, 2));
  const yaml = (value: unknown) => void stdout.write(stringify(plain(value)));
  const table = <Row extends object>(rows: readonly Row[], columns: readonly Column<Row>[]) => {
    for (const [index, line] of tableLines(rows, columns).entries())
      print(
        index === 0 && isColoured(stdout, env) ? styleText('bold', line, { validateStream: false }) : line,
      );
  };
  return {
    table,
    json,
    yaml,
    print,
    list(rows, columns, format, data = rows) {
      if (format === 'json') json(data);
      else if (format === 'yaml') yaml(data);
      else table(rows, format === 'wide' ? columns : columns.filter((column) => column.wide !== true));
    },
    object(value, format) {
      if (format === 'json') json(value);
      else yaml(value);
    },
    bytes: (content) => void stdout.write(content),
    remark: (line) => void stderr.write(`${isColoured(stderr, env) ? dim(line) : line}\n`),
    warn: (line) =>
      void stderr.write(
        `${isColoured(stderr, env) ? styleText('yellow', 'warning:', { validateStream: false }) : 'warning:'} ${line}\n`,
      ),
  };
}

/** The header and each row, columns as wide as their widest cell, three spaces between. */
export function tableLines<Row extends object>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
): string[] {
  const cells = rows.map((row) => columns.map(({ key }) => oneLine(row[key])));
  const lines = [columns.map(({ title }) => title), ...cells];
  const widths = columns.map((_, index) => Math.max(...lines.map((line) => (line[index] as string).length)));
  return lines.map((line) =>
    line
      .map((cell, index) =>
        columns[index]?.align === 'right'
          ? cell.padStart(widths[index] as number)
          : cell.padEnd(widths[index] as number),
      )
      .join('   ')
      .trimEnd(),
  );
}

/** A cell must not move the cursor, whatever a function or a record holds. */
function oneLine(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'bigint') return value.toString();
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  // eslint-disable-next-line no-control-regex
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
}

function plain(value: unknown): unknown {
  const text = JSON.stringify(value, bigintAsText);
  return text === undefined ? null : JSON.parse(text);
}

function bigintAsText(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}

function dim(line: string): string {
  return styleText('dim', line, { validateStream: false });
}
