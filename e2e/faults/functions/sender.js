'use strict';

// Puts its request on a topic.

module.exports = async function sender(context) {
  const { topic, key, value } = context.request.body;
  await context.publish(topic, value, { key });
  return { status: 202, body: { accepted: true } };
};
