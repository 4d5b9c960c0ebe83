const { greet } = require('greeting');

module.exports = async (context) => ({ status: 200, body: greet(context.request.query.name) });
