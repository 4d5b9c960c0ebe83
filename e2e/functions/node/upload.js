// The environment takes bodies of 1 MB, as Fission's does.
module.exports = async ({ request }) => ({ status: 200, body: { bytes: request.body.length } });
