import type { IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure, toFailure } from '../../server/failure.ts';
import type { InstanceEnd, Lease } from '../executor/client.ts';
import { errorBody } from './answer.ts';
import { functionHeaders } from './function-headers.ts';
import type { Invocation } from './invocation.ts';
import type { RequestHead } from './request-head.ts';
import type { Road } from './road.ts';
import type { Target } from './target.ts';
import { backOffMs, dialFailure, MAX_ATTEMPTS, saysDraining } from './try-again.ts';

/** A broken connection is followed by the news of its process's death within this, or the process lives. */
const DEATH_NOTICE_MS = 200;

/**
 * A websocket (or any other upgrade): after the lease and the instance's answer the bytes of both sides pass as they are, and the
 * spans last as long as the connection. No time-out applies; an instance that serves it counts one request. Until the answer
 * begins nothing more is read of the client, so that an instance that ends without having begun can be changed for another.
 */
export async function passUpgrade(
  road: Road,
  request: IncomingMessage,
  client: Duplex,
  firstBytes: Buffer,
  head: RequestHead,
  target: Target,
  invocation: Invocation,
): Promise<void> {
  const gone = new AbortController();
  client.once('close', () => gone.abort());
  client.on('error', () => {});
  // Before it has an answer; with one, each side may end its half by itself.
  const leave = () => client.destroy();
  client.once('end', leave);
  for (let attempt = 1; ; attempt++) {
    invocation.startAttempt(target, attempt);
    let lease: Lease | undefined;
    try {
      lease = await road.executor.acquire(target.fn, { context: invocation.context, signal: gone.signal });
      invocation.leased(lease);
      const headers = functionHeaders(request, head, target, invocation, lease);
      const asked = { head: requestHead(request, target.path, headers), firstBytes };
      const { instance, answer } = await ask(lease, target, asked, gone.signal);
      client.off('end', leave);
      const status = await join(client, instance, answer);
      const end = status === 101 ? await deathOf(lease) : undefined;
      if (end) throw died(target, end);
      invocation.endAttempt(status);
      invocation.end(status, undefined);
      return;
    } catch (error) {
      const { failure, canRepeat } =
        error instanceof NotAnswered ? error : { failure: toFailure(error, 'router'), canRepeat: false };
      invocation.failAttempt(failure, endOf(failure));
      if (!canRepeat || attempt === MAX_ATTEMPTS || gone.signal.aborted) {
        refuseUpgrade(client, failure, invocation);
        invocation.end(failure.reason === 'client_disconnect' ? 499 : failure.status, failure);
        return;
      }
    } finally {
      lease?.release();
    }
    await sleep(backOffMs(attempt));
  }
}

/** An error answer on a socket that no ServerResponse stands for; nothing when it has carried an answer already. */
export function refuseUpgrade(client: Duplex, failure: Failure, invocation: Invocation): void {
  const body = errorBody(failure, invocation.requestId, invocation.spanContext.traceId);
  if (client.writable && (client as Socket).bytesWritten === 0) {
    client.end(
      `HTTP/1.1 ${failure.status} \r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n` +
        `x-fission-component: ${failure.component}\r\nx-fission-request-id: ${invocation.requestId}\r\nconnection: close\r\n\r\n${body}`,
    );
  } else {
    client.destroy();
  }
}

/** No byte of an answer came. */
class NotAnswered extends Error {
  readonly failure: Failure;
  /** No function has begun with it. */
  readonly canRepeat: boolean;

  constructor(failure: Failure, canRepeat: boolean) {
    super(failure.message);
    this.failure = failure;
    this.canRepeat = canRepeat;
  }
}

interface Asked {
  readonly head: string;
  /** What the client has sent behind its head. */
  readonly firstBytes: Buffer;
}

/** Resolves with the first bytes of the instance's answer. Throws NotAnswered. */
async function ask(
  lease: Lease,
  target: Target,
  { head, firstBytes }: Asked,
  gone: AbortSignal,
): Promise<{ instance: Socket; answer: Buffer }> {
  const instance = connect({ path: lease.socketPath });
  const leave = () => instance.destroy();
  gone.addEventListener('abort', leave, { once: true });
  try {
    let isDialed = false;
    const answer = await new Promise<Buffer | NodeJS.ErrnoException>((resolve) => {
      instance.once('connect', () => {
        isDialed = true;
        instance.write(Buffer.concat([Buffer.from(head, 'latin1'), firstBytes]));
      });
      instance.once('data', (chunk: Buffer) => {
        instance.pause();
        resolve(chunk);
      });
      instance.on('error', resolve);
      instance.once('close', () => resolve(new Error('it closed the connection without an answer')));
    });
    if (Buffer.isBuffer(answer)) return { instance, answer };
    if (gone.aborted) throw new NotAnswered(disconnected(), false);
    // On a unix socket the kernel tells: closed with bytes of ours unread. With more than a head, part of it may have been read.
    const isUnread = answer.code === 'ECONNRESET' || answer.code === 'EPIPE';
    if (!isDialed || (isUnread && (firstBytes.length === 0 || (await saysDraining(lease)))))
      throw new NotAnswered(dialFailure(target.fn.name, answer), true);
    const end = await deathOf(lease);
    throw new NotAnswered(end ? died(target, end) : unanswered(target, answer), false);
  } finally {
    gone.removeEventListener('abort', leave);
  }
}

function requestHead(request: IncomingMessage, path: string, headers: readonly string[]): string {
  let text = `${request.method} ${path} HTTP/1.1\r\nconnection: Upgrade\r\nupgrade: ${request.headers.upgrade ?? 'websocket'}\r\n`;
  for (let i = 0; i < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`;
  return `${text}\r\n`;
}

/** Passes bytes both ways until both sides are closed. Resolves with the status the instance answered, 502 when it is none. */
function join(client: Duplex, instance: Socket, answer: Buffer): Promise<number> {
  return new Promise((resolve) => {
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(answer.toString('latin1', 0, 12))?.[1] ?? 502);
    instance.once('close', () => {
      client.end();
      resolve(status);
    });
    client.once('close', () => instance.destroy());
    if (client.destroyed) instance.destroy();
    client.write(answer);
    client.pipe(instance);
    instance.pipe(client);
  });
}

async function deathOf(lease: Lease): Promise<InstanceEnd | undefined> {
  const notice = new Promise<undefined>((resolve) => {
    setTimeout(resolve, DEATH_NOTICE_MS, undefined).unref();
  });
  const end = await Promise.race([lease.died, notice]);
  return end?.reason === 'shutdown' ? undefined : end;
}

function died(target: Target, end: InstanceEnd): Failure {
  return new Failure(
    'function',
    'instance_died',
    `cannot keep the connection: the instance of function [${target.fn.name}] died: ${end.message}`,
    { cause: end },
  );
}

function unanswered(target: Target, cause: Error): Failure {
  return new Failure(
    'function',
    'function_error',
    `cannot read the answer of function [${target.fn.name}]: ${cause.message}`,
    { cause },
  );
}

function disconnected(): Failure {
  return new Failure('router', 'client_disconnect', 'cannot finish the request: the client has gone');
}

/** How the instance ended, where that is what failed. */
function endOf(failure: Failure): InstanceEnd | undefined {
  return failure.reason === 'instance_died' ? (failure.cause as InstanceEnd) : undefined;
}
