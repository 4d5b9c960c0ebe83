const { words } = require('./lib/words');

exports.hello = async (context) => ({ status: 200, body: words.hello + ', ' + context.request.query.name });
exports.bye = async (context) => ({ status: 200, body: words.bye + ', ' + context.request.query.name });
