'use strict';

// A record of the topic `greetings` in, an SVG card out. The steps are spans of their own, made with OpenTelemetry's API,
// which an environment offers to every function.

const { setTimeout: sleep } = require('node:timers/promises');
const { trace } = require('@opentelemetry/api');
const { background, card, text } = require('./card.js');
const { hyphenate } = require('./typography.js');

const tracer = trace.getTracer('greetings-image', '1.0.0');

module.exports = async function image({ request, span }) {
  const { name, language, fault } = request.body;
  span?.setAttributes({ 'greeting.name': name, 'greeting.language': language });

  const back = await step('draw background', async () => background(language));
  const words = await step('draw text', async (drawing) => {
    if (fault === 'crash') {
      drawing.addEvent('about to run out of luck');
      process.kill(process.pid, 'SIGKILL');
      // The signal is on its way; nothing below runs.
      await sleep(10_000);
    }
    if (fault === 'timeout') {
      drawing.addEvent('waiting for a font that never comes');
      await sleep(60_000);
    }
    if (fault === 'error') hyphenate(name, { font: undefined });
    return text(name, language);
  });
  const svg = await step('compose card', async () => card(back, words));

  return { status: 200, body: svg, headers: { 'content-type': 'image/svg+xml' } };
};

/** Runs `work` inside a child span of the function's. */
function step(name, work) {
  return tracer.startActiveSpan(name, async (span) => {
    try {
      return await work(span);
    } catch (error) {
      span.recordException(error);
      span.setStatus({ code: 2, message: error.message });
      throw error;
    } finally {
      span.end();
    }
  });
}
