// The function of the bench as Google's framework wants it.
exports.hello = (request, response) => {
  if (request.method === 'POST') response.type('application/octet-stream').send(request.rawBody);
  else response.send('hello\n');
};
