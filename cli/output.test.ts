import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOutput, tableLines, type Column } from './output.ts';

interface Row {
  readonly id: string;
  readonly spans: number;
  readonly root: string;
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'TRACE', key: 'id' },
  { title: 'SPANS', key: 'spans', align: 'right', narrow: 'drop' },
  { title: 'ROOT', key: 'root', narrow: 'cut' },
];
const ROWS: readonly Row[] = [
  { id: 'a'.repeat(32), spans: 14, root: 'router: POST /greetings/in/all/languages' },
  { id: 'b'.repeat(32), spans: 3, root: 'timer' },
];

void test('a table is as wide as what it holds where nobody minds', () => {
  assert.deepEqual(tableLines(ROWS, COLUMNS), [
    'TRACE                              SPANS   ROOT',
    `${'a'.repeat(32)}      14   router: POST /greetings/in/all/languages`,
    `${'b'.repeat(32)}       3   timer`,
  ]);
});

void test('on a narrower terminal what may be cut is cut, and then columns go', () => {
  assert.deepEqual(tableLines(ROWS, COLUMNS, 60), [
    'TRACE                              SPANS   ROOT',
    `${'a'.repeat(32)}      14   router: POST /gr…`,
    `${'b'.repeat(32)}       3   timer`,
  ]);
  assert.deepEqual(tableLines(ROWS, COLUMNS, 48), [
    'TRACE                              ROOT',
    `${'a'.repeat(32)}   router: POST…`,
    `${'b'.repeat(32)}   timer`,
  ]);
  // An id is of no use without its end.
  assert.equal(tableLines(ROWS, COLUMNS, 20)[1]?.startsWith('a'.repeat(32)), true);
});

void test('columns stand below each other whatever script a name is in, and nothing in a cell moves the cursor', () => {
  const columns: readonly Column<{ name: string; of: string }>[] = [
    { title: 'NAME', key: 'name' },
    { title: 'OF', key: 'of' },
  ];
  assert.deepEqual(
    tableLines(
      [
        { name: '挨拶', of: 'x' },
        { name: 'e\u0301tat', of: 'x' },
        { name: 'a\u001b[2J\u202eb', of: 'x' },
      ],
      columns,
    ),
    ['NAME      OF', '挨拶      x', 'e\u0301tat      x', 'a [2J b   x'],
  );
});

void test('bytes that are no text do not go to a terminal, and go to a file as they are', () => {
  const written = (isTTY: boolean) => {
    const chunks: { out: Uint8Array[]; err: string } = { out: [], err: '' };
    const out = createOutput({
      stdout: { isTTY, write: (bytes) => chunks.out.push(Buffer.from(bytes)) },
      stderr: { write: (text) => (chunks.err += String(text)) },
    });
    out.bytes(Buffer.from([0x50, 0x4b, 0, 1]));
    return chunks;
  };
  assert.deepEqual(written(false).out, [Buffer.from([0x50, 0x4b, 0, 1])]);
  const { out, err } = written(true);
  assert.deepEqual(out, []);
  assert.match(err, /^4 bytes that are no text: .*> FILE/);
});

void test('a table without rows says so beside it', () => {
  let out = '';
  let err = '';
  const output = createOutput({
    stdout: { write: (text) => (out += String(text)) },
    stderr: { write: (text) => (err += String(text)) },
  });
  output.list([] as Row[], COLUMNS, undefined, undefined, 'no traces yet');
  output.list([] as Row[], COLUMNS, 'json');
  assert.equal(out, 'TRACE   SPANS   ROOT\n[]\n');
  assert.equal(err, 'no traces yet\n');
});
