// The router tells the variables of the path in headers.
module.exports = async ({ request }) => ({
  status: 200,
  body: {
    name: request.get('X-Fission-Params-Name'),
    id: request.get('X-Fission-Params-Id'),
    url: request.url,
  },
});
