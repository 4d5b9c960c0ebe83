import { CopyButton } from '@mantine/core';

const COMMANDS = [
  {
    title: 'See one at once',
    text: 'deploys Greetings as a Service, calls it, and draws its trace',
    command: 'npm run -s spoor -- demo --once',
  },
  {
    title: 'Call your own function',
    text: 'the trace is there as soon as the call is over',
    command: 'npm run -s spoor -- fn test --name greeter --trace',
  },
  {
    title: 'Send from anything that speaks OTLP',
    text: 'port 4318 takes protobuf and JSON',
    command: 'OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318',
  },
] as const;

/** Nothing has arrived, or no function has run: how to make the first trace. */
export function FirstRequest({ title = 'No trace has arrived yet' }: { readonly title?: string }) {
  return (
    <section className="first" aria-labelledby="first-title">
      <h2 id="first-title">{title}</h2>
      <p className="dim">Every call of a function leaves a trace here. Three ways to the first:</p>
      <ol>
        {COMMANDS.map(({ title, text, command }) => (
          <li key={title}>
            <div>
              <strong>{title}</strong> <span className="dim">— {text}</span>
            </div>
            <div className="command">
              <code>{command}</code>
              <CopyButton value={command}>
                {({ copied, copy }) => (
                  <button type="button" className="linkish" onClick={copy} aria-label={`Copy: ${command}`}>
                    {copied ? 'Copied' : 'Copy'}
                  </button>
                )}
              </CopyButton>
            </div>
          </li>
        ))}
      </ol>
    </section>
  );
}
