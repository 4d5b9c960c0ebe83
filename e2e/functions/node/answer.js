module.exports = async ({ request }) => {
  if (request.query.throw) throw new Error('asked to throw');
  if (request.query.empty) return { status: 204 };
  return {
    status: Number(request.query.status || 201),
    headers: { 'Set-Cookie': ['a=1', 'b=2'], 'Content-Type': 'application/xml' },
    body: '<ok/>',
  };
};
