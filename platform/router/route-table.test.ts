import assert from 'node:assert/strict';
import { test } from 'node:test';
import { triggerOf } from '../executor/test/memory-catalog.ts';
import type { HTTPTrigger } from '../spec/resources.ts';
import { RouteTable } from './route-table.ts';

function tableOf(...triggers: HTTPTrigger[]): RouteTable {
  const table = new RouteTable();
  for (const trigger of triggers) table.put(trigger);
  return table;
}

const exact = (relativeurl: string, name = relativeurl, spec: Partial<HTTPTrigger['spec']> = {}) =>
  triggerOf(name, 'f', { relativeurl, ...spec });
const prefix = (path: string, name = path, spec: Partial<HTTPTrigger['spec']> = {}) =>
  triggerOf(name, 'f', { relativeurl: '', prefix: path, ...spec });

function nameOf(table: RouteTable, path: string, options: { host?: string; method?: string } = {}): string {
  const match = table.match(options.host ?? '', options.method ?? 'GET', path);
  return match.type === 'route' ? match.route.trigger.metadata.name : match.type;
}

for (const [what, triggers, cases] of [
  [
    'an exact path is itself only',
    [exact('/a')],
    { '/a': '/a', '/a/': 'none', '/a/b': 'none', '/ab': 'none' },
  ],
  [
    'a prefix is itself and what lies below',
    [prefix('/api')],
    { '/api': '/api', '/api/': '/api', '/api/x/y': '/api', '/apifoo': 'none', '/': 'none' },
  ],
  [
    'a prefix with a slash is only what lies below',
    [prefix('/api/')],
    { '/api': 'none', '/api/': '/api/', '/api/x': '/api/' },
  ],
  ['the prefix / is everything', [prefix('/')], { '/': '/', '/a/b': '/' }],
  [
    'exact before prefix, the longest prefix first',
    [prefix('/a'), prefix('/a/b'), exact('/a/b/c')],
    { '/a/b/c': '/a/b/c', '/a/b/d': '/a/b', '/a/c': '/a' },
  ],
  [
    'a variable is one segment and not empty; a literal goes first',
    [exact('/u/{id}'), exact('/u/me'), exact('/u/{id}/posts/{post}')],
    { '/u/1': '/u/{id}', '/u/me': '/u/me', '/u/': 'none', '/u/me/posts/7': '/u/{id}/posts/{post}' },
  ],
  [
    'a regex narrows a variable, and may span segments',
    [exact('/n/{id:[0-9]{2,3}}'), exact('/f/{path:.+}/raw'), exact('/v{major}.{minor}')],
    {
      '/n/12': '/n/{id:[0-9]{2,3}}',
      '/n/1': 'none',
      '/n/abc': 'none',
      '/f/a/b/raw': '/f/{path:.+}/raw',
      '/v1.2': '/v{major}.{minor}',
    },
  ],
  [
    'a regex in a prefix',
    [prefix('/t/{tenant:[a-z]+}')],
    { '/t/ab/x': '/t/{tenant:[a-z]+}', '/t/1': 'none', '/t/ab1': 'none' },
  ],
  [
    'a percent-encoded segment is compared decoded',
    [exact('/caf\u00e9')],
    { '/caf%C3%A9': '/caf\u00e9', '/%zz': 'none' },
  ],
] satisfies [string, HTTPTrigger[], Record<string, string>][]) {
  test(what, () => {
    const table = tableOf(...triggers);
    for (const [path, name] of Object.entries(cases)) assert.equal(nameOf(table, path), name, path);
  });
}

test('variables and the rest of a prefix are told', () => {
  const table = tableOf(exact('/u/{id}/{rest:.*}'), prefix('/p/{a}', 'p'));
  const match = table.match('', 'GET', '/u/J%20/x/y');
  assert.ok(match.type === 'route');
  assert.deepEqual(match.params, { id: 'J ', rest: 'x/y' });
  const below = table.match('', 'GET', '/p/1/x%20y');
  assert.ok(below.type === 'route');
  assert.deepEqual([below.params, below.rest], [{ a: '1' }, '/x%20y']);
});

test('a host goes before none, whatever the paths', () => {
  const table = tableOf(exact('/a', 'any'), prefix('/', 'own', { host: 'A.example' }));
  assert.equal(nameOf(table, '/a', { host: 'a.example' }), 'own');
  assert.equal(nameOf(table, '/a', { host: 'b.example' }), 'any');
});

test('the oldest of two that ask for the same wins, and the other is told', () => {
  const [old, young] = [exact('/a', 'old'), exact('/a', 'young')];
  const table = new RouteTable();
  assert.deepEqual(table.put(young), []);
  assert.deepEqual(table.put(old), []);
  assert.equal(nameOf(table, '/a'), 'old');
  assert.deepEqual(table.put(young), [old]);
  table.delete(old);
  assert.equal(nameOf(table, '/a'), 'young');
});

test('another method goes on to the next that fits; when none does, all their methods are told', () => {
  const table = tableOf(
    exact('/a', 'get', { methods: ['GET'] }),
    exact('/a', 'post', { methods: ['post'] }),
    prefix('/', 'rest', { methods: ['PUT'] }),
  );
  assert.equal(nameOf(table, '/a', { method: 'POST' }), 'post');
  assert.equal(nameOf(table, '/a', { method: 'PUT' }), 'rest');
  const refused = table.match('', 'DELETE', '/a');
  assert.ok(refused.type === 'method');
  assert.deepEqual(refused.allow.toSorted(), ['GET', 'POST', 'PUT']);
});

test('a trigger that changes its path leaves the old one', () => {
  const table = tableOf(exact('/a', 't'));
  table.put(exact('/b', 't'));
  assert.equal(nameOf(table, '/a'), 'none');
  assert.equal(nameOf(table, '/b'), 't');
  assert.equal(table.size, 1);
});

for (const path of ['a', '/{', '/}', '/{a', '/{1x}', '/{a}/{a}', '/{a:[}', '/{}']) {
  test(`[${path}] is no template`, () => {
    assert.throws(() => tableOf(exact(path)));
  });
}

test('ten thousand routes of every kind, each found', () => {
  const table = new RouteTable();
  const paths = new Map<string, string>();
  for (let i = 0; i < 10_000; i++) {
    const name = `t${i}`;
    const kind = i % 4;
    if (kind === 0) table.put(exact(`/static/${i}/x`, name));
    if (kind === 1) table.put(exact(`/users/{id}/part${i}`, name));
    if (kind === 2) table.put(prefix(`/tree/${i % 100}/${i}`, name));
    if (kind === 3) table.put(exact(`/regex/${i}/{n:[0-9]+}`, name));
    const path = [`/static/${i}/x`, `/users/42/part${i}`, `/tree/${i % 100}/${i}/below`, `/regex/${i}/7`][
      kind
    ];
    paths.set(path as string, name);
  }
  assert.equal(table.size, 10_000);
  for (const [path, name] of paths) assert.equal(nameOf(table, path), name);
  assert.equal(nameOf(table, '/users/42/nothing'), 'none');
});
