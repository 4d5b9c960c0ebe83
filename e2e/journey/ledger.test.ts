import { test } from 'node:test';
import { assertLedger } from './assert-ledger.ts';
import { runLedger } from './ledger.ts';

/** Enough for every way a message can go in every batch size; `node e2e/journey/ledger.ts --messages 10000` for more. */
const MESSAGES = 600;

for (const kafka of [false, true])
  for (const shape of ['parent', 'links'] as const)
    test(`the stored traces tell every attempt of every message: ${kafka ? 'Kafka' : 'embedded log'}, ${shape}`, async () => {
      assertLedger(await runLedger({ messages: MESSAGES, kafka, shape }));
    });
