import { styleText } from 'node:util';
import { stringify } from 'yaml';
import { columnsOf, cut, isColoured, padEnd, padStart, printable } from './terminal-text.ts';

export interface Column<Row> {
  readonly title: string;
  readonly key: keyof Row & string;
  readonly align?: 'left' | 'right';
  /** Shown with `-o wide` only. */
  readonly wide?: boolean;
  /** On a terminal too narrow for the table: `cut` shortens the cells, `drop` leaves the column out, the last one first. */
  readonly narrow?: 'cut' | 'drop';
  /** Columns that are left of a cell that is cut; default 12. */
  readonly least?: number;
}

/** What verbs say. Results go to stdout, remarks to stderr; colours only where a terminal shows them. */
export interface Output {
  /** Rows as an aligned table, or the rows' own data with `json` and `yaml`. `empty` is remarked below a table without rows. */
  list<Row extends object>(
    rows: readonly Row[],
    columns: readonly Column<Row>[],
    format?: string,
    data?: readonly unknown[],
    empty?: string,
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
  /** Of a terminal. */
  readonly columns?: number;
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
    const width = stdout.isTTY === true ? stdout.columns : undefined;
    for (const [index, line] of tableLines(rows, columns, width).entries())
      print(
        index === 0 && isColoured(stdout, env) ? styleText('bold', line, { validateStream: false }) : line,
      );
  };
  const remark = (line: string) => void stderr.write(`${isColoured(stderr, env) ? dim(line) : line}\n`);
  return {
    table,
    json,
    yaml,
    print,
    remark,
    list(rows, columns, format, data = rows, empty = '(none)') {
      if (format === 'json') json(data);
      else if (format === 'yaml') yaml(data);
      else {
        table(rows, format === 'wide' ? columns : columns.filter((column) => column.wide !== true));
        if (rows.length === 0) remark(empty);
      }
    },
    object(value, format) {
      if (format === 'json') json(value);
      else yaml(value);
    },
    bytes(content) {
      if (stdout.isTTY === true && content.includes(0))
        void stderr.write(
          `${content.length} bytes that are no text: send them to a file with > FILE to keep them\n`,
        );
      else void stdout.write(content);
    },
    warn: (line) =>
      void stderr.write(
        `${isColoured(stderr, env) ? styleText('yellow', 'warning:', { validateStream: false }) : 'warning:'} ${line}\n`,
      ),
  };
}

/** The header and each row, columns as wide as their widest cell, three spaces between; in at most `width` columns if that can be. */
export function tableLines<Row extends object>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  width = Number.POSITIVE_INFINITY,
): string[] {
  let shown = columns.map((column) => {
    const cells = [column.title, ...rows.map((row) => oneLine(row[column.key]))];
    return { column, cells, width: Math.max(...cells.map(columnsOf)) };
  });
  const excess = () => shown.reduce((sum, each) => sum + each.width + GAP, -GAP) - width;
  const spare = () =>
    shown.reduce((sum, each) => sum + (each.column.narrow === 'cut' ? each.width - leastOf(each) : 0), 0);
  while (excess() > spare()) {
    const last = shown.findLast(({ column }) => column.narrow === 'drop');
    if (!last) break;
    shown = shown.filter((each) => each !== last);
  }
  for (let over = excess(); over > 0;) {
    const [widest] = shown
      .filter((each) => each.column.narrow === 'cut' && each.width > leastOf(each))
      .sort((a, b) => b.width - a.width);
    if (!widest) break;
    const less = Math.min(over, widest.width - leastOf(widest));
    widest.width -= less;
    over -= less;
  }
  return Array.from({ length: rows.length + 1 }, (_, row) =>
    shown
      .map(({ column, cells, width }) => {
        const cell = cut(cells[row] as string, width);
        return column.align === 'right' ? padStart(cell, width) : padEnd(cell, width);
      })
      .join(' '.repeat(GAP))
      .trimEnd(),
  );
}

const GAP = 3;
/** A cell that is cut says at least this much. */
const LEAST_CELL = 12;

function leastOf({
  column,
  width,
}: {
  readonly column: { readonly title: string; readonly least?: number };
  readonly width: number;
}): number {
  return Math.min(width, Math.max(column.title.length, column.least ?? LEAST_CELL));
}

function oneLine(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'bigint') return value.toString();
  return printable(typeof value === 'string' ? value : JSON.stringify(value));
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
