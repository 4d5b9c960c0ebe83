import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser } from 'playwright-core';
import type { SearchCountsJson } from '../../backend/query/shapes.ts';
import { buildUi } from '../../scripts/build-ui.ts';
import { launchBrowser } from '../support/browser.ts';
import { deployGreetings, greet, spoorUp, type SpoorUp } from '../support/spoor.ts';
import { settledTrace } from '../support/traces.ts';
import { openScreen } from './screen.ts';

const FAULTS = ['error', 'crash', 'timeout', 'slow'] as const;

/** Every page on live greetings with every fault among them. */
describe('the pages', () => {
  let up: SpoorUp;
  let browser: Browser;
  const traces = new Map<string, string>();
  /** Of a try of `image` in the trace of the error. */
  let failedSpanId = '';

  const cleanup = new AsyncDisposableStack();
  before(async () => {
    await buildUi();
    up = cleanup.use(await spoorUp());
    browser = await launchBrowser();
    cleanup.defer(() => browser.close());
    await deployGreetings(up);
    for (let i = 0; i < 3; i += 1)
      traces.set(i === 0 ? 'first' : 'good', (await greet(up, { name: `Ada ${i}`, language: 'fr' })).traceId);
    const sent = await Promise.all(
      FAULTS.map(async (fault) => ({ fault, ...(await greet(up, { name: fault, language: 'en', fault })) })),
    );
    for (const { fault, traceId } of sent) traces.set(fault, traceId);
    await settledTrace(up, idOf('good'), 'send cards');
    for (const fault of ['error', 'crash', 'timeout']) {
      const spans = await settledTrace(up, idOf(fault), 'send greetings-errors');
      if (fault === 'error') failedSpanId = spans.find(({ name }) => name === 'image')?.spanId ?? '';
    }
    await settledTrace(up, idOf('slow'), 'send cards');
  });
  // Also when the beginning failed: a system that is left running holds the run.
  after(() => cleanup.disposeAsync());
  const idOf = (kind: string) => {
    const id = traces.get(kind);
    assert.ok(id, `a trace for ${kind}`);
    return id;
  };

  const pages: readonly { readonly name: string; readonly path: () => string; readonly shows: string }[] = [
    { name: 'home', path: () => '/', shows: 'Latest failures' },
    { name: 'search', path: () => '/search', shows: 'Started' },
    { name: 'function', path: () => '/functions/image', shows: 'Failures by cause' },
    { name: 'trace', path: () => `/trace/${idOf('crash')}`, shows: 'Try next' },
    { name: 'trace-spans', path: () => `/trace/${idOf('crash')}?view=spans`, shows: 'draw background' },
    { name: 'trace-flame', path: () => `/trace/${idOf('slow')}?view=flame`, shows: 'Open it' },
    {
      name: 'trace-json',
      path: () => `/trace/${idOf('error')}?span=${failedSpanId}&tab=json`,
      shows: 'startTimeUnixNano',
    },
    {
      name: 'trace-statistics',
      path: () => `/trace/${idOf('crash')}?view=statistics`,
      shows: 'Longest',
    },
    { name: 'trace-logs', path: () => `/trace/${idOf('error')}?view=logs`, shows: 'cannot measure' },
    { name: 'journey', path: () => `/flow/${idOf('crash')}`, shows: 'greetings-errors' },
    { name: 'map', path: () => '/map', shows: 'is read by' },
    { name: 'topics', path: () => '/topics', shows: 'dead letter' },
    { name: 'dead-letters', path: () => '/topics?topic=greetings-errors', shows: 'given up' },
    { name: 'logs', path: () => '/logs', shows: 'cannot measure' },
    { name: 'compare', path: () => `/compare?a=${idOf('good')}&b=${idOf('crash')}`, shows: 'second only' },
    { name: 'quality', path: () => '/quality', shows: 'traces' },
    { name: 'file', path: () => '/file', shows: 'Choose a file' },
    { name: 'no-such-page', path: () => '/no/such/page', shows: 'There is no such page' },
  ];
  const windows = [
    { width: 1_440, scheme: 'light' },
    { width: 1_280, scheme: 'dark' },
    { width: 768, scheme: 'light' },
    { width: 390, scheme: 'dark' },
  ] as const;
  for (const { name, path, shows } of pages) {
    test(`${name}: shown without errors, readable for everyone, at every width, light and dark`, async () => {
      await using screen = await openScreen(browser);
      // Also hidden text is found: of a cause that is folded away.
      const shown = screen.page.getByText(shows).filter({ visible: true }).first();
      await screen.page.goto(up.query + path());
      await shown.waitFor();
      for (const { width, scheme } of windows) {
        await screen.change({ width, scheme });
        await shown.waitFor();
        await screen.assertFits();
        await screen.assertAccessible();
        await screen.shoot(`${name}-${width}-${scheme}`);
      }
      assert.deepEqual(screen.problems, []);
    });
  }

  test('from Home to the reason of a failure in one click, and to its span in another', async () => {
    await using screen = await openScreen(browser);
    const { page } = screen;
    await page.goto(`${up.query}/`);
    await page.getByText('Why did the latest fail?').click();
    const why = page.getByRole('region', { name: 'Why' });
    await why.getByText('Failed', { exact: true }).waitFor();
    await why.locator('a.why-sentence').first().click();
    await page.getByRole('complementary').waitFor();
    assert.match(page.url(), /[?&]span=[0-9a-f]{16}/);
  });

  const reasons: readonly (readonly [fault: string, words: RegExp])[] = [
    ['error', /font|Error/],
    ['crash', /SIGKILL/],
    ['timeout', /time-out|timeout/],
    ['slow', /validator|slow/i],
  ];
  for (const [fault, words] of reasons) {
    test(`${fault}: the reason is found in three clicks from Home`, async () => {
      await using screen = await openScreen(browser);
      const { page } = screen;
      await page.goto(`${up.query}/`);
      // The function, and among its failed or slow calls this one.
      await page
        .getByRole('table', { name: 'Functions' })
        .getByRole('link', { name: fault === 'slow' ? 'validator' : 'image' })
        .click();
      const list = page.getByRole('table', { name: fault === 'slow' ? 'Slowest' : 'Failed last' });
      await list
        .locator(`a[href*="${idOf(fault)}"]`)
        .first()
        .click();
      const why = page.getByRole('region', { name: 'Why' });
      await why.getByText(words).first().waitFor();
      await screen.shoot(`why-${fault}`);
    });
  }

  test('a cell of the heat map leads to its calls, by the keyboard and by the pointer', async () => {
    await using screen = await openScreen(browser);
    const { page } = screen;
    await page.goto(`${up.query}/functions/image`);
    // A chart is read step by step.
    await page.getByRole('group', { name: /^Calls: / }).focus();
    await page.keyboard.press('End');
    await page.locator('.chart-key b').first().waitFor();
    const map = page.getByRole('group', { name: /^Durations over time/ });
    await map.focus();
    await page.keyboard.press('End');
    await page.keyboard.press('ArrowUp');
    const told = page.locator('.heat-told');
    const calls = Number(/ (\d+) calls? of /.exec(await told.innerText())?.[1]);
    assert.ok(calls > 0, await told.innerText());
    await screen.assertAccessible();
    await screen.shoot('heat-map');
    await page.keyboard.press('Enter');
    await page.waitForURL(/search\?service=image.*min=.*max=.*from=/);
    await page.locator('a.result').first().waitFor();
    // A trace may hold several of them: one that was tried again.
    const found = await page.locator('a.result').count();
    assert.ok(found >= 1 && found <= calls, `${found} traces with ${calls} calls`);

    await page.goBack();
    await page.locator('.heat-area rect').first().click();
    await page.waitForURL(/search\?service=image/);
    await page.locator('a.result').first().waitFor();
    assert.deepEqual(screen.problems, []);
  });

  test('a drag over the plot of a search narrows it to that time', async () => {
    await using screen = await openScreen(browser);
    const { page } = screen;
    await page.goto(`${up.query}/search`);
    await page.locator('a.result').first().waitFor();
    const area = page.locator('.plot-area').nth(1);
    const box = await area.boundingBox();
    assert.ok(box);
    const y = box.y + 4;
    // The plot keeps as much room before the first as after the last: the first of all stands in the left half.
    await page.mouse.move(box.x + box.width * 0.5, y);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.999, y, { steps: 4 });
    await page.mouse.up();
    await page.waitForURL(/from=\d+&to=\d+/);
    // The first greetings of all are left of it.
    await page.locator(`a.result[href*="${idOf('first')}"]`).waitFor({ state: 'detached' });
    await page.locator('a.result').first().waitFor();

    // And by the keyboard: the first bar of all.
    await page.goto(`${up.query}/search`);
    await page.locator('.plot-bar').first().waitFor();
    await page.getByRole('group', { name: /^How many over time/ }).focus();
    await page.keyboard.press('ArrowRight');
    await page.getByText(/: \d+ traces?/).waitFor();
    await screen.assertAccessible();
    await page.keyboard.press('Enter');
    await page.waitForURL(/from=\d+&to=\d+/);
    await page.locator('a.result').first().waitFor();
  });

  test('the bars of a search count all that it finds, not only the rows that were fetched', async () => {
    await using screen = await openScreen(browser);
    const { page } = screen;
    await page.goto(`${up.query}/search?limit=2&lookback=5`);
    const counts = await page.waitForResponse((response) => response.url().includes('/api/search/counts'));
    const { traces, startUnixNano, endUnixNano } = (await counts.json()) as SearchCountsJson;
    assert.ok(traces > 2, `${traces} traces`);
    // The time that was asked for, with a minute for clocks that are ahead.
    assert.equal(Number(BigInt(endUnixNano) - BigInt(startUnixNano)) / 60e9, 6);
    await page.getByText(`the newest of ${traces}`).waitFor();
    await page.locator('.plot-rows').waitFor();
    await screen.shoot('search-counts');

    // A click on a bar narrows the search to it.
    await page.locator('.plot-bar').first().click();
    await page.waitForURL(/from=\d+&to=\d+/);
    await page.locator('a.result').first().waitFor();
    assert.deepEqual(screen.problems, []);
  });

  test('a search that takes its time says so; rows come before what is counted, and nothing jumps', async () => {
    await using screen = await openScreen(browser);
    const { page } = screen;
    const hold = async (path: string) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      await page.route(path, async (route) => {
        await promise;
        await route.continue();
      });
      return resolve;
    };
    const rows = await hold('**/api/search?*');
    const counts = await hold('**/api/search/counts*');
    const headAt = async () => (await page.locator('.results-head').boundingBox())?.y;
    await page.goto(`${up.query}/search`);
    await page.getByText('Searching…').waitFor();
    await page.getByText(/^\d\.\d s$/).waitFor();
    await screen.shoot('search-pending');
    const pendingAt = await headAt();
    rows();
    await page.locator('a.result').first().waitFor();
    await page.getByText('Counting…').waitFor();
    assert.equal(await headAt(), pendingAt);
    counts();
    await page.locator('.plot-bar').first().waitFor();
    assert.equal(await headAt(), pendingAt);
    assert.deepEqual(screen.problems, []);
  });

  test('what cannot be counted is said beside the rows', async () => {
    await using screen = await openScreen(browser);
    const { page } = screen;
    const body = '{"data":null,"errors":[{"code":503,"msg":"cannot count within 10 s"}]}';
    await page.route('**/api/search/counts*', (route) => route.fulfill({ status: 503, body }));
    await page.goto(`${up.query}/search`);
    await page.getByText('Not counted: cannot count within 10 s').waitFor();
    await page.locator('a.result').first().waitFor();
    await screen.assertAccessible();
  });

  test('below 1,100 px a span is shown under the verdict, which stays readable', async () => {
    for (const width of [768, 390]) {
      await using screen = await openScreen(browser, { width, height: 1_024 });
      const { page } = screen;
      await page.goto(`${up.query}/trace/${idOf('crash')}`);
      const why = page.getByRole('region', { name: 'Why' });
      await why.locator('a.why-sentence').first().click();
      const panel = page.getByRole('complementary');
      await panel.waitFor();
      const place = await panel.boundingBox();
      assert.ok(place && place.width === width && place.y > 512, JSON.stringify(place));
      // Each sentence can be scrolled to where the panel is not.
      const last = why.locator('.why-title').last();
      await last.scrollIntoViewIfNeeded();
      const read = await last.boundingBox();
      assert.ok(read && read.y + read.height <= place.y, JSON.stringify(read));
      await screen.assertFits();
      await screen.assertAccessible();
      await screen.shoot(`trace-panel-${width}`);
    }
  });

  test('a journey begins with what became of it, and the way on', async () => {
    await using screen = await openScreen(browser);
    const { page } = screen;
    await page.goto(`${up.query}/flow/${idOf('crash')}`);
    const answer = page.getByRole('region', { name: 'What became of it' });
    await answer
      .getByText(/^image failed 3 times, the last time: killed by SIGKILL; its dead letter lies in/)
      .waitFor();
    await answer.getByText('the process of image was killed by SIGKILL').waitFor();
    await answer.getByRole('link', { name: 'Open what failed' }).click();
    await page.waitForURL(/trace\/[0-9a-f]{32}\?span=/);
    await page.goBack();
    await answer.getByRole('link', { name: 'Send it back…' }).click();
    await page.waitForURL(/topics\?topic=greetings-errors/);
    await page.goto(`${up.query}/flow/${idOf('good')}`);
    await answer.getByText('Done', { exact: true }).waitFor();
    assert.deepEqual(screen.problems, []);
  });

  test('Home says what fails, since when and of how many, and which records wait', async () => {
    await using screen = await openScreen(browser);
    const { page } = screen;
    await page.goto(`${up.query}/`);
    const image = page.locator('.trouble-errors').filter({ hasText: 'image' });
    await image.getByText(/^\d+ % failed since \d\d:\d\d/).waitFor();
    await image.getByText(/^\d+ of \d+ calls$/).waitFor();
    await page
      .getByText(/^\d dead letters? waits? to be sent back$/)
      .first()
      .waitFor();
  });

  test('a query is completed while it is typed, by the keyboard alone, and finds', async () => {
    await using screen = await openScreen(browser);
    const { page } = screen;
    await page.goto(`${up.query}/search`);
    const query = page.getByRole('combobox', { name: 'Query' });
    await query.pressSequentially('http.rou');
    await page.getByRole('option', { name: 'http.route' }).waitFor();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await query.pressSequentially('/gree');
    await page.getByRole('option', { name: '/greetings' }).waitFor();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await query.pressSequentially('AND NOT error');
    await page.keyboard.press('Enter');
    await page.waitForURL(/q=http\.route/);
    await page.locator('a.result').first().waitFor();
    await page.goto(`${up.query}/search?q=a%20AND%20(`);
    await page.getByText(/cannot read the query/).waitFor();
  });

  test('a search goes on page by page, and two of its traces are compared', async () => {
    await using screen = await openScreen(browser);
    const { page } = screen;
    await page.goto(`${up.query}/search?limit=1`);
    await page.getByText('1 trace', { exact: false }).first().waitFor();
    await page.getByRole('button', { name: 'Load 1 more' }).click();
    await page.locator('a.result').nth(1).waitFor();
    for (const at of [0, 1])
      await page
        .getByRole('checkbox', { name: /^Compare/ })
        .nth(at)
        .check();
    await screen.assertAccessible();
    await page.getByRole('link', { name: 'Compare the two' }).click();
    await page.waitForURL(/compare\?a=[0-9a-f]{32}&b=[0-9a-f]{32}/);
    assert.deepEqual(screen.problems, []);
  });

  test('a function is tested from its page, and its trace opened', async () => {
    await using screen = await openScreen(browser);
    const { page } = screen;
    await page.goto(`${up.query}/functions/validator`);
    await page.getByText('Configuration').waitFor();
    await page.getByText('Instances over time').waitFor();
    await page.getByRole('button', { name: 'Test it' }).click();
    await page.getByLabel('Body').fill('{"name":"Ada","language":"fr"}');
    await page.getByRole('button', { name: 'Call it', exact: true }).click();
    await page.getByLabel('What it answered').waitFor();
    await screen.assertAccessible();
    await screen.shoot('function-test');
    await page.getByRole('button', { name: 'Call it and open its trace' }).click();
    await page.waitForURL(/trace\/[0-9a-f]{32}/);
    await page.locator('.wf-row').first().waitFor();
  });

  test('a record is looked into, and dead letters are sent back after a second question', async () => {
    await using screen = await openScreen(browser);
    const { page } = screen;
    await page.goto(`${up.query}/topics?topic=greetings-errors`);
    await page
      .getByRole('button', { name: /^Look into greetings-errors/ })
      .first()
      .click();
    await page.getByText('spoor-original-topic').waitFor();
    await page.keyboard.press('Escape');
    await page.getByText('spoor-original-topic').waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Redrive to greetings…' }).click();
    await screen.assertAccessible();
    await page.getByRole('button', { name: 'Leave them' }).click();
    await page.getByRole('button', { name: 'Redrive to greetings…' }).click();
    await page.getByRole('button', { name: 'Send them' }).click();
    await page.getByText(/\d+ sent\./).waitFor();
    // The journey that ended there goes on.
    await page.goto(`${up.query}/flow/${idOf('error')}`);
    await page
      .getByText(/sent back/)
      .first()
      .waitFor();
    await screen.shoot('journey-redriven');
    assert.deepEqual(screen.problems, []);
  });

  test('the map of a slice of time, by the keyboard, and from a way to its traces', async () => {
    await using screen = await openScreen(browser);
    const { page } = screen;
    await page.goto(`${up.query}/map`);
    const slider = page.getByRole('slider', { name: 'Time' });
    await slider.focus();
    await page.keyboard.press('End');
    await page.waitForURL(/at=\d+/);
    await page.getByRole('button', { name: 'All of it' }).click();
    await page
      .getByRole('table', { name: 'Every way' })
      .getByRole('link', { name: /greetings is read by image/ })
      .click();
    await page.waitForURL(/search\?/);
    await page.locator('a.result').first().waitFor();
    assert.deepEqual(screen.problems, []);
  });

  test('live: a trace that arrives is shown without asking', async () => {
    await using screen = await openScreen(browser);
    const { page } = screen;
    await page.goto(`${up.query}/search?live=true`);
    await page.locator('a.result').first().waitFor();
    const { traceId } = await greet(up, { name: 'Lise', language: 'de' });
    await page.locator(`a.result[href*="${traceId}"]`).waitFor({ timeout: 20_000 });
  });

  test('a trace that goes on grows on the screen', async () => {
    await using screen = await openScreen(browser);
    const { page } = screen;
    const { traceId } = await greet(up, { name: 'Kurt', language: 'en', fault: 'timeout' });
    await page.goto(`${up.query}/trace/${traceId}`);
    await page.locator('.wf-row').first().waitFor();
    // The dead letter is the last thing that happens, seconds after the page was opened.
    await page.getByText('send greetings-errors').waitFor({ timeout: 30_000 });
  });

  test('what is not there is said, and how to go on', async () => {
    await using screen = await openScreen(browser);
    const { page } = screen;
    await page.goto(`${up.query}/trace/${'f'.repeat(32)}`);
    await page.getByText('This trace cannot be shown').waitFor();
    await page.goto(`${up.query}/functions/nobody`);
    await page.getByText('Nothing to say of nobody').waitFor();
  });
});
