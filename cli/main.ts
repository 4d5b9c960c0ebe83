#!/usr/bin/env node
import { enableCompileCache } from 'node:module';

// The types of some hundred files are stripped at each start; Node keeps the result when it is asked to before they load.
enableCompileCache();
const { run } = await import('./program.ts');
await run(process.argv);
