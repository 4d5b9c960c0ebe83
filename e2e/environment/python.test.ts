import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { STATUS_CODE } from '../../function/span/span-data.ts';
import { textOf } from '../../cli/trace/text-of.ts';
import { spoor, spoorUp, type SpoorUp } from '../support/spoor.ts';
import { assertOneTree, one, outlineOf, settledTrace } from '../support/traces.ts';

/** Calls a Node function by its route, and sends a record that nobody waits for. */
const ORDERS = `
import json, os, urllib.request
from flask import g, request

def main():
    name = request.args.get("name", "nobody")
    if name == "Error":
        raise ValueError("no such customer")
    print("an order of", name)
    g.span.set_attribute("order.name", name)
    price = json.load(urllib.request.urlopen(os.environ["SPOOR_ROUTER_URL"] + "/price"))
    g.publish("orders", {"name": name}, key=name)
    return {"name": name, "price": price["price"]}
`;
const PRICE = `module.exports = async () => ({ status: 200, body: { price: 42 } });`;

describe('a Python function', () => {
  let up: SpoorUp;
  const folder = mkdtempSync(join(tmpdir(), 'spoor-python-'));

  before(async () => {
    writeFileSync(join(folder, 'orders.py'), ORDERS);
    writeFileSync(join(folder, 'price.js'), PRICE);
    up = await spoorUp();
    const verbs = [
      ['env', 'create', '--name', 'python', '--image', 'ghcr.io/fission/python-env', '--poolsize', '1'],
      ['env', 'create', '--name', 'nodejs', '--image', 'ghcr.io/fission/node-env', '--poolsize', '1'],
      ['fn', 'create', '--name', 'orders', '--env', 'python', '--code', join(folder, 'orders.py')],
      ['fn', 'create', '--name', 'price', '--env', 'nodejs', '--code', join(folder, 'price.js')],
      ['route', 'create', '--name', 'orders', '--method', 'GET', '--url', '/orders', '--function', 'orders'],
      ['route', 'create', '--name', 'price', '--method', 'GET', '--url', '/price', '--function', 'price'],
    ];
    for (const verb of verbs) {
      const done = await spoor(verb, { env: { SPOOR_SERVER: up.internal } });
      assert.equal(done.exitCode, 0, `spoor ${verb.join(' ')}: ${done.stderr}`);
    }
  });
  after(async () => {
    await up[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  async function order(name: string) {
    const response = await fetch(`${up.router}/orders?name=${name}`);
    const text = await response.text();
    return {
      status: response.status,
      text,
      traceId: response.headers.get('traceresponse')?.split('-')[1] ?? '',
    };
  }

  test('calls a Node function and publishes: one trace, one tree', async () => {
    await order('warm');
    const { status, text, traceId } = await order('Ada');
    assert.equal(status, 200, text);
    assert.deepEqual(JSON.parse(text), { name: 'Ada', price: 42 });
    const spans = await settledTrace(up, traceId, 'send orders');
    assertOneTree(spans);
    assert.deepEqual(outlineOf(spans), [
      'router SERVER GET /orders',
      '  router CLIENT invoke orders',
      '    orders SERVER orders',
      '      orders CLIENT GET',
      '        router SERVER GET /price',
      '          router CLIENT invoke price',
      '            price SERVER price',
      '      orders PRODUCER send orders',
    ]);
    const orders = one(spans, 'orders');
    assert.equal(orders.attributes['order.name'], 'Ada');
    assert.equal(orders.attributes['faas.trigger'], 'http');
    assert.equal(typeof orders.attributes['faas.instance'], 'string');
  });

  test('that raises: the exception with its stack is on its span, and not in the answer', async () => {
    const { status, text, traceId } = await order('Error');
    assert.equal(status, 500);
    assert.doesNotMatch(text, /no such customer/);
    const spans = await settledTrace(up, traceId, 'orders');
    const orders = one(spans, 'orders');
    assert.equal(orders.status.code, STATUS_CODE.error);
    const exception = orders.events.find((event) => event.name === 'exception');
    assert.match(textOf(exception?.attributes['exception.stacktrace']), /raise ValueError/);
  });
});
