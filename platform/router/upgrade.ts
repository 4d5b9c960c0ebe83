import type { IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Failure, toFailure } from '../../server/failure.ts';
import type { InstanceEnd, Lease } from '../executor/client.ts';
import { errorBody } from './answer.ts';
import { functionHeaders } from './function-headers.ts';
import type { Invocation } from './invocation.ts';
import type { RequestHead } from './request-head.ts';
import type { Road } from './road.ts';
import type { Target } from './target.ts';

/** A broken connection is followed by the news of its process's death within this, or the process lives. */
const DEATH_NOTICE_MS = 200;

/**
 * A websocket (or any other upgrade): after the lease the bytes of both sides pass as they are, and the spans last as long as the
 * connection. No time-out applies; an instance that serves it counts one request.
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
  invocation.startAttempt(target, 1);
  let lease: Lease | undefined;
  try {
    lease = await road.executor.acquire(target.fn, { context: invocation.context, signal: gone.signal });
    invocation.leased(lease);
    const instance = await dial(lease);
    instance.write(
      requestBytes(request, target.path, functionHeaders(request, head, target, invocation, lease)),
    );
    instance.write(firstBytes);
    const status = await join(client, instance);
    const end = status === 101 ? await deathOf(lease) : undefined;
    if (end) throw died(target, end);
    invocation.endAttempt(status);
    invocation.end(status, undefined);
  } catch (error) {
    const failure = toFailure(error, 'router');
    invocation.failAttempt(failure, failure.cause as InstanceEnd | undefined);
    refuseUpgrade(client, failure, invocation);
    invocation.end(failure.status, failure);
  } finally {
    lease?.release();
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

function dial(lease: Lease): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path: lease.socketPath });
    socket.once('connect', () => resolve(socket));
    socket.once('error', (error) =>
      reject(
        new Failure('router', 'dial_error', `cannot reach instance [${lease.instanceId}]: ${error.message}`),
      ),
    );
  });
}

function requestBytes(request: IncomingMessage, path: string, headers: readonly string[]): Buffer {
  let text = `${request.method} ${path} HTTP/1.1\r\nconnection: Upgrade\r\nupgrade: ${request.headers.upgrade ?? 'websocket'}\r\n`;
  for (let i = 0; i < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`;
  return Buffer.from(`${text}\r\n`, 'latin1');
}

/** Passes bytes both ways until both sides are closed. Resolves with the status the instance answered, 502 when it did not. */
function join(client: Duplex, instance: Socket): Promise<number> {
  return new Promise((resolve) => {
    let status = 502;
    instance.once('data', (chunk: Buffer) => {
      status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(chunk.toString('latin1', 0, 12))?.[1] ?? 502);
    });
    instance.on('error', () => {});
    instance.once('close', () => {
      client.end();
      resolve(status);
    });
    client.once('close', () => instance.destroy());
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
