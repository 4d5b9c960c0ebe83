/** An agent in a process of its own: `node agent-process.ts JOURNALS SPOOL COLLECTOR`. */
import { start } from '../agent.ts';

const [journalDir = '', spoolDir = '', collectorUrl = ''] = process.argv.slice(2);
await start({ journalDirs: [journalDir], spoolDir, collectorUrl });
process.stdout.write('started\n');
