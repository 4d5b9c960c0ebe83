import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ownFrames } from './own-frames.ts';

void test("a stack of Node keeps the function's frames", () => {
  const own = [
    "TypeError: Cannot read properties of undefined (reading 'net')",
    '    at module.exports (/app/quote.js:3:30)',
  ];
  const others = [
    '    at callFunction (/app/.cache/spoor/environment-node-43e1e77761a9bb38.cjs:12:6820)',
    '    at serve (/app/environment.cjs:12:33125)',
    '    at callFunction (file:///app/function/environment/node/call-function.ts:12:3)',
    '    at AsyncLocalStorage.run (node:internal/async_local_storage/async_context_frame:65:14)',
  ];
  assert.equal(ownFrames([...own, ...others].join('\n')), own.join('\n'));
});

void test("a traceback of Python keeps the function's frames, each with its source", () => {
  const first = 'Traceback (most recent call last):';
  const others = [
    '  File "/app/spoor_environment/initialize_tracing.py", line 55, in traced',
    '    response = _response_of(func)',
    '               ^^^^^^^^^^^^^^^^^^',
  ];
  const own = [
    '  File "/app/quote.py", line 2, in price',
    '    return {"tea": 4}[item]',
    '           ~~~~~~~~~~^^^^^^',
    "KeyError: 'coffee'",
  ];
  assert.equal(ownFrames([first, ...others, ...own].join('\n')), [first, ...own].join('\n'));
});

void test('what is no stack stays as it is', () => {
  const text = 'two lines\n    at noon, says environment.cjs\n  the end';
  assert.equal(ownFrames(text), text);
});
