'use strict';

// Cannot be loaded.

require('./settings-that-nobody-packed.js');

module.exports = async function broken() {
  return { status: 200, body: 'never' };
};
