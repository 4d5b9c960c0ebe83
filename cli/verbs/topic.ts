import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { CliContext } from '../context.ts';
import { plural, shortTime } from '../terminal-text.ts';
import { collectPairs, outputOption, verb, wholeNumber, wrongUsage } from './flags.ts';
import { callInternal as call } from './internal-call.ts';

/** How often `tail` asks for what is new. */
const TAIL_POLL_MS = 200;
const TAIL_BATCH = 1000;

export function register(program: Command, context: CliContext): void {
  const topic = program.command('topic').description('topics: produce records and look at them');

  verb(
    topic,
    'publish',
    'append one record to a topic',
    'spoor topic publish greetings --key ada --header lang=en --body \'{"name":"Ada"}\'\necho hello | spoor topic publish greetings',
  )
    .argument('<topic>', 'name of the topic; made when it is not there')
    .option('--key <text>', 'key of the record')
    .option('--header <name=value>', 'header of the record; may be repeated', collectPairs)
    .option('--body <text>', 'value of the record (default: stdin)')
    .addOption(outputOption(['json', 'yaml']))
    .action(async (name: string, flags: PublishFlags) => {
      const headers = recordHeaders(flags);
      if (flags.body === undefined && process.stdin.isTTY)
        context.out.remark('reading the value from this terminal: Ctrl-D ends it, Ctrl-C gives up');
      // Not by its path: /dev/stdin cannot be opened when it is a socket.
      const body = flags.body === undefined ? await buffer(process.stdin) : Buffer.from(flags.body);
      const response = await call(context, `/topics/${encodeURIComponent(name)}`, {
        method: 'POST',
        headers,
        body: new Uint8Array(body),
      });
      const position = (await response.json()) as {
        topic: string;
        partition: number;
        offset: string | number;
      };
      if (flags.output === undefined)
        context.out.print(`record ${position.partition}/${position.offset} appended to topic '${name}'`);
      else context.out.object(position, flags.output);
      const traceId = response.headers.get('traceresponse')?.split('-')[1];
      if (traceId !== undefined) context.out.remark(`trace id   ${traceId}`);
    });

  verb(
    topic,
    'peek',
    'show records of a topic: the last ones, or from an offset',
    'spoor topic peek cards --limit 5\nspoor topic peek cards --partition 0 --offset 12 -o json',
  )
    .argument('<topic>', 'name of the topic')
    .option('--partition <n>', 'only of this partition', wholeNumber)
    .option('--offset <n>', 'from this offset (default: the last records)', wholeNumber)
    .option('--limit <n>', 'how many', wholeNumber, 10)
    .addOption(outputOption(['json', 'yaml', 'wide']))
    .action(async (name: string, flags: PeekFlags) => {
      const records = await readRecords(context, name, flags);
      context.out.list(
        records.map(rowOf),
        COLUMNS,
        flags.output,
        records.map(dataOf),
        `topic '${name}' holds no records${flags.offset === undefined ? '' : ' from there on'}`,
      );
    });

  verb(topic, 'tail', 'show records as they come in, until Ctrl-C', 'spoor topic tail cards')
    .argument('<topic>', 'name of the topic')
    .addOption(outputOption(['json']))
    .action((name: string, flags: { output?: string }) => tail(context, name, flags.output === 'json'));

  verb(
    topic,
    'redrive',
    'send what an error topic holds back to be tried again; each record links to its first journey',
    'spoor topic redrive greetings-errors --to greetings',
  )
    .argument('<topic>', 'name of the error topic')
    .requiredOption('--to <topic>', 'where the records go')
    .addOption(outputOption(['json', 'yaml']))
    .action(async (name: string, flags: { to: string; output?: string }) => {
      const query = new URLSearchParams({ to: flags.to });
      const response = await call(
        context,
        `/topics/${encodeURIComponent(name)}/redrive?${query.toString()}`,
        {
          method: 'POST',
        },
      );
      const told = (await response.json()) as { redriven: number };
      if (flags.output === undefined)
        context.out.print(`${plural(told.redriven, 'record')} of topic '${name}' sent to '${flags.to}'`);
      else context.out.object(told, flags.output);
    });

  verb(topic, 'list', 'list topics, their offsets and who consumes them', 'spoor topic list')
    .addOption(outputOption(['json', 'yaml', 'wide']))
    .action(async (flags: { output?: string }) => {
      const topics = await readTopics(context);
      context.out.list(
        topics.map(({ name, partitions, groups }) => ({
          name,
          partitions: partitions.length,
          records: partitions.reduce(
            (sum, { startOffset, endOffset }) => sum + BigInt(endOffset) - BigInt(startOffset),
            0n,
          ),
          groups: groups
            .map(
              ({ group, partitions }) =>
                `${group}(lag ${partitions.reduce((sum, { lag }) => sum + BigInt(lag), 0n)})`,
            )
            .join(' '),
          offsets: partitions
            .map(({ partition, startOffset, endOffset }) => `${partition}:${startOffset}-${endOffset}`)
            .join(' '),
        })),
        [
          { title: 'NAME', key: 'name' },
          { title: 'PARTITIONS', key: 'partitions', align: 'right' },
          { title: 'RECORDS', key: 'records', align: 'right' },
          { title: 'OFFSETS', key: 'offsets', wide: true },
          { title: 'CONSUMERS', key: 'groups', narrow: 'cut' },
        ],
        flags.output,
        topics,
        'no topics yet: the first record or trigger makes one',
      );
    });
}

