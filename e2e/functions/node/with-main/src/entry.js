const { name } = require('../package.json');

module.exports = async () => ({ status: 200, body: 'from ' + name });
