// The same function for each server: what Fission's environment calls, what functions-framework calls, and node:http itself.
module.exports = async () => ({ status: 200, body: 'hello' });
module.exports.hello = (request, response) => response.status(200).type('text').send('hello');

if (require.main === module) {
  const server = require('node:http').createServer((request, response) => {
    response.writeHead(200, { 'content-type': 'text/plain', 'content-length': 5 });
    response.end('hello');
  });
  server.listen(Number(process.env.PORT), '127.0.0.1');
}
