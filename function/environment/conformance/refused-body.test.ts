import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { pythonProgram } from '../python/program.ts';
import { type EnvironmentCommand, EnvironmentProcess } from './environment-process.ts';

const MIB = 1024 * 1024;
/** What an environment reads away of a refused body, and what sockets hold beside it. */
const MOST_BYTES = 96 * MIB;

const NODE = `module.exports = async ({ request }) => ({ status: 200, body: String(request.body.length) });`;
// Piece by piece: of a chunked body, Werkzeug's get_data() gives the first 100,000 bytes and says nothing of the rest.
const PYTHON = `
from flask import request

def main():
    request.max_content_length = 100_000
    return str(sum(len(piece) for piece in iter(lambda: request.stream.read(65_536), b'')))
`;

interface Twin {
  readonly command: EnvironmentCommand;
  readonly files: Readonly<Record<string, string>>;
}

async function twins(): Promise<Readonly<Record<string, Twin>>> {
  const { command: program, args } = await pythonProgram();
  const node = { program: process.execPath, args: [join(import.meta.dirname, '../node/main.ts')] };
  return {
    Node: { command: node, files: { 'index.js': NODE } },
    Python: { command: { program, args }, files: { 'main.py': PYTHON } },
  };
}

void describe('a body that is too large', () => {
  for (const name of ['Node', 'Python']) {
    for (const framing of ['content-length', 'chunked'] as const) {
      void test(`${name}: who is still sending it (${framing}) hears 413`, async () => {
        await using environment = await start(name);
        const { answer, error } = await upload(environment.socketPath, framing, 8 * MIB);
        assert.match(answer, /^HTTP\/1\.1 413 /);
        assert.equal(error, undefined);
        // And the environment serves on.
        const next = await environment.ask({
          method: 'POST',
          headers: { 'content-type': 'text/plain' },
          body: 'four',
        });
        assert.deepEqual([next.status, next.text], [200, '4']);
      });
    }

    void test(`${name}: who never stops sending is cut off`, async () => {
      await using environment = await start(name);
      const { answer, sent } = await upload(environment.socketPath, 'chunked', 1024 * MIB);
      assert.match(answer, /^HTTP\/1\.1 413 /);
      assert.ok(sent < MOST_BYTES, `${sent} bytes were taken`);
    });
  }
});

async function start(name: string): Promise<EnvironmentProcess> {
  const { command, files } = (await twins())[name] as Twin;
  const environment = await EnvironmentProcess.start(command, { env: { BODY_PARSER_LIMIT: '100kb' } });
  const loaded = await environment.specialize(environment.write(files));
  assert.ok(loaded.status < 300, loaded.text);
  return environment;
}

/** A client that writes all of its body whatever it hears meanwhile, as a proxy does. */
async function upload(socketPath: string, framing: 'content-length' | 'chunked', bytes: number) {
  const socket = connect(socketPath);
  let answer = '';
  let error: Error | undefined;
  socket.setEncoding('latin1').on('data', (text: string) => (answer += text));
  socket.on('error', (cause) => (error = cause));
  const closed = once(socket, 'close').catch(() => undefined);
  const length = framing === 'chunked' ? 'Transfer-Encoding: chunked' : `Content-Length: ${bytes}`;
  socket.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n${length}\r\n\r\n`);
  const chunk = Buffer.alloc(64 * 1024, 'x');
  const head = `${chunk.length.toString(16)}\r\n`;
  let sent = 0;
  while (sent < bytes && socket.writable) {
    const data =
      framing === 'chunked' ? Buffer.concat([Buffer.from(head), chunk, Buffer.from('\r\n')]) : chunk;
    if (!socket.write(data)) await Promise.race([once(socket, 'drain'), closed]).catch(() => undefined);
    sent += chunk.length;
  }
  socket.end(framing === 'chunked' ? '0\r\n\r\n' : '');
  await closed;
  return { answer, error, sent };
}
