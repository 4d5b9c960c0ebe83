/**
 * Fails as each message asks: `{"id", "failures": n}` fails n times. It keeps no count of its own: the attempt stands in the
 * request, and what was sent back from the error topic says so in a header.
 */
module.exports = async ({ request }) => {
  const attempt = Number(request.headers['x-record-attempt']);
  const { records } = request.body;
  if (!records) {
    const fails = !('spoor-redriven-from' in request.headers) && attempt <= request.body.failures;
    return { status: fails ? 500 : 200, body: { id: request.body.id } };
  }
  const results = records.map(({ value, headers }) => {
    const { id, failures } = JSON.parse(value);
    const fails = !headers.some(([name]) => name === 'spoor-redriven-from') && attempt <= failures;
    return fails ? { status: 500, error: `${id} is to fail ${failures} times` } : { status: 200 };
  });
  return { status: 200, body: { results } };
};
