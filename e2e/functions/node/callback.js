module.exports = function (context, callback) {
  callback(200, 'Hello, ' + (context.request.query.name || 'nobody') + '!\n', { 'X-Greeted': 'yes' });
};
