module.exports = async ({ request }) => {
  await new Promise((resolve) => setTimeout(resolve, Number(request.query.ms || 0)));
  return { status: 200, body: 'done' };
};
