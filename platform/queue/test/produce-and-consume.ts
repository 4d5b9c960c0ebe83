/** Produces numbered records and consumes them until it is killed: `node produce-and-consume.ts PATH ROUND`. One JSON line an event. */
import { openEmbeddedLog } from '../embedded-log.ts';

const [path, round] = process.argv.slice(2) as [string, string];
const log = await openEmbeddedLog({ path });
let committed = 0;

await log.subscribe({
  topic: 'numbers',
  group: 'g',
  offsetReset: 'earliest',
  maxBatchSize: 50,
  onRecords: async (records) => {
    committed += records.length;
    console.log(JSON.stringify({ committed }));
  },
  onError: (error) => console.error(error),
});

for (let i = 0; ; i += 10) {
  await Promise.all(
    Array.from({ length: 10 }, async (_, j) => {
      const key = Number(round) * 1_000_000 + i + j;
      const value = `value ${key} of round ${round}`;
      await log.produce('numbers', [
        { key: Buffer.from(String(key)), value: Buffer.from(value), headers: [] },
      ]);
      console.log(JSON.stringify({ produced: [key, value] }));
    }),
  );
}
