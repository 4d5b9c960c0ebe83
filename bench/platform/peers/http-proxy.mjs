// `http-proxy` as its README says, with the keep-alive that its README says one wants.
import { Agent, createServer } from 'node:http';
import httpProxy from 'http-proxy';

const proxy = httpProxy.createProxyServer({
  target: process.argv[2],
  agent: new Agent({ keepAlive: true, maxSockets: Infinity }),
  xfwd: true,
});
proxy.on('error', (_error, _request, response) => response.writeHead?.(502).end());
const server = createServer((request, response) => proxy.web(request, response));
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
