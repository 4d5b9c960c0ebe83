'use strict';

// GET or POST /validator: is this a greeting that can be drawn? Answers what was understood, or 422 with all that is wrong.

const { setTimeout: sleep } = require('node:timers/promises');

const LANGUAGES = ['en', 'fr', 'de', 'es', 'it', 'hi', 'ja', 'ar'];
const FAULTS = ['slow', 'error', 'crash', 'timeout'];
const MAX_NAME = 60;
const SLOW_MS = 1500;

module.exports = async function validator({ request, span }) {
  const greeting = request.method === 'GET' ? request.query : (request.body ?? {});
  const problems = problemsOf(greeting);
  span?.setAttribute('greeting.valid', problems.length === 0);
  if (greeting.fault === 'slow') {
    span?.addEvent('waiting for a slow dictionary', { 'dictionary.wait_ms': SLOW_MS });
    await sleep(SLOW_MS);
  }
  if (problems.length > 0) {
    return { status: 422, body: { error: 'not a greeting', problems } };
  }
  const { name, language, fault } = greeting;
  return { status: 200, body: { name: name.trim(), language, ...(fault ? { fault } : {}) } };
};

function problemsOf({ name, language, fault }) {
  const problems = [];
  if (typeof name !== 'string' || name.trim() === '') problems.push('name must be given');
  else if ([...name].length > MAX_NAME) problems.push(`name must be at most ${MAX_NAME} letters long`);
  if (!LANGUAGES.includes(language)) problems.push(`language must be one of ${LANGUAGES.join(', ')}`);
  if (fault && !FAULTS.includes(fault)) problems.push(`fault must be one of ${FAULTS.join(', ')}`);
  return problems;
}