interface PublishFlags {
  readonly key?: string;
  readonly header?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly output?: string;
}

interface PeekFlags {
  readonly partition?: number;
  readonly offset?: number | string;
  readonly limit: number;
  readonly output?: string;
}

/** TopicDescription of platform/queue/queue.ts as JSON: offsets are decimal strings. */
interface TopicJson {
  readonly name: string;
  readonly partitions: readonly {
    readonly partition: number;
    readonly startOffset: string;
    readonly endOffset: string;
  }[];
  readonly groups: readonly {
    readonly group: string;
    readonly partitions: readonly { readonly lag: string }[];
  }[];
}

/** QueueRecord as JSON: bytes are base64. */
interface RecordJson {
  readonly partition: number;
  readonly offset: string | number;
  /** Unix ms. */
  readonly timestamp: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

const COLUMNS = [
  { title: 'PARTITION', key: 'partition', align: 'right' },
  { title: 'OFFSET', key: 'offset', align: 'right' },
  { title: 'TIMESTAMP', key: 'timestamp' },
  { title: 'KEY', key: 'key', narrow: 'cut' },
  { title: 'VALUE', key: 'value', narrow: 'cut', least: 24 },
  { title: 'HEADERS', key: 'headers', narrow: 'cut' },
] as const;

async function readRecords(
  context: CliContext,
  name: string,
  flags: Omit<PeekFlags, 'output'>,
): Promise<RecordJson[]> {
  const query = new URLSearchParams({ limit: String(flags.limit) });
  if (flags.partition !== undefined) query.set('partition', String(flags.partition));
  if (flags.offset !== undefined) query.set('offset', String(flags.offset));
  const response = await call(context, `/topics/${encodeURIComponent(name)}/records?${query.toString()}`);
  const body = (await response.json()) as RecordJson[] | { records: RecordJson[] };
  return Array.isArray(body) ? body : body.records;
}

async function readTopics(context: CliContext): Promise<TopicJson[]> {
  const body = (await (await call(context, '/topics')).json()) as TopicJson[] | { topics: TopicJson[] };
  return Array.isArray(body) ? body : body.topics;
}

/** Follows each partition from its present end. A topic that is not there yet may still come. */
async function tail(context: CliContext, name: string, asJson: boolean): Promise<void> {
  const next = new Map<number, bigint>();
  context.out.remark(`waiting for records of topic '${name}'; Ctrl-C ends`);
  for (let isFirst = true; ; isFirst = false) {
    const topic = (await readTopics(context)).find((one) => one.name === name);
    for (const { partition, startOffset, endOffset } of topic?.partitions ?? []) {
      const from = next.get(partition) ?? BigInt(isFirst ? endOffset : startOffset);
      next.set(partition, from);
      if (from >= BigInt(endOffset)) continue;
      const records = await readRecords(context, name, {
        partition,
        offset: String(from),
        limit: TAIL_BATCH,
      });
      for (const record of records) {
        next.set(partition, BigInt(record.offset) + 1n);
        if (asJson) context.out.print(JSON.stringify(dataOf(record)));
        else {
          const { partition, offset, timestamp, key, headers, value } = rowOf(record);
          context.out.print(
            [`${partition}/${offset}`, timestamp, key, value, headers]
              .filter((part) => part !== '')
              .join('  '),
          );
        }
      }
    }
    await sleep(TAIL_POLL_MS);
  }
}

function rowOf(record: RecordJson) {
  const time = new Date(record.timestamp).toISOString();
  return {
    partition: record.partition,
    offset: String(record.offset),
    timestamp: process.stdout.isTTY ? shortTime(time) : time,
    key: record.key === null ? '' : clip(textOf(record.key), HEADER_WIDTH),
    headers: record.headers.map(([name, value]) => `${name}=${clip(textOf(value), HEADER_WIDTH)}`).join(' '),
    value: record.value === null ? '(tombstone)' : clip(textOf(record.value), VALUE_WIDTH),
  };
}

/** Text where it is text, else base64. */
function dataOf(record: RecordJson) {
  return {
    partition: record.partition,
    offset: String(record.offset),
    timestamp: new Date(record.timestamp).toISOString(),
    key: record.key === null ? null : textOf(record.key),
    headers: record.headers.map(([name, value]) => [name, textOf(value)]),
    value: record.value === null ? null : textOf(record.value),
  };
}

function textOf(base64: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(base64, 'base64'));
  } catch {
    return base64;
  }
}

