import type { TestEvent } from 'node:test/reporters';

/** What scripts/test.ts counts of one file: a line of JSON per test that ended. */
export interface TestLine {
  readonly outcome: 'passed' | 'failed' | 'skipped';
  readonly name: string;
  /** A suite (`describe`), or a test with tests of its own. */
  readonly isSuite: boolean;
}

/** A reporter of node:test, which is given to it by this file's path. */
export default async function* lines(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of source) {
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue;
    const { data } = event;
    const skipped = data.skip !== undefined || data.todo !== undefined;
    const line: TestLine = {
      outcome: event.type === 'test:fail' ? 'failed' : skipped ? 'skipped' : 'passed',
      name: data.name,
      isSuite: data.details.type === 'suite',
    };
    yield `${JSON.stringify(line)}\n`;
  }
}
