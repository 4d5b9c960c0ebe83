exports.greet = (name) => `Built hello, ${name}`;
