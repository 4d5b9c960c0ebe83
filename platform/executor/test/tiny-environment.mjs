// The least that obeys docs/instance.md: a server on SPOOR_SOCKET that loads a module whose default export is (request, response).
import { createServer } from 'node:http';
import { Socket } from 'node:net';
import { pathToFileURL } from 'node:url';
import { createRequire } from 'node:module';

let fn;
const server = createServer((request, response) => {
  if (fn) return void fn(request, response);
  if (request.url !== '/v2/specialize')
    return void response.writeHead(500).end('Generic container: no requests supported');
  let body = '';
  request.on('data', (chunk) => (body += chunk));
  request.on('end', () => {
    specialize(body).then(
      () => response.writeHead(202).end(),
      (error) => response.writeHead(500).end(String(error)),
    );
  });
});
// Like one that has no patience with those who connect and say nothing.
if (process.env.TINY_DROPS)
  server.on('connection', (socket) => setTimeout(() => socket.bytesRead === 0 && socket.destroy(), 20));
server.on('upgrade', (request, socket, head) => fn.upgrade(request, socket, head));
async function specialize(body) {
  const load = JSON.parse(body);
  const module = load.filepath.endsWith('.cjs')
    ? createRequire(import.meta.url)(load.filepath)
    : await import(pathToFileURL(load.filepath));
  fn = load.functionName ? module[load.functionName] : (module.default ?? module);
}
const control = new Socket({ fd: Number(process.env.SPOOR_CONTROL_FD) });
control.on('error', () => {});
control.on('end', () => server.close(() => process.exit(0)));
control.resume();
process.on('SIGTERM', () => {
  if (!process.env.TINY_DRAINS) process.exit(0);
  // Like one that is busy ending: it says so, and is still there.
  control.write('{"event":"draining"}\n');
});
process.on('uncaughtException', (error) => {
  control.write(
    `${JSON.stringify({ event: 'goodbye', reason: 'uncaughtException', message: error.message })}\n`,
    () => process.exit(7),
  );
});
if (process.env.TINY_CRASH) process.exit(3);
server.listen(process.env.SPOOR_SOCKET, () => {
  control.write(`${JSON.stringify({ event: 'listening', pid: process.pid })}\n`);
});
