module.exports = async ({ request }) => ({ status: 200, body: `back(${request.query.name})` });
