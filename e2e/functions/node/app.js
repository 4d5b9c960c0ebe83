// A whole site below a prefix, with the prefix kept.
module.exports = async ({ request }) => ({ status: 200, body: { url: request.url } });
