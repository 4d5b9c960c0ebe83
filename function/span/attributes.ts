/**
 * The attribute names we write. OpenTelemetry's current names (semantic conventions 1.44) where one exists;
 * ours, prefixed `spoor.`, only where none does.
 */

// Resource
export const SERVICE_NAME = 'service.name';
export const SERVICE_INSTANCE_ID = 'service.instance.id';
export const PROCESS_PID = 'process.pid';

// FaaS
export const FAAS_NAME = 'faas.name';
export const FAAS_VERSION = 'faas.version';
export const FAAS_INSTANCE = 'faas.instance';
export const FAAS_INVOCATION_ID = 'faas.invocation_id';
/** datasource | http | pubsub | timer | other */
export const FAAS_TRIGGER = 'faas.trigger';
export const FAAS_COLDSTART = 'faas.coldstart';
export const FAAS_CRON = 'faas.cron';
export const FAAS_INVOKED_NAME = 'faas.invoked_name';
export const FAAS_INVOKED_PROVIDER = 'faas.invoked_provider';
export const FAAS_MAX_MEMORY = 'faas.max_memory';

// HTTP and URL
export const HTTP_REQUEST_METHOD = 'http.request.method';
export const HTTP_RESPONSE_STATUS_CODE = 'http.response.status_code';
export const HTTP_ROUTE = 'http.route';
export const HTTP_REQUEST_BODY_SIZE = 'http.request.body.size';
export const HTTP_RESPONSE_BODY_SIZE = 'http.response.body.size';
export const URL_PATH = 'url.path';
export const URL_QUERY = 'url.query';
export const URL_SCHEME = 'url.scheme';
export const URL_FULL = 'url.full';
export const SERVER_ADDRESS = 'server.address';
export const SERVER_PORT = 'server.port';
export const CLIENT_ADDRESS = 'client.address';
export const USER_AGENT_ORIGINAL = 'user_agent.original';

// Messaging
export const MESSAGING_SYSTEM = 'messaging.system';
export const MESSAGING_OPERATION_NAME = 'messaging.operation.name';
/** create | send | receive | process | settle */
export const MESSAGING_OPERATION_TYPE = 'messaging.operation.type';
export const MESSAGING_DESTINATION_NAME = 'messaging.destination.name';
export const MESSAGING_DESTINATION_PARTITION_ID = 'messaging.destination.partition.id';
export const MESSAGING_CONSUMER_GROUP_NAME = 'messaging.consumer.group.name';
export const MESSAGING_BATCH_MESSAGE_COUNT = 'messaging.batch.message_count';
export const MESSAGING_MESSAGE_ID = 'messaging.message.id';
export const MESSAGING_MESSAGE_BODY_SIZE = 'messaging.message.body.size';
export const MESSAGING_KAFKA_MESSAGE_KEY = 'messaging.kafka.message.key';
export const MESSAGING_KAFKA_MESSAGE_TOMBSTONE = 'messaging.kafka.message.tombstone';
export const MESSAGING_KAFKA_OFFSET = 'messaging.kafka.offset';

// Errors and exceptions
export const ERROR_TYPE = 'error.type';
export const EXCEPTION_EVENT = 'exception';
export const EXCEPTION_TYPE = 'exception.type';
export const EXCEPTION_MESSAGE = 'exception.message';
export const EXCEPTION_STACKTRACE = 'exception.stacktrace';

// Logs
export const LOG_IOSTREAM = 'log.iostream';
/** Of two log records with the same one the second may be dropped: the agent sends a record again when it was not told of its arrival. */
export const LOG_RECORD_UID = 'log.record.uid';

// Ours
/** X-Fission-Request-ID of the request. */
export const SPOOR_REQUEST_ID = 'spoor.request_id';
/** 1 for the first delivery or try. int */
export const SPOOR_ATTEMPT = 'spoor.attempt';
/** How an attempt ended: success | retry | dead_letter | dropped. */
export const SPOOR_OUTCOME = 'spoor.outcome';
/** Stable reason word of a failure (server/failure.ts). */
export const SPOOR_REASON = 'spoor.reason';
/** Milliseconds from the record's own timestamp to its receipt by the trigger. double */
export const SPOOR_QUEUE_WAIT = 'spoor.queue.wait';
/** true when the record's timestamp lies after its receipt: the clocks disagree. */
export const SPOOR_CLOCK_SKEW = 'spoor.clock_skew';
/** true on a span that its own process never ended. */
export const SPOOR_UNFINISHED = 'spoor.unfinished';
/** Why the process of an unfinished span ended: exit | signal | oom | timeout | shutdown | lost. */
export const SPOOR_END_REASON = 'spoor.end.reason';
export const SPOOR_END_SIGNAL = 'spoor.end.signal';
/** int */
export const SPOOR_END_EXIT_CODE = 'spoor.end.exit_code';
/** The last lines the process printed. */
export const SPOOR_END_LOG = 'spoor.end.log';
/** Name of the trigger that caused the invocation. */
export const SPOOR_TRIGGER_NAME = 'spoor.trigger.name';
/** Spans or logs the journal had no room for. int */
export const SPOOR_JOURNAL_DROPPED = 'spoor.journal.dropped';
/** Milliseconds until the next attempt, on the event `retry back-off`. int */
export const SPOOR_RETRY_DELAY = 'spoor.retry.delay';
/** On the event `attempt` of a record in a batch: the span of the invocation it was part of. */
export const SPOOR_INVOKE_TRACE_ID = 'spoor.invoke.trace_id';
export const SPOOR_INVOKE_SPAN_ID = 'spoor.invoke.span_id';
/** When the timer was to fire, ISO 8601. */
export const SPOOR_TIMER_SCHEDULED = 'spoor.timer.scheduled';
/** On the span that sends a record back out of an error topic: `topic/partition/offset` it had there. */
export const SPOOR_REDRIVEN_FROM = 'spoor.redriven_from';
/** true when a warm generic instance was there to take. */
export const SPOOR_POOL_HIT = 'spoor.pool.hit';
/**
 * CPU time (user and system) the process used while this invocation ran, in milliseconds. double
 * In Node of the whole process: invocations that run at the same time each count it. In Python of the threads that worked for it, as
 * far as they were over by its end; what it began with may be 1 ms old. Only on invocations of 5 ms and more.
 */
export const SPOOR_CPU_MS = 'spoor.cpu.ms';
/**
 * The longest single stall of the event loop while this invocation ran, in milliseconds. double
 * Of the whole process, whoever caused it; exact for what the invocation began with, else 10 ms too much at most (50 ms once it has
 * run for a second). With little CPU beside it the process was stopped or starved. Only on invocations of 5 ms and more.
 */
export const SPOOR_LOOP_BLOCKED_MS = 'spoor.event_loop.blocked_ms';
/**
 * For how long the thread that ran this invocation was ready to run and had no CPU, in milliseconds: others had it, or the CPU limit of the
 * container was used up. double
 * As the Linux scheduler counts it (run delay, kernel docs, sched-stats); what it began with may be 10 ms old (50 ms once it has run for
 * a second). Only from Node, and on invocations of 5 ms and more.
 */
export const SPOOR_CPU_WAIT_MS = 'spoor.cpu.wait_ms';
