/**
 * A process that traces and dies: `node writer.ts JOURNAL MODE [COUNT]`. It makes COUNT invocations of one root and three children,
 * then one more of which the root and one child are open, says so in one line, and ends as MODE says.
 */
import { context, SpanKind, trace, type Span } from '@opentelemetry/api';
import { startTracing } from '../../span/tracing.ts';

const [journal, mode = 'hang', count = '20'] = process.argv.slice(2);
const tracing = startTracing({
  journal,
  resource: { 'service.name': 'dying', 'faas.instance': 'i-1' },
  transport: process.env['TRANSPORT'] === 'write' ? 'write' : 'auto',
  segmentBytes: 65_536,
});
if (tracing.failure !== undefined && tracing.transport === 'none') throw tracing.failure;
const tracer = tracing.tracer('test', '1.0.0');

function child(root: Span, name: string): Span {
  return tracer.startSpan(name, { attributes: { child: name } }, trace.setSpan(context.active(), root));
}

let made = 0;
function invoke(): void {
  const root = tracer.startSpan('root', {
    kind: SpanKind.SERVER,
    attributes: { number: made++, 'faas.invocation_id': 'a5b1c2d3-0000-4000-8000-123456789012' },
    root: true,
  });
  for (const name of ['c1', 'c2', 'c3']) child(root, name).end();
  root.end();
}

if (mode === 'endless') {
  process.stdout.write('writing\n');
  const step = () => {
    for (let i = 0; i < 20; i++) {
      invoke();
      tracing.log({ severityNumber: 9, source: 'stdout', body: `line ${made}` });
    }
    if (made < Number(count)) setTimeout(step, 4);
    else process.stdout.write('written\n');
  };
  step();
  setInterval(() => undefined, 1000);
} else {
  for (let i = 0; i < Number(count); i++) invoke();
  const root = tracer.startSpan('interrupted root', {
    kind: SpanKind.SERVER,
    attributes: { number: -1 },
    root: true,
  });
  child(root, 'ended').end();
  const open = child(root, 'open child');
  open.setAttribute('step', 'waiting');
  tracing.log({
    severityNumber: 9,
    source: 'stdout',
    body: 'the last line',
    context: trace.setSpan(context.active(), open),
  });
  process.on('uncaughtException', (error) => {
    tracing.goodbye({
      'exception.type': error.name,
      'exception.message': error.message,
      'exception.stacktrace': String(error.stack),
      'spoor.end.exit_code': 7,
    });
    process.exit(7);
  });
  process.stdout.write(`open\n`, () => {
    if (mode === 'exit') process.exit(3);
    if (mode === 'kill') process.kill(process.pid, 'SIGKILL');
    if (mode === 'throw') throw new TypeError('no such card');
    if (mode === 'loop') for (;;);
  });
  setInterval(() => undefined, 1000);
}
