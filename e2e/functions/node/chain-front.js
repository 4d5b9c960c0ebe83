const { SPOOR_ROUTER_URL: router } = process.env;

module.exports = async ({ request }) => {
  const answer = await fetch(`${router}/chain-middle?name=${request.query.name}`);
  return { status: answer.status, body: `front(${await answer.text()})` };
};
