import { isSpanContextValid, trace } from '@opentelemetry/api';
import { destination, pino, type Logger } from 'pino';

export type { Logger } from 'pino';

/**
 * JSON on stderr, one line an event, with the active span's ids. A log call is a constant sentence with its data in fields:
 * `log.info({ functionName, durationMs }, 'specialized')`.
 */
export function openLog(part: string, options: { level?: string } = {}): Logger {
  return pino(
    {
      base: { part },
      level: options.level ?? 'info',
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      mixin() {
        const context = trace.getActiveSpan()?.spanContext();
        if (!context || !isSpanContextValid(context)) return {};
        return { traceId: context.traceId, spanId: context.spanId };
      },
    },
    destination({ dest: 2, sync: true }),
  );
}

/** For tests and embedders that want silence. */
export function silentLog(): Logger {
  return pino({ level: 'silent' });
}
