/**
 * `node e2e/delivery/run.ts [--calls 10000] [--at-once 8] [--small-disk DIR]`: prints a JSON line for each condition, and exits 1 when a
 * call failed or a span is neither there nor counted. DIR must be a small file system of its own; `npm test` mounts one.
 */
import { parseArgs } from 'node:util';
import { runDelivery } from './delivery.ts';

const { values } = parseArgs({
  options: {
    calls: { type: 'string', default: '10000' },
    'at-once': { type: 'string', default: '8' },
    'small-disk': { type: 'string' },
  },
});
const results = await runDelivery({
  calls: wholeNumber('--calls', values.calls),
  atOnce: wholeNumber('--at-once', values['at-once']),
  smallDisk: values['small-disk'],
});
let faults = 0;
for (const result of results) {
  console.log(JSON.stringify(result));
  const isAccounted =
    result.arrived === result.calls ||
    (result.droppedSpans > 0 && result.arrived + result.droppedSpans >= result.calls);
  if (result.errors > 0 || !isAccounted) faults += 1;
}
process.exit(faults === 0 ? 0 : 1);

function wholeNumber(name: string, text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number > 0) return number;
  console.error(`cannot use ${name} [${text}]: it must be a whole number above 0`);
  process.exit(2);
}
