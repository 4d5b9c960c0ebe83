'use strict';

// The next version of something that worked.

module.exports = async function worse() {
  throw new RangeError('cannot draw 0 cards');
};
