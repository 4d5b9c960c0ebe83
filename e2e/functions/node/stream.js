const { Readable } = require('node:stream');

// Server-sent events: each is on its way before the next is made.
module.exports = async () => ({
  status: 200,
  headers: { 'Content-Type': 'text/event-stream' },
  body: Readable.from(
    (async function* () {
      for (let event = 1; event <= 3; event++) {
        yield `data: ${event}\n\n`;
        await new Promise((resolve) => setTimeout(resolve, 150));
      }
    })(),
  ),
});
