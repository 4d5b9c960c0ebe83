module.exports = async (context) => {
  context.span.setAttribute('call', context.request.query.call ?? '');
  return { status: 200, body: 'hello' };
};
