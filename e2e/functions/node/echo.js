module.exports = async ({ request }) => ({
  status: 200,
  body: {
    method: request.method,
    query: request.query,
    type: request.get('Content-Type') || null,
    body: Buffer.isBuffer(request.body) ? request.body.toString('hex') : request.body,
  },
});