/** Of a table; `-o json` shows all. A traceparent fits. */
const HEADER_WIDTH = 56;
const VALUE_WIDTH = 80;

function clip(text: string, width: number): string {
  // eslint-disable-next-line no-control-regex
  const line = text.replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, ' ');
  return line.length > width ? `${line.slice(0, width - 1)}…` : line;
}

/** Key and headers of a record on the way into a topic (docs/triggers.md, *Topics over HTTP*). */
function recordHeaders({ key, header = {} }: PublishFlags): Headers {
  const headers = new Headers({ 'content-type': 'application/octet-stream' });
  if (key !== undefined) {
    if (VISIBLE.test(key)) headers.set('x-record-key', key);
    else headers.set('x-record-key-base64', base64Of(key));
  }
  const others: (readonly [name: string, base64: string])[] = [];
  for (const [name, value] of Object.entries(header)) {
    const isContext = ['traceparent', 'tracestate', 'baggage'].includes(name.toLowerCase());
    if (TOKEN.test(name) && VISIBLE.test(value))
      headers.append(isContext ? name : `x-record-header-${name}`, value);
    else if (isContext) throw wrongUsage(`cannot send ${JSON.stringify(value)} as ${name}: it is ASCII`);
    else others.push([name, base64Of(value)]);
  }
  if (others.length > 0) headers.set('x-record-binary-headers', asciiJson(others));
  return headers;
}

/** What HTTP says as it is; everything else goes in base64. */
const VISIBLE = /^[!-~](?:[ -~]*[!-~])?$/;
const TOKEN = /^[!#$%&'*+.^_`|~\w-]+$/;

/** A name may be in any script. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    /[^ -~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function base64Of(text: string): string {
  return Buffer.from(text).toString('base64');
}
