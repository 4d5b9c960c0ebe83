/**
 * What the agent's work costs: CPU per span from journal to acknowledged OTLP, and the writer's beside it.
 * Run: `node bench/agent.ts [SPANS]`. The agent, the writer and the sink are processes of their own, so that each one's CPU is its own.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { start } from '../function/agent/agent.ts';
import { startTracing } from '../function/span/tracing.ts';

const [role, ...args] = process.argv.slice(2);
if (role === 'writer') await write(args[0] as string, Number(args[1]));
else if (role === 'agent') await drain(args[0] as string, args[1] as string, args[2] as string);
else if (role === 'sink') sink();
else await measure(Number(role ?? 500_000));

/** Spans in bursts of 500 with a pause between, so that the agent keeps up, as a busy instance would write them. */
async function write(journal: string, count: number): Promise<void> {
  const tracing = startTracing({ journal, resource: { 'service.name': 'bench', 'faas.instance': 'i-1' } });
  const tracer = tracing.tracer('bench', '1.0.0');
  const burst = () => {
    for (let i = 0; i < 500; i++) {
      const span = tracer.startSpan('greeter', {
        attributes: {
          'faas.invocation_id': 'a5b1c2d3-0000-4000-8000-123456789012',
          'faas.trigger': 'http',
          'http.route': '/greetings',
          'http.response.status_code': 200,
          'faas.coldstart': false,
        },
      });
      span.end();
    }
  };
  for (let i = 0; i < 20; i++) {
    burst();
    await pause(5);
  }
  const before = process.cpuUsage();
  for (let made = 0; made < count; made += 500) {
    burst();
    await pause(1);
  }
  const used = process.cpuUsage(before);
  process.send?.({
    cpuNs: ((used.user + used.system) * 1000) / count,
    spans: count + 20 * 500,
    dropped: tracing.dropped.spans,
    transport: tracing.transport,
  });
  process.disconnect?.();
}

async function drain(journalDir: string, spoolDir: string, collectorUrl: string): Promise<void> {
  const agent = await start({ journalDirs: [journalDir], spoolDir, collectorUrl });
  const before = process.cpuUsage();
  process.send?.('ready');
  process.on('message', () => {
    const used = process.cpuUsage(before);
    const { acknowledged, waiting, collector } = agent.status();
    process.send?.({ cpuUs: used.user + used.system, acknowledged, waiting, requests: collector.requests });
  });
}

function sink(): void {
  const server = createServer((request, response) => {
    request.resume();
    request.on('end', () => response.end());
  });
  server.listen(0, '127.0.0.1', () => process.send?.(server.address()));
}

async function measure(count: number): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'spoor-bench-'));
  const journals = mkdtempSync(join('/dev/shm', 'spoor-bench-'));
  const file = import.meta.filename;
  const sinkProcess = fork(file, ['sink']);
  const [{ port }] = (await once(sinkProcess, 'message')) as [{ port: number }];
  try {
    for (let round = 0; round < 3; round++) {
      const agent = fork(file, ['agent', journals, join(dir, `spool-${round}`), `http://127.0.0.1:${port}`]);
      await once(agent, 'message');
      const writer = fork(file, ['writer', join(journals, `bench-${round}.journal`), String(count)]);
      const [written] = (await once(writer, 'message')) as [
        { cpuNs: number; spans: number; dropped: number; transport: string },
      ];
      let state;
      do {
        await pause(100);
        agent.send('status');
        [state] = (await once(agent, 'message')) as [
          { cpuUs: number; acknowledged: { spans: number }; waiting: { spans: number }; requests: number },
        ];
      } while (state.acknowledged.spans < written.spans - written.dropped);
      const agentNs = (state.cpuUs * 1000) / written.spans;
      console.log(
        `round ${round + 1}: agent ${agentNs.toFixed(0)} ns CPU/span (drain, encode, spool, ship; ${state.requests} requests), ` +
          `writer ${written.cpuNs.toFixed(0)} (${written.transport}), together ${(agentNs + written.cpuNs).toFixed(0)}; ` +
          `${written.spans} spans, ${written.dropped} dropped, ${state.acknowledged.spans} acknowledged`,
      );
      agent.kill('SIGKILL');
      await once(agent, 'exit');
    }
  } finally {
    sinkProcess.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
    rmSync(journals, { recursive: true, force: true });
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
