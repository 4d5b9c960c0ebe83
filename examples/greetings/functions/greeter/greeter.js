'use strict';

// POST /greetings {name, language, fault?}: validated over HTTP, then published for whoever draws the card.
// Nothing here speaks of tracing but one attribute: the call and the record carry the trace by themselves.

const router = process.env.SPOOR_ROUTER_URL ?? 'http://127.0.0.1:8888';

module.exports = async function greeter(context) {
  const greeting = context.request.body;
  if (typeof greeting !== 'object' || greeting === null) {
    return { status: 400, body: { error: 'send JSON such as {"name": "Ada", "language": "en"}' } };
  }
  context.span?.setAttribute('greeting.language', String(greeting.language));

  const answer = await fetch(`${router}/validator`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(greeting),
  });
  const verdict = await answer.json();
  if (!answer.ok) {
    return { status: answer.status, body: verdict };
  }

  const { name, language, fault } = verdict;
  const record = await context.publish(
    'greetings',
    { name, language, ...(fault ? { fault } : {}) },
    { key: name },
  );
  return {
    status: 202,
    body: {
      accepted: true,
      name,
      language,
      topic: 'greetings',
      partition: record?.partition,
      offset: record?.offset,
    },
  };
};
