exports.words = { hello: 'Hello', bye: 'Good bye' };
