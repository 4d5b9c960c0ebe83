import { randomUUID } from 'node:crypto';
import { Option, type Command } from 'commander';
import { toManifest } from '../../platform/spec/manifest.ts';
import type { MessageQueueTrigger } from '../../platform/spec/resources.ts';
import { functionNames } from '../../platform/spec/validate.ts';
import type { CliContext } from '../context.ts';
import { collectPairList, listed, namespaced, outputOption, savable, verb, wholeNumber } from './flags.ts';
import type { ListFlags, NameFlags, SaveFlags } from './flags.ts';
import { newMetadata } from './new-metadata.ts';
import { mustExist, mustGet, remove } from './remove.ts';
import { saveOrCreate } from './save-or-create.ts';
import { registerWait } from './wait.ts';

export function register(program: Command, context: CliContext): void {
  const mqt = program
    .command('mqtrigger')
    .aliases(['mqt', 'messagequeuetrigger'])
    .description('message queue triggers: which topic calls which function');

  triggerFlags(
    savable(
      namespaced(
        verb(
          mqt,
          'create',
          'create a message queue trigger',
          'spoor mqt create --name cards --function image --topic greetings --resptopic cards --errortopic greetings-errors --maxretries 2',
        ),
      ),
    ),
  )
    .option('--name <name>', 'name of the trigger (default: made up)')
    .requiredOption('--function <name>', 'function to call')
    .requiredOption('--topic <topic>', 'topic to consume')
    .action(async (flags: Partial<NameFlags> & CreateFlags & SaveFlags) => {
      const { namespace } = flags;
      const trigger: MessageQueueTrigger = {
        kind: 'MessageQueueTrigger',
        metadata: newMetadata({ name: flags.name ?? randomUUID(), namespace }),
        spec: {
          functionref: { type: 'name', name: flags.function },
          messageQueueType: flags.mqtype ?? 'kafka',
          mqtkind: flags.mqtkind ?? 'keda',
          topic: flags.topic,
          respTopic: flags.resptopic ?? '',
          errorTopic: flags.errortopic ?? '',
          maxRetries: flags.maxretries ?? 0,
          contentType: flags.contenttype ?? 'application/json',
          metadata: flags.metadata ?? {},
          secret: flags.secret ?? '',
        },
      };
      if (flags.spec !== true && flags.dry !== true)
        await mustExist(context, 'Function', [{ name: flags.function, namespace }]);
      await saveOrCreate(context, [trigger], flags);
    });

  namespaced(verb(mqt, 'get', 'show a message queue trigger', 'spoor mqt get --name cards'))
    .requiredOption('--name <name>', 'name of the trigger')
    .addOption(outputOption(['json', 'yaml']))
    .action(async (flags: NameFlags & { output?: string }) => {
      context.out.object(toManifest(await mustGet(context, 'MessageQueueTrigger', flags)), flags.output);
    });

  triggerFlags(
    namespaced(
      verb(mqt, 'update', 'change a message queue trigger', 'spoor mqt update --name cards --maxretries 5'),
    ),
  )
    .requiredOption('--name <name>', 'name of the trigger')
    .option('--function <name>', 'function to call')
    .option('--topic <topic>', 'topic to consume')
    .action(async (flags: NameFlags & Partial<CreateFlags>) => {
      const found = await mustGet(context, 'MessageQueueTrigger', flags);
      if (flags.function !== undefined)
        await mustExist(context, 'Function', [{ name: flags.function, namespace: flags.namespace }]);
      const { spec } = found;
      await (
        await context.client()
      ).put({
        ...found,
        spec: {
          functionref:
            flags.function === undefined ? spec.functionref : { type: 'name', name: flags.function },
          messageQueueType: flags.mqtype ?? spec.messageQueueType,
          mqtkind: flags.mqtkind ?? spec.mqtkind,
          topic: flags.topic ?? spec.topic,
          respTopic: flags.resptopic ?? spec.respTopic,
          errorTopic: flags.errortopic ?? spec.errorTopic,
          maxRetries: flags.maxretries ?? spec.maxRetries,
          contentType: flags.contenttype ?? spec.contentType,
          metadata: { ...spec.metadata, ...flags.metadata },
          secret: flags.secret ?? spec.secret,
        },
      });
      context.out.print(`message queue trigger '${flags.name}' updated`);
    });

  namespaced(verb(mqt, 'delete', 'delete a message queue trigger', 'spoor mqt delete --name cards'))
    .requiredOption('--name <name>', 'name of the trigger')
    .option('--ignorenotfound', 'it is not a failure when there is none')
    .action((flags: NameFlags & { ignorenotfound?: boolean }) =>
      remove(context, 'MessageQueueTrigger', flags, flags.ignorenotfound),
    );

  registerWait(mqt, context, 'MessageQueueTrigger');

  listed(verb(mqt, 'list', 'list message queue triggers', 'spoor mqt list')).action(
    async (flags: ListFlags) => {
      const found = await (
        await context.client()
      ).list('MessageQueueTrigger', flags.allNamespaces ? undefined : flags.namespace);
      context.out.list(
        found.map(({ metadata, spec }) => ({
          name: metadata.name,
          function: functionNames(spec.functionref).join(','),
          type: spec.messageQueueType,
          kind: spec.mqtkind,
          topic: spec.topic,
          respTopic: spec.respTopic,
          errorTopic: spec.errorTopic,
          maxRetries: spec.maxRetries,
          contentType: spec.contentType,
          namespace: metadata.namespace,
        })),
        [
          { title: 'NAME', key: 'name' },
          { title: 'FUNCTION', key: 'function' },
          { title: 'TYPE', key: 'type', wide: true },
          { title: 'KIND', key: 'kind', wide: true },
          { title: 'TOPIC', key: 'topic' },
          { title: 'RESPTOPIC', key: 'respTopic' },
          { title: 'ERRORTOPIC', key: 'errorTopic' },
          { title: 'MAXRETRIES', key: 'maxRetries', align: 'right' },
          { title: 'CONTENTTYPE', key: 'contentType', wide: true },
          { title: 'NAMESPACE', key: 'namespace', narrow: 'drop' },
        ],
        flags.output,
        found.map(toManifest),
      );
    },
  );
}

interface CreateFlags {
  readonly namespace: string;
  readonly function: string;
  readonly topic: string;
  readonly mqtype?: string;
  readonly mqtkind?: 'fission' | 'keda';
  readonly resptopic?: string;
  readonly errortopic?: string;
  readonly maxretries?: number;
  readonly contenttype?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly secret?: string;
}

function triggerFlags(command: Command): Command {
  return command
    .option('--mqtype <type>', 'kind of queue (default: kafka)')
    .addOption(
      new Option('--mqtkind <kind>', 'both behave alike here (default: keda)').choices(['fission', 'keda']),
    )
    .option('--resptopic <topic>', 'topic for what the function answers')
    .option('--errortopic <topic>', 'topic for records that failed every attempt')
    .option('--maxretries <n>', 'attempts after the first (default: 0)', wholeNumber)
    .option('-c, --contenttype <type>', 'Content-Type of the call (default: application/json)')
    .option(
      '--metadata <key=value>',
      'option of the trigger, such as consumerGroup=cards; may be repeated',
      collectPairList,
    )
    .option('--secret <name>', 'secret with the credentials of the queue');
}
