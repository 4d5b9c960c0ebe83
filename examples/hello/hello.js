module.exports = async function (context) {
  const name = context.request.query.name ?? 'world';
  return { status: 200, body: `Hello, ${name}!\n` };
};
