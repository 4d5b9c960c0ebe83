'use strict';

// Works in steps, each a span, and notes what it did in a file that outlives it; then ends as the request asks for.

const { appendFileSync } = require('node:fs');
const { setTimeout: sleep } = require('node:timers/promises');
const { trace } = require('@opentelemetry/api');

const tracer = trace.getTracer('kill-pack');

module.exports = async ({ request }) => {
  const { truth, way, steps, ms } = request.query;
  const say = (line) => appendFileSync(truth, `${line}\n`);
  say(`pid ${process.pid}`);
  const until = Date.now() + Number(ms);
  for (let i = 0; i < Number(steps) || Date.now() < until; i += 1) {
    const span = tracer.startSpan(`step ${i}`, { attributes: { 'step.number': i } });
    say(`started step ${i}`);
    await sleep(1);
    span.end();
    say(`ended step ${i}`);
  }
  if (way === 'SIGTERM') return { status: 200, body: 'in peace' };
  tracer.startSpan('last');
  say('started last');
  if (way === 'exit') process.exit(3);
  if (way === 'exception')
    setTimeout(() => {
      throw new Error('nobody catches this');
    }, 1);
  if (way === 'rejection') void Promise.reject(new Error('nobody handles this'));
  if (way === 'oom') {
    const hoard = [];
    for (;;) hoard.push(Array.from({ length: 100_000 }, (_, i) => `${hoard.length}/${i}`));
  }
  if (way === 'timeout') for (;;);
  await sleep(60_000);
};
