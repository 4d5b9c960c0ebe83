import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { FunctionConfigJson, TriggerJson } from '../../../backend/query/shapes.ts';
import { formatAgo } from '../text/time.ts';

/** How it was declared, and what calls it. */
export function Configuration(props: {
  readonly config: FunctionConfigJson;
  readonly triggers: readonly TriggerJson[];
}) {
  const { config } = props;
  const memory =
    config.memoryBytes === null ? 'no limit' : `${Math.round(config.memoryBytes / 1_048_576)} MiB`;
  return (
    <div className="halves">
      <section className="half" aria-label="Configuration">
        <h2>Configuration</h2>
        <dl className="config">
          <Fact name="Environment">{config.environment}</Fact>
          <Fact name="Package">
            {config.package}
            {config.entry !== '' && <span className="mono dim"> {config.entry}</span>}
          </Fact>
          <Fact name="Version">
            <span className="mono">{config.version}</span>
            {config.createdAt !== '' && (
              <span className="dim"> created {formatAgo(Date.parse(config.createdAt), Date.now())}</span>
            )}
          </Fact>
          <Fact name="Time-out">
            {config.timeoutSeconds} s<span className="dim">, idle {config.idleSeconds} s</span>
            <span className="dim">, start {config.specializationSeconds} s</span>
          </Fact>
          <Fact name="Concurrency">
            {config.onceOnly
              ? 'a fresh instance for each call'
              : `${config.concurrency} instances × ${config.requestsPerInstance} at once`}
          </Fact>
          <Fact name="Memory">{memory}</Fact>
          <Names name="Variables" names={config.env} />
          <Names name="Secrets" names={config.secrets} />
          <Names name="Config maps" names={config.configmaps} />
        </dl>
      </section>
      <section className="half" aria-label="Triggers">
        <h2>Triggers</h2>
        {props.triggers.length === 0 ? (
          <p className="home-none">None: it is called by name alone.</p>
        ) : (
          <ul className="triggers">
            {props.triggers.map((trigger) => (
              <li key={`${trigger.kind} ${trigger.namespace}/${trigger.name}`}>
                <span className="chip">{KINDS[trigger.kind]}</span>
                <TriggerLine trigger={trigger} />
                {trigger.functions.length > 1 && (
                  <span className="dim">shared by {trigger.functions.join(' and ')}</span>
                )}
              </li>
            ))}
          </ul>
        )}
      </section>
    </div>
  );
}

const KINDS: Readonly<Record<TriggerJson['kind'], string>> = {
  http: 'HTTP',
  queue: 'topic',
  timer: 'timer',
};

function TriggerLine({ trigger }: { readonly trigger: TriggerJson }) {
  switch (trigger.kind) {
    case 'http':
      return (
        <span className="mono">
          {trigger.methods.join(' ') || 'any'} {trigger.host}
          {trigger.path}
        </span>
      );
    case 'timer':
      return <span className="mono">{trigger.cron}</span>;
    case 'queue':
      return (
        <span>
          <TopicLink topic={trigger.topic} />
          <span className="dim"> as </span>
          <span className="mono">{trigger.consumerGroup}</span>
          {trigger.responseTopic !== '' && (
            <>
              <span className="dim">, answers to </span>
              <TopicLink topic={trigger.responseTopic} />
            </>
          )}
          <span className="dim">
            , {trigger.maxRetries} {trigger.maxRetries === 1 ? 'retry' : 'retries'}
          </span>
          {trigger.errorTopic !== '' && (
            <>
              <span className="dim">, then </span>
              <TopicLink topic={trigger.errorTopic} />
            </>
          )}
        </span>
      );
  }
}

function TopicLink({ topic }: { readonly topic: string }) {
  return (
    <Link to="/topics" search={{ topic }} className="linkish">
      {topic}
    </Link>
  );
}

function Fact({ name, children }: { readonly name: string; readonly children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Names({ name, names }: { readonly name: string; readonly names: readonly string[] }) {
  if (names.length === 0) return null;
  return (
    <Fact name={name}>
      <span className="mono">{names.join(', ')}</span>
    </Fact>
  );
}
