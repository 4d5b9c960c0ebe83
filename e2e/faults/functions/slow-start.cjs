'use strict';

// Preloaded into a process: while this file is there it takes as many ms longer to start as the file says.

const { readFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');

Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, slownessMs());

function slownessMs() {
  try {
    return Number(readFileSync(join(tmpdir(), 'spoor-fault-start'), 'utf8'));
  } catch {
    return 0;
  }
}
