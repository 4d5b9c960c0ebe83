'use strict';

// Does what its request says, well or badly; what goes wrong here is planted.

const { existsSync, writeFileSync } = require('node:fs');
const net = require('node:net');
const { setPriority, tmpdir } = require('node:os');
const { join } = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');

// A function that takes long to load, while this file is there.
if (existsSync(join(tmpdir(), 'spoor-fault-load')))
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_200);

module.exports = async function worker({ request }) {
  const body = { ...request.query, ...request.body };
  const records = Array.isArray(body.records)
    ? body.records.map((record) => JSON.parse(record.value))
    : undefined;
  if (records) {
    for (const each of records) await act(each);
    return {
      status: 200,
      body: {
        results: records.map((each) => (each.bad ? { status: 422, error: 'no such name' } : { status: 200 })),
      },
    };
  }
  const status = await act(body);
  return { status, body: { done: true } };
};

async function act({ sleepMs, fault, call, target, raw }) {
  if (sleepMs) await sleep(sleepMs);
  if (target) await ask(target, raw);
  const calls = call ? (call.times ?? 1) : 0;
  for (let i = 0; i < calls; i += 1) {
    try {
      const answer = await fetch(call.url);
      await answer.text();
    } catch (error) {
      if (i + 1 === calls) throw error;
      await sleep(20);
    }
  }
  switch (fault) {
    case 'throw':
      throw new TypeError('cannot read the size of a card that was never drawn');
    case 'status':
      return 500;
    case 'exit':
      return process.exit(3);
    case 'kill':
      process.kill(process.pid, 'SIGKILL');
      return sleep(10_000);
    case 'burn':
      compute(700);
      return 200;
    case 'give way':
      giveWay();
      compute(20);
      return 200;
    case 'block':
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 900);
      return 200;
    case 'memory': {
      const kept = [];
      for (;;) kept.push(Array.from({ length: 100_000 }, () => kept.length));
    }
    default:
      return 200;
  }
}

/** Another function, over the router; `raw`: by hand, in a way that nothing can add a header to. */
async function ask(url, raw) {
  if (!raw) {
    await (await fetch(url)).text();
    return;
  }
  const { hostname, port, pathname } = new URL(url);
  await new Promise((done, fail) => {
    const socket = net.connect(Number(port), hostname, () =>
      socket.write(`GET ${pathname} HTTP/1.1\r\nHost: ${hostname}\r\nConnection: close\r\n\r\n`),
    );
    socket.resume().once('end', done).once('error', fail);
  });
}

/** To everybody: also where the kernel shares the cores among sessions before it looks at priorities (sched(7), autogroup). */
function giveWay() {
  setPriority(19);
  try {
    writeFileSync('/proc/self/autogroup', '19');
  } catch {
    // Not this kernel.
  }
}

/** By CPU time: on a busy machine it takes longer, and is as much work. */
function compute(ms) {
  const used = () => process.cpuUsage().user + process.cpuUsage().system;
  const until = used() + ms * 1_000;
  for (let i = 0; i % 100_000 !== 0 || used() < until; i += 1);
}
