/** `node e2e/kill-pack/run.ts [--invocations 2000] [--at-once 4]`: the whole kill pack; exits 1 when a trace does not tell the truth. */
import { parseArgs } from 'node:util';
import { runKillPack } from './kill-pack.ts';

const { values } = parseArgs({
  options: {
    invocations: { type: 'string', default: '2000' },
    'at-once': { type: 'string', default: '4' },
  },
});
const startedMs = Date.now();
let toldMs = 0;
const result = await runKillPack({
  invocations: wholeNumber('--invocations', values.invocations),
  atOnce: wholeNumber('--at-once', values['at-once']),
  onProgress(done, checked) {
    if (Date.now() - toldMs < 2_000) return;
    toldMs = Date.now();
    process.stderr.write(
      `${done} ended, ${checked} compared, ${Math.round((toldMs - startedMs) / 1_000)} s\n`,
    );
  },
});
for (const fault of result.faults.slice(0, 50)) console.error(fault);
console.log(
  JSON.stringify({
    ...result,
    faults: result.faults.length,
    seconds: Math.round((Date.now() - startedMs) / 1_000),
  }),
);
process.exitCode = result.faults.length === 0 ? 0 : 1;

function wholeNumber(name: string, text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number > 0) return number;
  console.error(`cannot use ${name} [${text}]: it must be a whole number above 0`);
  process.exit(2);
}
