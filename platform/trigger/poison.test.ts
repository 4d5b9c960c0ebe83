import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { openEmbeddedLog } from '../queue/embedded-log.ts';
import { poisonTable } from './test/poison.ts';

const folder = mkdtempSync(join(tmpdir(), 'spoor-poison-'));
after(() => rm(folder, { recursive: true, force: true }));

poisonTable('the embedded log', () => openEmbeddedLog({ path: join(folder, 'topics.db') }));
