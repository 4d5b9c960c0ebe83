'use strict';

// Preloaded into a process: it takes long to start, while this file is there.

const { existsSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');

if (existsSync(join(tmpdir(), 'spoor-fault-start')))
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_200);
