// What no platform can be faster than on this runtime: node:http that answers `hello`, or the body it was sent.
import { createServer } from 'node:http';

const server = createServer((request, response) => {
  if (request.method === 'POST') {
    response.setHeader('content-type', 'application/octet-stream');
    response.setHeader('content-length', request.headers['content-length']);
    request.pipe(response);
    return;
  }
  response.setHeader('content-type', 'text/html; charset=utf-8');
  response.setHeader('content-length', 6);
  response.end('hello\n');
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
