import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSigner } from './sign-request.ts';

void test('a request is signed as Fission verifies it', () => {
  const sign = createSigner('fission-test-master-must-be-long-enough');
  const uri = '/fission-function/default/image?a=b';
  // Computed by hmac and hashlib of Python from the words of Fission's design page.
  const expected = {
    'x-fission-auth-timestamp': '1715000123',
    'x-fission-auth-signature': 'e4b8439f9777fc4db1c71eaa01a938e3b53d4ee6ccd07c72c88ea1371a9ce01e',
  };
  assert.deepEqual(sign('POST', uri, Buffer.from('hello'), 1_715_000_123), expected);
  for (const other of [
    sign('PUT', uri, Buffer.from('hello'), 1_715_000_123),
    sign('POST', `${uri}c`, Buffer.from('hello'), 1_715_000_123),
    sign('POST', uri, Buffer.from('hullo'), 1_715_000_123),
    sign('POST', uri, Buffer.from('hello'), 1_715_000_183),
    createSigner('another')('POST', uri, Buffer.from('hello'), 1_715_000_123),
  ])
    assert.notEqual(other['x-fission-auth-signature'], expected['x-fission-auth-signature']);
});
